"""python -m dualprop.demo - learns to tell shapes apart that it draws itself, by dual propagation.

Circles, squares, triangles and crosses of 16 x 16 pixels, of any size, place and brightness, in noise. Each epoch
prints the loss, how many of the shapes that it has never seen are told apart, and the angle between its gradient and
back-propagation's.
"""
from __future__ import annotations

import argparse
import time
from typing import Tuple

import numpy as np

import dualprop as dp

SIZE = 16
SHAPES = ("circle", "square", "triangle", "cross")


def draw(count: int, seed: int) -> Tuple[np.ndarray, np.ndarray]:
    """Images (count, 16, 16, 1) of bytes, and their labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(SHAPES), count)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    radius = random.uniform(3.5, 6.5, (count, 1, 1))
    centre = random.uniform(-1, 1, (2, count, 1, 1)) * (SIZE / 2 - radius) + SIZE / 2
    dx, dy = (x - centre[0]) / radius, (y - centre[1]) / radius
    masks = np.stack([np.hypot(dx, dy) < 1, np.maximum(abs(dx), abs(dy)) < 0.85,
                      (dy < 0.8) & (abs(dx) < (dy + 1) / 2), np.minimum(abs(dx), abs(dy)) + 4 * (abs(dx) > 1) +
                      4 * (abs(dy) > 1) < 0.3])
    inside = masks[labels, np.arange(count)]
    brightness = random.uniform(0.5, 1, (count, 1, 1))
    images = inside * brightness + 0.15 * random.standard_normal(inside.shape)
    return np.clip(images * 255, 0, 255).astype(np.uint8)[..., None], labels


def picture(image: np.ndarray) -> str:
    """An image as text."""
    return "\n".join("  " + "".join(" .:-=+*#%@"[int(pixel) * 9 // 255] * 2 for pixel in row) for row in image[..., 0])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dualprop.demo", description="Tell drawn shapes apart.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--rule", default="dp-adjoint", help="dp, dp-adjoint, fenchel, lecun, bp, ...")
    arguments = parser.parse_args()
    images, labels = draw(arguments.samples, 1)
    unseen, answers = draw(1000, 2)

    context = dp.Context(threads="all")
    network = dp.Network(context, images.shape[1:]).convolution(8, 3, "relu").max_pool(2).dense(64, "relu").dense(4)
    network.initialize(seed=1)
    rule = dp.Rule(context, arguments.rule, beta=0.1, loss="cross-entropy")
    state = dp.State(network, rule, capacity=50)
    adam = dp.Optimizer(network, "adam", learning_rate=2e-3)
    diagnostics = dp.Diagnostics(network, "cross-entropy", capacity=50)
    print(f"{network.parameters} parameters, rule {rule.variant}, backend {context.backend}")

    random = np.random.default_rng(3)
    for epoch in range(1, arguments.epochs + 1):
        start, losses = time.perf_counter(), []
        order = random.permutation(len(images))
        for first in range(0, len(images) - 49, 50):
            chosen = order[first:first + 50]
            adam.learn(state, images[chosen], labels[chosen])
            losses.append(state.report.loss)
        state.infer(unseen[:50], answers[:50])
        adam.gradient(state)
        diagnostics.twin(unseen[:50], answers[:50])
        angle = diagnostics.compare(adam, 1).angle
        result = state.evaluate(unseen, answers)
        print(f"epoch {epoch}: loss {np.mean(losses):.3f}, {100 * result.accuracy:.1f} % of unseen shapes, "
              f"{angle:.3f} degrees to back-propagation, {time.perf_counter() - start:.1f} s")
    guesses = state.predict(unseen[:2]).argmax(axis=1)
    for image, guess, answer in zip(unseen, guesses, answers):
        print(f"\n{picture(image)}\n  taken for a {SHAPES[guess]}; it is a {SHAPES[answer]}")


if __name__ == "__main__":
    main()
