"""Optimizer: the gradient and the step. Gradients are read and written by name as numpy arrays."""
from __future__ import annotations

import ctypes as C
from typing import Any, Iterator, NamedTuple, Optional

import numpy as np

from ._arrays import reads, samples, targets as targets_view, writes
from ._context import is_a
from ._library import Handle, call, choice, fixed, flag, name_of, real, shown
from ._network import Network
from ._state import State


class Comparison(NamedTuple):
    """Two gradients of a layer: the cosine of their angle, both norms, and the norm of the difference."""
    cosine: float
    norm: float
    other_norm: float
    difference: float


class Gradients:
    """The gradient of each parameter by its name: optimizer.gradients["layer1.weight"], read and assigned."""
    __slots__ = ("_optimizer", "__weakref__")

    def __init__(self, optimizer: "Optimizer") -> None:
        self._optimizer = is_a(Optimizer, optimizer, "optimizer")

    def __getitem__(self, name: str) -> np.ndarray:
        network = self._optimizer.network
        return self.read(name, np.empty(network.shape_of(name), network.context.dtype))

    def __setitem__(self, name: str, value: Any) -> None:
        self._optimizer.network.shape_of(name)
        call("gradient_write", self._optimizer, name, **{name: C.byref(reads(value, name))})

    def read(self, name: str, out: np.ndarray) -> np.ndarray:
        """Copy a gradient into an array of the caller's."""
        call("gradient_read", out=C.byref(writes(out, "out")), optimizer=self._optimizer, name=name)
        return out

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer.network)


class Optimizer(Handle):
    """ "sgd", "adam", "adamw" or "plain-sgd" on a network.

        adam = dp.Optimizer(network, "adam", learning_rate=1e-3)
        adam.learn(state, images, labels)        # infer, and step

    or in parts: state.infer(...), adam.gradient(state), adam.gradients[...] = ..., adam.step().

    With fused=True it keeps no gradient, which saves an array of all parameters: it learns by learn(), update() and
    update_open() alone, with the same bits.
    """
    __slots__ = ("_network",)
    _kind = "optimizer"
    network = fixed("network", "The network that it trains.")

    def __init__(self, network: Network, kind: Any = "adam", learning_rate: Optional[float] = None, *,
                 momentum: Optional[float] = None, betas: Any = None, epsilon: float = 1e-8,
                 weight_decay: Optional[float] = None, clip: Optional[float] = None, fused: bool = False,
                 delayed_status: bool = False) -> None:
        self._network = is_a(Network, network, "network")
        create = "optimizer_create_fused" if flag(fused, "fused") else "optimizer_create"
        self._create(create, (network,), network, kind=choice("OPTIMIZER", kind, "kind"))
        if learning_rate is not None:
            self.learning_rate = learning_rate
        if momentum is not None:
            call("optimizer_set_momentum", self, momentum=momentum)
        epsilon = real(epsilon, "epsilon")
        if betas is not None or epsilon != 1e-8:
            if betas is not None and not (isinstance(betas, (tuple, list)) and len(betas) == 2):
                raise TypeError(f"betas is {shown(betas)}; expected two numbers")
            first, second = (0.9, 0.999) if betas is None else betas
            call("optimizer_set_moments", self, **{"betas[0]": first, "betas[1]": second, "epsilon": epsilon})
        if weight_decay is not None:
            call("optimizer_set_weight_decay", self, weight_decay=weight_decay)
        if clip is not None:
            call("optimizer_set_clip", self, clip=clip)
        if flag(delayed_status, "delayed_status"):
            call("optimizer_set_delayed_status", self, 1)

    @staticmethod
    def memory_needed(network: Network, kind: Any = "adam", fused: bool = False) -> int:
        """The bytes that an optimizer would take."""
        number = C.c_uint64()
        call("optimizer_memory_needed", C.byref(number), is_a(Network, network, "network"),
             kind=choice("OPTIMIZER", kind, "kind"), fused=flag(fused, "fused"))
        return number.value

    @classmethod
    def _of(cls, network: Network, pointer: Any) -> "Optimizer":
        optimizer = cls.__new__(cls)
        optimizer._network = network
        optimizer._adopt(pointer, (network,))
        return optimizer

    # ---- learning ----

    def learn(self, state: State, inputs: Any, targets: Any) -> None:
        """Infer on a batch and step."""
        call("learn_view", self, is_a(State, state, "state"), C.byref(samples(inputs, state._inputs)),
             C.byref(targets_view(targets)))

    def wait(self) -> None:
        """Wait until the last step's outcome is known, with delayed_status; raise it if the step failed."""
        call("optimizer_wait", self)

    def update(self, state: State) -> None:
        """Step by the gradient of a settled state."""
        call("update", self, is_a(State, state, "state"))

    def update_open(self, state: State) -> None:
        """Step by the gradient of dyads as they are now, between State.begin() and State.end()."""
        call("infer_update", self, is_a(State, state, "state"))

    def gradient(self, state: State, accumulate: bool = False) -> None:
        """Compute the gradient of a settled state, or add it to what is held."""
        call("gradient_accumulate" if flag(accumulate, "accumulate") else "gradient", self, is_a(State, state, "state"))

    def step(self) -> None:
        """Apply the gradient."""
        call("step", self)

    @property
    def gradients(self) -> Gradients:
        """The gradient of each parameter, by its name."""
        return Gradients(self)

    def compare(self, other: "Optimizer", index: int) -> Comparison:
        """Compare the gradients that two optimizers hold for a layer."""
        numbers = [C.c_double() for _ in range(4)]
        call("gradient_compare", *map(C.byref, numbers), self, is_a(Optimizer, other, "other"),
             index=index)
        return Comparison(*(number.value for number in numbers))

    # ---- settings ----

    def _info(self) -> tuple:
        kind, steps, rate = C.c_int(), C.c_int64(), C.c_double()
        call("optimizer_info", C.byref(kind), C.byref(steps), C.byref(rate), self)
        return name_of("OPTIMIZER", kind.value), steps.value, rate.value

    @property
    def kind(self) -> str:
        """ "sgd", "adam", "adamw" or "plain-sgd"."""
        return self._info()[0]

    @property
    def steps(self) -> int:
        """Steps made so far."""
        return self._info()[1]

    @property
    def learning_rate(self) -> float:
        """Of the next step; setting it sets the peak, under a schedule."""
        return self._info()[2]

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        call("optimizer_set_learning_rate", self, learning_rate=value)

    def set_schedule(self, schedule: Any, start: float = 0.0, end: float = 0.0, warmup: int = 0,
                     decay: int = 0) -> None:
        """ "constant", or "warmup-cosine": from start up over `warmup` steps, then down to end at step `decay`."""
        call("optimizer_set_schedule", self, schedule=choice("RATE", schedule, "schedule"), start=start, end=end,
             warmup=warmup, decay=decay)
