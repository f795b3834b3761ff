#!/usr/bin/env python3
"""plot_run.py - draws a run of dualprop-mlp or dualprop-vgg16 from its log.   usage: plot_run.py LOG [PICTURE.png]

Loss and accuracy by epoch, and, where the run was audited (--diagnostics angle), a map of the angle between each
layer's gradient and back-propagation's. Needs matplotlib.
"""
import json
import sys

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import MaxNLocator, ScalarFormatter  # noqa: E402
import numpy as np  # noqa: E402

log, picture = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "run.png"
with open(log, encoding="utf-8") as file:
    lines = [json.loads(line) for line in file if line.strip()]
epochs = [line for line in lines if "epoch" in line]
if not epochs:
    sys.exit(f"plot_run: {log} holds no epochs")


def column(key):
    return np.array([line.get(key, np.nan) if line.get(key) is not None else np.nan for line in epochs], float)


number, audited = column("epoch"), [line for line in epochs if line.get("angle")]
angles = [line["angle"] for line in audited]
figure, axes = plt.subplots(1, 3 if angles else 2, figsize=(15 if angles else 10, 4), constrained_layout=True)
for part, style in (("train", "--"), ("test", "-")):
    axes[0].semilogy(number, column(part + "_loss"), style, label=part)
    axes[1].plot(number, 100 * column(part + "_accuracy"), style, label=part)
for axis, title in zip(axes, ("mean loss", "accuracy in %")):
    axis.set(title=title, xlabel="epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend()
axes[0].yaxis.set_major_formatter(ScalarFormatter())
axes[0].yaxis.set_minor_formatter(ScalarFormatter())
if angles:
    degrees = np.array([[np.nan if angle is None else angle for angle in row] for row in angles], float).T
    image = axes[2].imshow(degrees, aspect="auto", origin="lower", cmap="viridis",
                           extent=(0.5, len(angles) + 0.5, 0.5, len(degrees) + 0.5))
    axes[2].set(title="angle to back-propagation in degrees", xlabel="epoch", ylabel="layer",
                yticks=range(1, len(degrees) + 1))
    shown = range(0, len(audited), max(1, len(audited) // 8))  # not every epoch needs an audit
    axes[2].set_xticks([i + 1 for i in shown], [audited[i]["epoch"] for i in shown])
    figure.colorbar(image, ax=axes[2])
figure.savefig(picture, dpi=120)
print(picture)
