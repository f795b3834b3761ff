"""PyTorch's back-propagation step on the same networks, in its best settings. Prints one JSON line a setting.

usage: baseline.py MODEL BATCH STEPS [SECONDS]    MODEL: mlp or vgg16

After SECONDS it stops where it is, with what it has measured; exit status 1 where that is nothing. The setting `graph`
is a whole step, the optimizer's too, as one CUDA graph made by hand: what our steps are.
"""
import json
import os
import signal
import sys
import time


class OutOfTime(BaseException):
    """Of no class that anything between here and there would catch."""


def out_of_time(*_):
    raise OutOfTime


signal.signal(signal.SIGALRM, out_of_time)
signal.setitimer(signal.ITIMER_REAL, float(sys.argv[4]) if len(sys.argv) > 4 else 0)

import torch  # noqa: E402 (which takes some of the time)

model_name, batch, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
device = torch.device("cuda")
vgg16 = model_name == "vgg16"


def make_model():
    layers = []
    if vgg16:
        channels = 3
        for width in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]:
            if width:
                layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
                channels = width
            else:
                layers += [torch.nn.MaxPool2d(2)]
        layers += [torch.nn.Flatten(), torch.nn.Linear(512, 4096), torch.nn.ReLU(), torch.nn.Linear(4096, 4096),
                   torch.nn.ReLU(), torch.nn.Linear(4096, 10)]
    else:
        layers = [torch.nn.Flatten(), torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512),
                  torch.nn.ReLU(), torch.nn.Linear(512, 10)]
    return torch.nn.Sequential(*layers).to(device)


def captured(learn, images, labels):
    """learn() as a CUDA graph, and the function that sends it a batch."""
    x, y, side = images.to(device), labels.to(device), torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(11):
            learn(x, y)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        learn(x, y)

    def step():
        x.copy_(images, non_blocking=True)
        y.copy_(labels, non_blocking=True)
        graph.replay()

    return step


def run(setting, numerics):
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = numerics == "tf32"
    torch.backends.cudnn.allow_tf32 = numerics == "tf32"
    torch.backends.cudnn.benchmark = True
    model = make_model()
    images = torch.randint(0, 256, (batch, 3, 32, 32) if vgg16 else (batch, 1, 28, 28), dtype=torch.uint8).pin_memory()
    labels = (torch.arange(batch) * 7 % 10).pin_memory()
    if vgg16 and setting != "eager":
        model = model.to(memory_format=torch.channels_last)
    if vgg16:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-5, momentum=0.9, fused=True)
    else:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True, capturable=setting == "graph")

    def loss_of(x, y):
        x = x.float() / 255
        if vgg16 and setting != "eager":
            x = x.contiguous(memory_format=torch.channels_last)
        if vgg16:
            return torch.nn.functional.cross_entropy(model(x), y)
        return 0.5 * ((model(x) - torch.nn.functional.one_hot(y, 10)) ** 2).sum() / batch

    if setting.startswith("compile"):
        loss_of = torch.compile(loss_of, mode="max-autotune" if setting == "compile-autotuned" else "reduce-overhead")

    def learn(x, y):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=numerics == "bf16"):
            loss = loss_of(x, y)
        loss.backward()
        optimizer.step()

    def step():
        learn(images.to(device, non_blocking=True), labels.to(device, non_blocking=True))

    if setting == "graph":
        step = captured(learn, images, labels)
    for _ in range(20):
        step()
    torch.cuda.synchronize()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3 / steps)
    times.sort()
    return times


measured = 0


def run_all(settings):
    global measured
    for setting, numerics in settings:
        try:
            times = run(setting, numerics)
        except Exception as error:
            print(f"baseline: {model_name} {setting} {numerics}: {error}"[:300], file=sys.stderr)
            continue
        print(json.dumps({"who": f"PyTorch {torch.__version__} bp {setting}", "model": model_name, "numerics": numerics,
                          "batch": batch, "min_ms": round(times[0], 4), "median_ms": round(times[2], 4)}), flush=True)
        measured += 1


# What takes longest to begin comes last, so that a run that is cut off has the rest.
names = ["eager", "channels_last", "graph", "compile", "compile-autotuned"] if vgg16 else ["eager", "graph", "compile"]
try:
    run_all([(name, numerics) for name in names for numerics in ["strict", "tf32", "bf16"]])
except OutOfTime:
    print(f"baseline: {model_name}: the time was over after {measured} settings", file=sys.stderr, flush=True)
os._exit(0 if measured else 1)  # compilers that were left at work are not waited for
