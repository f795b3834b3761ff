#!/usr/bin/env python3
"""Take weights from a checkpoint to PyTorch, and back.

usage: pytorch_layout.py to-pytorch   CHECKPOINT OUT [NAMES]
       pytorch_layout.py from-pytorch WEIGHTS CHECKPOINT OUT

to-pytorch writes the parameters of CHECKPOINT as OUT, which safetensors.torch.load_file() reads: Linear.weight as
[outputs, inputs], Conv2d.weight as [outputs, inputs, height, width], and the inputs of a dense layer after images in
the order that flattening channels, height, width gives. They are named layer1.weight, layer1.bias and so on, or, with
NAMES (what safetensors.torch.save_model() wrote of a like model), as there.

from-pytorch is the way back: OUT is CHECKPOINT with the parameters of WEIGHTS, layer by layer in the order of their
names ("features.2" before "features.10"), and with the optimizer's moments at zero.

Needs numpy. Locally connected layers have no counterpart in PyTorch.
"""
import json
import os
import re
import struct
import sys
import zlib

import numpy as np

DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


class Failure(Exception):
    pass


def read(path):
    """A safetensors file: its header, and its data, which may be changed."""
    try:
        with open(path, "rb") as file:
            content = file.read()
        size = struct.unpack_from("<Q", content)[0]
        header = json.loads(content[8:8 + size])
        return header, bytearray(content[8 + size:])
    except (OSError, ValueError, struct.error) as error:
        raise Failure(f"{path}: {getattr(error, 'strerror', None) or 'not a safetensors file'}") from error


def write(path, header, data):
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".tmp", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    os.replace(path + ".tmp", path)


def tensor(header, data, name):
    """A view of the tensor in data."""
    entry = header[name]
    if entry["dtype"] not in DTYPES:
        raise Failure(f"{name} is {entry['dtype']}, expected F32 or F64")
    begin, end = entry["data_offsets"]
    return np.frombuffer(data, DTYPES[entry["dtype"]], offset=begin,
                         count=(end - begin) // DTYPES[entry["dtype"]].itemsize
                         ).reshape(entry["shape"])


class Layer:
    """One layer's parameters by name, and how its weights lie in PyTorch. channels: of the images it reads, or 1."""

    def __init__(self, number, kind, channels):
        self.weight, self.bias = f"layer{number}.weight", f"layer{number}.bias"
        self.kind, self.channels = kind, channels

    def to_pytorch(self, weight):
        if self.kind == "convolution":
            return weight.transpose(3, 2, 0, 1)
        pixels = weight.shape[0] // self.channels
        return weight.reshape(pixels, self.channels, -1).transpose(2, 1, 0).reshape(-1, weight.shape[0])

    def from_pytorch(self, weight):
        if self.kind == "convolution":
            return weight.transpose(2, 3, 1, 0)
        pixels = weight.shape[1] // self.channels
        return weight.reshape(-1, self.channels, pixels).transpose(2, 1, 0).reshape(weight.shape[1], -1)


def layers_of(header, path):
    """The layers of a checkpoint, from its description of the network."""
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != "dualprop-1" or "network" not in metadata:
        raise Failure(f"{path}: no checkpoint with a network")
    network = json.loads(metadata["network"])
    layers, channels = [], network["input"][2]
    for number, entry in enumerate(network["layers"], 1):
        if entry["kind"] not in ("dense", "convolution"):
            raise Failure(f"{path}: layer {number} is {entry['kind']}, which PyTorch does not have")
        layers.append(Layer(number, entry["kind"], channels))
        channels = entry["channels"] if entry["kind"] == "convolution" else 1
    return layers


def natural(name):
    """Numbers within names compare as numbers."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def names_of(header, path, count):
    """Of each layer: its weight's name in PyTorch, and its bias's."""
    names = sorted((name for name in header if name.endswith(".weight")), key=natural)
    if len(names) != count:
        raise Failure(f"{path}: {len(names)} weights, expected {count} as the checkpoint has")
    return [(name, name[:-len("weight")] + "bias") for name in names]


def to_pytorch(checkpoint, out, like=None):
    header, data = read(checkpoint)
    layers = layers_of(header, checkpoint)
    names = names_of(read(like)[0], like, len(layers)) if like else [(layer.weight, layer.bias) for layer in layers]
    new_header, new_data = {}, bytearray()
    for layer, pair in zip(layers, names):
        weight, bias = layer.to_pytorch(tensor(header, data, layer.weight)), tensor(header, data, layer.bias)
        for name, array in zip(pair, (weight, bias)):
            content = np.ascontiguousarray(array).tobytes()
            new_header[name] = {"dtype": header[layer.weight]["dtype"], "shape": list(array.shape),
                                "data_offsets": [len(new_data), len(new_data) + len(content)]}
            new_data += content
    write(out, new_header, new_data)


def replace(target, source, name):
    if source.shape != target.shape:
        raise Failure(f"{name} has shape {list(source.shape)} in our layout, expected {list(target.shape)}")
    if not np.isfinite(source).all():
        raise Failure(f"{name} holds a value that is not finite")
    target[...] = source


def from_pytorch(weights, checkpoint, out):
    header, data = read(checkpoint)
    layers = layers_of(header, checkpoint)
    other_header, other_data = read(weights)
    for layer, (weight, bias) in zip(layers, names_of(other_header, weights, len(layers))):
        replace(tensor(header, data, layer.weight), layer.from_pytorch(tensor(other_header, other_data, weight)),
                weight)
        if bias not in other_header:
            raise Failure(f"{weights}: {bias} is missing; a layer of ours has a bias")
        replace(tensor(header, data, layer.bias), tensor(other_header, other_data, bias), bias)
    for name in header:
        if re.search(r"\.moment\d$", name):
            tensor(header, data, name)[...] = 0
    header["__metadata__"]["crc32"] = f"{zlib.crc32(data):08x}"
    write(out, header, data)


def main():
    ways = {("to-pytorch", 2): to_pytorch, ("to-pytorch", 3): to_pytorch, ("from-pytorch", 3): from_pytorch}
    way = ways.get((sys.argv[1] if len(sys.argv) > 1 else "", len(sys.argv) - 2))
    if way is None:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    try:
        way(*sys.argv[2:])
    except Failure as failure:
        print(f"pytorch_layout: {failure}", file=sys.stderr)
        return 1
    except (OSError, KeyError, IndexError, ValueError) as error:
        print(f"pytorch_layout: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
