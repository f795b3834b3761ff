"""One side of the MLP benchmark: PyTorch's back-propagation step with Adam, timed on command.

usage: worker_torch.py MODE THREADS BATCH WIDTHS [ACTIVATION]    MODE: fused (eager, fused Adam), foreach or compile
"""
import sys
import time

import torch

mode, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
widths = [int(w) for w in sys.argv[4].split(",")]
torch.set_num_threads(threads)
torch.manual_seed(1)
activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "softplus": torch.nn.Softplus,
              "elu": torch.nn.ELU, "silu": torch.nn.SiLU, "softmax": lambda: torch.nn.Softmax(1)}[
                  sys.argv[5] if len(sys.argv) > 5 else "relu"]
layers = []
for inputs, outputs in zip(widths, widths[1:]):
    layers += [torch.nn.Linear(inputs, outputs), activation()]
model = torch.nn.Sequential(*layers[:-1])
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=mode != "foreach", foreach=mode == "foreach")
x = torch.rand(batch, widths[0])
y = torch.nn.functional.one_hot(torch.arange(batch) * 7 % widths[-1], widths[-1]).float()


def loss_of(inputs, targets):
    return 0.5 * ((model(inputs) - targets) ** 2).sum() / batch


if mode == "compile":
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
