"""pytorch_layout.py - weights that examples/pytorch_layout.py takes to PyTorch's layout give the library's predictions.

usage: pytorch_layout.py PROGRAMS FOLDER    PROGRAMS: where dualprop-vgg16 is

Trains a small network, computes what PyTorch would (Conv2d, MaxPool2d, Flatten, Linear on channels, height, width) with
numpy, and compares classes; then takes the weights back, and hands the script files that do not fit.
"""
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "..", "examples", "pytorch_layout.py")
sys.path.insert(0, os.path.dirname(SCRIPT))
import pytorch_layout as layout  # noqa: E402


def convolution(x, weight, bias):
    """Conv2d with 3x3 kernels and a border of one; x is (images, channels, height, width)."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = [padded[:, :, i:i + height, j:j + width] for i in range(3) for j in range(3)]
    taps = weight.reshape(*weight.shape[:2], 9)
    return sum(np.einsum("nchw,oc->nohw", windows[t], taps[:, :, t]) for t in range(9)) + bias[:, None, None]


def max_pooling(x):
    height, width = x.shape[2] // 2, x.shape[3] // 2
    return x[:, :, :2 * height, :2 * width].reshape(*x.shape[:2], height, 2, width, 2).max(axis=(3, 5))


def predict(weights, images):
    """minicnn: three convolutions with pooling, one dense layer."""
    x = images.transpose(0, 3, 1, 2) / 255.0
    for k in (1, 2, 3):
        x = np.maximum(max_pooling(convolution(x, weights[f"layer{k}.weight"], weights[f"layer{k}.bias"])), 0)
    return x.reshape(len(x), -1) @ weights["layer4.weight"].T + weights["layer4.bias"]


def tensors(path):
    header, data = layout.read(path)
    return {name: layout.tensor(header, data, name) for name in header if name != "__metadata__"}


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def refused(*words):
    """One sentence and exit 1."""
    result = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.count("\n") == 1, (words, result)


def main():
    program, folder = os.path.join(sys.argv[1], "dualprop-vgg16"), sys.argv[2]
    data, ours, theirs, back, renamed, arrays = (os.path.join(folder, name) for name in (
        "layout-data", "layout.safetensors", "torch.safetensors", "back.safetensors", "renamed.safetensors",
        "images.npy"))
    os.makedirs(data, exist_ok=True)
    run(sys.executable, os.path.join(HERE, "make_images.py"), "mnist", data, 200)
    common = ["--dataset", "idx", "--data", data, "--quiet"]
    run(program, *common, "--model", "minicnn", "--epochs", "2", "--batch", "20", "--optimizer", "adam", "--checkpoint",
        ours)
    images = np.random.default_rng(1).integers(0, 256, (40, 28, 28, 1), dtype=np.uint8)
    np.save(arrays, images)

    run(sys.executable, SCRIPT, "to-pytorch", ours, theirs)
    scores = predict(tensors(theirs), images)
    classes = [int(line) for line in run(program, "--resume", ours, "--predict", arrays).split()]
    assert len(set(classes)) > 1, "a network that says always the same shows nothing"
    for score, chosen in zip(scores, classes):
        assert score[chosen] >= score.max() - 1e-4 * np.abs(score).max(), (score, chosen)

    header, content = layout.read(theirs)
    layout.write(renamed, {f"features.{3 * int(name[5]) - 3}{name[6:]}": entry for name, entry in header.items()},
                 content)
    run(sys.executable, SCRIPT, "from-pytorch", renamed, ours, back)
    before, after = tensors(ours), tensors(back)
    for name, array in before.items():
        assert np.array_equal(after[name], array if name.startswith("layer") else 0 * array), name
    assert [int(line) for line in run(program, "--resume", back, "--predict", arrays).split()] == classes
    run(sys.executable, SCRIPT, "to-pytorch", ours, back, renamed)
    assert sorted(tensors(back)) == sorted(tensors(renamed))

    refused("to-pytorch", theirs, back)
    refused("to-pytorch", os.path.join(folder, "absent"), back)
    refused("to-pytorch", arrays, back)
    refused("from-pytorch", ours, ours, back)
    refused("to-pytorch", ours, os.path.join(folder, "no such folder", "x"))


main()
