"""One side of the VGG16 benchmark: PyTorch's back-propagation step with SGD and momentum, timed on command.

usage: worker_torch_vgg16.py MODE THREADS BATCH    MODE: eager, channels-last, compile or compile-channels-last
"""
import sys
import time

import torch

mode, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(1)
layers, channels = [], 3
for block in ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)):
    for i, outputs in enumerate(block):
        layers.append(torch.nn.Conv2d(channels, outputs, 3, padding=1))
        if i == len(block) - 1:
            layers.append(torch.nn.MaxPool2d(2))
        layers.append(torch.nn.ReLU(inplace=True))
        channels = outputs
layers.append(torch.nn.Flatten())
for inputs, outputs in ((512, 4096), (4096, 4096)):
    layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU(inplace=True)]
layers.append(torch.nn.Linear(4096, 10))
model = torch.nn.Sequential(*layers)
x = torch.rand(batch, 3, 32, 32) * 4 - 2
y = torch.arange(batch) * 7 % 10
if "channels-last" in mode:
    model = model.to(memory_format=torch.channels_last)
    x = x.contiguous(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5, momentum=0.9, weight_decay=5e-4)


def loss_of(inputs, targets):
    return torch.nn.functional.cross_entropy(model(inputs), targets)


if mode.startswith("compile"):
    loss_of = torch.compile(loss_of)


def step():
    optimizer.zero_grad(set_to_none=True)
    loss_of(x, y).backward()
    optimizer.step()


for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    print(" ".join(f"{t:.6f}" for t in times), flush=True)
