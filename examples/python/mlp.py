#!/usr/bin/env python3
"""mlp.py - learns Fashion-MNIST by dual propagation.   usage: mlp.py [FOLDER [EPOCHS [CHECKPOINT]]]

FOLDER holds the four IDX files, packed by gzip (Debian: dataset-fashion-mnist). The run is saved to CHECKPOINT after
each epoch. If that file is already there, the run is resumed from it and ends with the same bits as one that never
stopped.
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
path = sys.argv[3] if len(sys.argv) > 3 else None
images, labels = read(folder, "train-images-idx3"), read(folder, "train-labels-idx1")
tests, answers = read(folder, "t10k-images-idx3"), read(folder, "t10k-labels-idx1")

context, learned = dp.Context(threads="all"), 0
if path and os.path.exists(path):
    with dp.Checkpoint.read(context, path) as saved:
        network, rule, learned = saved.network(), saved.rule(), int(saved.get_text("epoch"))
        adam = saved.optimizer(network)
    print(f"resumed after epoch {learned}")
else:
    network = dp.Network(context, (28, 28, 1)).dense(512, "relu").dense(512, "relu").dense(10).initialize(seed=1)
    rule = dp.Rule(context, "dp-adjoint", loss="cross-entropy")
    adam = dp.Optimizer(network, "adam", learning_rate=1e-3)
state = dp.State(network, rule, capacity=100)
for epoch in range(learned + 1, epochs + 1):
    order, loss = np.random.default_rng(epoch).permutation(len(images)), 0.0  # by the epoch alone, so as to resume
    for first in range(0, len(images), 100):
        batch = order[first:first + 100]
        adam.learn(state, images[batch], labels[batch])
        loss += state.report.loss * len(batch) / len(images)
    print(f"epoch {epoch}: loss {loss:.4f}, test accuracy {100 * state.evaluate(tests, answers).accuracy:.2f} %")
    if not path:
        continue
    with dp.Checkpoint(context) as saved:
        saved.put_network(network)
        saved.put_rule(rule)
        saved.put_optimizer(adam)
        saved.put_text("epoch", str(epoch))
        saved.write(path)
