"""examples.py - runs the examples in Python on small data.

usage: examples.py FOLDER [NAME]   NAME: one example alone"""
import gzip
import json
import os
import re
import subprocess
import sys

import numpy as np

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "python")
folder = sys.argv[1]


def run(name, *words):
    result = subprocess.run([sys.executable, os.path.join(EXAMPLES, name), *words], capture_output=True, text=True,
                            cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


def write_idx(name, array):
    with gzip.open(os.path.join(folder, name + "-ubyte.gz"), "wb", 1) as file:
        file.write(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes())


def mlp():
    """Ten classes, each a bright row of its own."""
    random = np.random.default_rng(1)
    for part, count in (("train", 1000), ("t10k", 200)):
        labels = random.integers(0, 10, count, dtype=np.uint8)
        images = random.integers(0, 128, (count, 28, 28), dtype=np.uint8)
        images[np.arange(count), 2 * labels + 3] |= 128
        write_idx(part + "-images-idx3", images)
        write_idx(part + "-labels-idx1", labels)
    straight, resumed = (os.path.join(folder, name) for name in ("straight.safetensors", "resumed.safetensors"))
    for path in (straight, resumed):
        if os.path.exists(path):
            os.remove(path)
    accuracy = float(re.findall(r"accuracy ([\d.]+) %", run("mlp.py", folder, "3", straight))[-1])
    assert accuracy > 95, accuracy
    run("mlp.py", folder, "2", resumed)
    assert "resumed after epoch 2" in run("mlp.py", folder, "3", resumed)
    with open(straight, "rb") as one, open(resumed, "rb") as other:
        assert one.read() == other.read(), "a resumed run differs from one that never stopped"


def plot_run():
    with open(os.path.join(folder, "log.jsonl"), "w", encoding="utf-8") as file:
        for epoch in range(1, 4):
            file.write(json.dumps({"epoch": epoch, "train_loss": 1 / epoch, "test_loss": 2 / epoch,
                                   "train_accuracy": 0.5,
                                   "test_accuracy": 0.4, "angle": [epoch, None, 3]}) + "\n")
        file.write('{"attack":"fgsm"}\n')
    run("plot_run.py", "log.jsonl", "run.png")
    with open(os.path.join(folder, "run.png"), "rb") as file:
        assert file.read(4) == b"\x89PNG"


def compare_torch():
    output = run("compare_torch.py")
    assert float(re.search(r"largest difference: ([\d.e-]+) ", output).group(1)) < 1e-4, output
    assert float(re.search(r"steps: (\d+) % correct", output).group(1)) > 80, output


for name in sys.argv[2:] or ["mlp"]:
    {"mlp": mlp, "plot_run": plot_run, "compare_torch": compare_torch}[name]()
