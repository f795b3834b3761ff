"""PyTorch's side of the benchmark of tiny networks: one JSON object with microseconds of predicting and learning.

usage: worker_torch_tiny.py BATCH CALLS WIDTHS
"""
import json
import sys
import time

import torch

batch, calls = int(sys.argv[1]), int(sys.argv[2])
widths = [int(w) for w in sys.argv[3].split(",")]
torch.set_num_threads(1)
layers = []
for inputs, outputs in zip(widths, widths[1:]):
    layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
model = torch.nn.Sequential(*layers[:-1])
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.rand(batch, widths[0])
y = torch.nn.functional.one_hot(torch.arange(batch) * 7 % widths[-1], widths[-1]).float()


def predict():
    with torch.inference_mode():
        model(x)


def learn():
    optimizer.zero_grad(set_to_none=True)
    (0.5 * ((model(x) - y) ** 2).sum() / batch).backward()
    optimizer.step()


def times_of(call):
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e6)
    times.sort()
    return {"median": round(times[calls // 2], 3), "p99.9": round(times[int(calls * 0.999)], 3)}


print(json.dumps({"predict": times_of(predict), "learn": times_of(learn)}))
