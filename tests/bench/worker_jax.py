"""One side of the MLP benchmark: JAX's back-propagation step with Adam, one jitted function, timed on command.

usage: worker_jax.py MODE THREADS BATCH WIDTHS    MODE: jit
"""
import os
import sys
import time

mode, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
widths = [int(w) for w in sys.argv[4].split(",")]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # XLA takes as many threads as it may use
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

keys = jax.random.split(jax.random.key(1), len(widths))
weights = [jax.random.normal(k, (i, o)) / i**0.5 for k, i, o in zip(keys, widths, widths[1:])]
parameters = [(w, jnp.zeros(w.shape[1])) for w in weights]
x = jax.random.uniform(keys[-1], (batch, widths[0]))
y = jax.nn.one_hot(jnp.arange(batch) * 7 % widths[-1], widths[-1])


def loss_of(parameters, inputs, targets):
    for w, b in parameters[:-1]:
        inputs = jax.nn.relu(inputs @ w + b)
    w, b = parameters[-1]
    return 0.5 * jnp.sum((inputs @ w + b - targets) ** 2) / batch


def adam(p, g, m, v, t):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return p - 1e-3 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v


def step(parameters, mean, square, t, inputs, targets):
    gradient = jax.grad(loss_of)(parameters, inputs, targets)
    new = jax.tree.map(lambda p, g, m, v: adam(p, g, m, v, t), parameters, gradient, mean, square)
    return [jax.tree.map(lambda triple: triple[i], new, is_leaf=lambda n: isinstance(n, tuple) and len(n) == 3)
            for i in range(3)]


step = jax.jit(step, donate_argnums=(0, 1, 2))
mean = jax.tree.map(jnp.zeros_like, parameters)
square = jax.tree.map(jnp.zeros_like, parameters)
t = 0.0
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        t += 1.0
        start = time.perf_counter()
        parameters, mean, square = step(parameters, mean, square, t, x, y)
        jax.block_until_ready(parameters)
        times.append((time.perf_counter() - start) * 1e3)
    print(" ".join(f"{ms:.6f}" for ms in times), flush=True)
