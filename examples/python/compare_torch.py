#!/usr/bin/env python3
"""compare_torch.py - layers that learn by dual propagation between a convolution and a linear layer of PyTorch.

Computes all gradients twice, with the layers in the middle by dual propagation and by torch's autograd, and prints how
far they are apart; then trains the mixed model. Needs PyTorch.
"""
import numpy as np
import torch

import dualprop as dp
import dualprop.torch

BATCH, SIDE, STEPS = 50, 8, 200


def stripes(count, random):
    """Noisy images with stripes that run down, across, or along a diagonal."""
    labels = random.integers(0, 3, count)
    y, x = np.mgrid[:SIDE, :SIDE]
    along = np.stack([x, y, x + y])[labels]
    phase = random.uniform(0, 2 * np.pi, (count, 1, 1))
    images = np.sin(1.5 * along + phase) + 0.3 * random.standard_normal((count, SIDE, SIDE))
    return torch.from_numpy(images[:, None].astype(np.float32)), torch.from_numpy(labels)


random = np.random.default_rng(1)
torch.manual_seed(1)
context = dp.Context()
network = dp.Network(context, 4 * (SIDE - 2) ** 2).dense(32, "tanh").dense(16).initialize(seed=1)
middle = dualprop.torch.Layers(network, capacity=BATCH)
front = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Tanh(), torch.nn.Flatten())
back = torch.nn.Linear(16, 3)
model = torch.nn.Sequential(front, middle, back)
loss_of = torch.nn.CrossEntropyLoss()


def by_autograd(x):
    """What `middle` computes, in torch's own operations."""
    weights = dict(middle.named_parameters())
    hidden = torch.tanh(x @ weights["layer1_weight"] + weights["layer1_bias"])
    return hidden @ weights["layer2_weight"] + weights["layer2_bias"]


images, labels = stripes(BATCH, random)
gradients = []
for forward in (middle, by_autograd):
    model.zero_grad()
    loss_of(back(forward(front(images))), labels).backward()
    gradients.append({name: one.grad.clone() for name, one in model.named_parameters()})
worst = 0.0
for name, expected in gradients[1].items():
    difference = float((gradients[0][name] - expected).norm() / expected.norm())
    worst = max(worst, difference)
    print(f"{name:18} {difference:.1e}")
print(f"the largest difference: {worst:.1e} of the gradient")

adam = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(STEPS):
    images, labels = stripes(BATCH, random)
    adam.zero_grad()
    loss_of(model(images), labels).backward()
    adam.step()
images, labels = stripes(BATCH, random)
with torch.no_grad():
    accuracy = float((model(images).argmax(1) == labels).float().mean())
print(f"after {STEPS} steps: {100 * accuracy:.0f} % correct")
