"""PyTorch's back-propagation step on the same networks, in its best settings. Prints one JSON line a setting.

usage: baseline.py MODEL BATCH STEPS    MODEL: mlp or vgg16
"""
import json
import sys
import time

import torch

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
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True)

    def loss_of(x, y):
        x = x.float() / 255
        if vgg16 and setting != "eager":
            x = x.contiguous(memory_format=torch.channels_last)
        if vgg16:
            return torch.nn.functional.cross_entropy(model(x), y)
        return 0.5 * ((model(x) - torch.nn.functional.one_hot(y, 10)) ** 2).sum() / batch

    if setting.startswith("compile"):
        loss_of = torch.compile(loss_of, mode="max-autotune" if setting == "compile-autotuned" else "reduce-overhead")

    def step():
        x, y = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=numerics == "bf16"):
            loss = loss_of(x, y)
        loss.backward()
        optimizer.step()

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


# What takes longest to begin comes last, so that a run that is cut off has the rest.
for setting in ["eager", "channels_last", "compile", "compile-autotuned"] if vgg16 else ["eager", "compile"]:
    for numerics in ["strict", "tf32", "bf16"]:
        try:
            times = run(setting, numerics)
        except Exception as error:
            print(f"baseline: {model_name} {setting} {numerics}: {error}"[:300], file=sys.stderr)
            continue
        print(json.dumps({"who": f"PyTorch {torch.__version__} bp {setting}", "model": model_name, "numerics": numerics,
                          "batch": batch, "min_ms": round(times[0], 4), "median_ms": round(times[2], 4)}), flush=True)
