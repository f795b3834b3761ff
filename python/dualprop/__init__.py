"""dualprop - neural networks trained by dual propagation, from numpy arrays.

    import numpy as np, dualprop as dp
    context = dp.Context(threads=2)
    network = dp.Network(context, (28, 28, 1)).dense(512, "relu").dense(10).initialize(seed=1)
    rule = dp.Rule(context, "dp-adjoint", loss="cross-entropy")
    state = dp.State(network, rule, capacity=100)
    adam = dp.Optimizer(network, "adam", learning_rate=1e-3)
    for images, labels in batches:              # numpy arrays, no copies; labels are integers from 0
        adam.learn(state, images, labels)
    scores = state.predict(images)

Arrays of float32, float64 and (as images) uint8 go in and out as they lie, strides included. Whatever is wrong is an
exception with the library's sentence. Objects may be used from several threads; what may not happen at once is a
BusyError. The C headers, docs/embedding.md and `python -m dualprop.demo` show more.
"""
from ._checkpoint import Checkpoint
from ._context import Context, Memory
from ._diagnostics import Diagnostics, Difference, Objective
from ._errors import *  # noqa: F401,F403
from ._errors import __all__ as _error_names
from ._library import build_info, version
from ._network import Layer, Network, Shape
from ._optimizer import Comparison, Gradients, Optimizer
from ._rule import Noise, Rule
from ._signatures import CONSTANTS as _constants
from ._state import Evaluation, Report, State

__version__ = ".".join(str(_constants["VERSION_" + _part]) for _part in ("MAJOR", "MINOR", "PATCH"))
__all__ = ["Checkpoint", "Comparison", "Context", "Diagnostics", "Difference", "Evaluation", "Gradients", "Layer",
           "Memory",
           "Network", "Noise", "Objective", "Optimizer", "Report", "Rule", "Shape", "State", "build_info", "version",
           *_error_names]
