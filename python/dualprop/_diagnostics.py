"""Diagnostics: what can be measured of a rule beside training, or of a network afterwards."""
from __future__ import annotations

import ctypes as C
from typing import Any, NamedTuple, Optional

import numpy as np

from ._arrays import samples, targets as targets_view, writes
from ._context import is_a
from ._library import Handle, call, choice, fixed, whole
from ._network import Network
from ._optimizer import Optimizer
from ._state import State


class Difference(NamedTuple):
    """A gradient beside back-propagation's: angle in degrees, cosine, both norms, norm of the difference."""
    angle: float
    cosine: float
    norm: float
    twin_norm: float
    difference: float


class Objective(NamedTuple):
    """The paper's objectives, Eq. 1, 12 and 18, on the scale of the loss."""
    dp: float
    sprovr: float
    adjoint: float


class Diagnostics(Handle):
    """A back-propagation twin of a network, for batches of up to `capacity` samples, and estimates of its norms."""
    __slots__ = ("_network", "_inputs")
    _kind = "diagnostics"
    network = fixed("network", "The network that it measures.")

    def __init__(self, network: Network, loss: Any = "mse", capacity: int = 1) -> None:
        self._network = is_a(Network, network, "network")
        self._inputs = network.inputs
        self._create("diagnostics_create", (network,), network, loss=choice("LOSS", loss, "loss"),
                     capacity=capacity)

    def twin(self, inputs: Any, targets: Any) -> None:
        """Let the twin infer on a batch and keep its gradient."""
        call("diagnostics_twin", self, C.byref(samples(inputs, self._inputs)), C.byref(targets_view(targets)))

    def compare(self, optimizer: Optimizer, index: int) -> Difference:
        """Compare the gradient that an optimizer holds with the twin's, for one layer."""
        numbers = [C.c_double() for _ in range(5)]
        call("diagnostics_compare", *map(C.byref, numbers), self, is_a(Optimizer, optimizer, "optimizer"),
             index=index)
        return Difference(*(number.value for number in numbers))

    def input_gradient(self, state: State, out: Optional[np.ndarray] = None, *,
                       count: Optional[int] = None) -> np.ndarray:
        """-1/beta W_0^T delta_1 of a settled state, (count, inputs); count: of its samples, the capacity else."""
        if out is None:
            capacity = is_a(State, state, "state").capacity
            rows = capacity if count is None else whole(count, "count", 1, capacity)
            out = np.empty((rows, self.network.inputs), self.network.context.dtype)
        call("diagnostics_input_gradient", out=C.byref(writes(out, "out")), diagnostics=self,
             state=is_a(State, state, "state"))
        return out

    def spectral_norm(self, index: int, iterations: int = 50) -> float:
        """The spectral norm of one layer's linear map, estimated from below."""
        number = C.c_double()
        call("diagnostics_spectral_norm", C.byref(number), self, index=index, iterations=iterations)
        return number.value

    def lipschitz(self, iterations: int = 50) -> float:
        """The spectral norm of all linear maps one after another."""
        number = C.c_double()
        call("diagnostics_lipschitz", C.byref(number), self, iterations=iterations)
        return number.value

    def restart(self) -> None:
        """Forget the vectors of the power iterations."""
        call("diagnostics_restart", self)

    def zero_delta_fraction(self, state: State, index: int) -> float:
        """The fraction of a layer's dyads with delta = 0."""
        number = C.c_double()
        call("diagnostics_zero_delta_fraction", C.byref(number), is_a(State, state, "state"), index=index)
        return number.value

    def objective(self, state: State) -> Objective:
        """The paper's objectives at the dyads of a state."""
        numbers = [C.c_double() for _ in range(3)]
        call("diagnostics_objective", *map(C.byref, numbers), self, is_a(State, state, "state"))
        return Objective(*(number.value for number in numbers))

    def bregman(self, state: State, index: int) -> float:
        """Eq. 23 for one layer: the difference of the Bregman divergences of s+ and s- from their mean."""
        number = C.c_double()
        call("diagnostics_bregman", C.byref(number), self, is_a(State, state, "state"), index=index)
        return number.value
