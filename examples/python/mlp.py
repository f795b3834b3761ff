#!/usr/bin/env python3
"""mlp.py - learns Fashion-MNIST by dual propagation.   usage: mlp.py [FOLDER [EPOCHS]]

FOLDER holds the four IDX files, packed by gzip (Debian: dataset-fashion-mnist).
"""
import gzip
import os
import sys

import dualprop as dp
import numpy as np


def read(folder, name):
    """An IDX file of bytes as an array."""
    with gzip.open(os.path.join(folder, name + "-ubyte.gz")) as file:
        data = file.read()
    shape = np.frombuffer(data, ">i4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


folder = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist"
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
images, labels = read(folder, "train-images-idx3"), read(folder, "train-labels-idx1")
tests, answers = read(folder, "t10k-images-idx3"), read(folder, "t10k-labels-idx1")

context = dp.Context(threads="all")
network = dp.Network(context, (28, 28, 1)).dense(512, "relu").dense(512, "relu").dense(10).initialize(seed=1)
state = dp.State(network, dp.Rule(context, "dp-adjoint", alpha=0.5, beta=0.5), capacity=100)
adam = dp.Optimizer(network, "adam", learning_rate=1e-3)
random = np.random.default_rng(1)
for epoch in range(epochs):
    order, losses = random.permutation(len(images)), []
    for first in range(0, len(images), 100):
        batch = order[first:first + 100]
        adam.learn(state, images[batch], labels[batch])
        losses.append(state.report.loss)
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, test accuracy {100 * state.evaluate(tests, answers).accuracy:.2f} %")
network.save("mlp.safetensors")
