"""Layers that learn by dual propagation, as a module of PyTorch.

    import torch, dualprop as dp, dualprop.torch
    network = dp.Network(context, 64).dense(32, "tanh").dense(16).initialize(seed=1)
    middle = dualprop.torch.Layers(network, capacity=100)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), middle, torch.nn.Linear(16, 10))

The forward pass predicts. The backward pass nudges the outputs along the gradient that comes in, lets the dyads settle,
and returns the gradients of the parameters and of the inputs: those of the loss as beta -> 0, with an error of
O(beta^2) at alpha = 1/2, whatever the loss's scale. There are no second derivatives: asking for them is an error. The
parameters are torch's, so that its optimizers train them; a pass copies those to the network that have changed, which
it finds by comparing them with a copy. What the last step of torch's optimizer or load_state_dict() changed is not in
the network before the next pass or copy_to_network(), and what is written to the network instead of the parameters is
lost in it. Needs PyTorch; other arrays are shared, not copied, where torch keeps them on
the CPU. state_dict() saves a module, copy.deepcopy() copies it with a network and a rule of its own. It computes in its
context's precision: .double() on a network of float32 is an error.
"""
from __future__ import annotations

import copy
import ctypes as C
import math
from typing import Any, Optional, Tuple

import numpy as np
import torch

from ._checkpoint import Checkpoint
from ._context import is_a
from ._diagnostics import Diagnostics
from ._network import Network
from ._optimizer import Optimizer
from ._rule import Rule
from ._state import State


class _Propagate(torch.autograd.Function):
    """Predict on the way up; infer with the incoming gradient on the way down."""

    @staticmethod
    def forward(ctx: Any, layers: "Layers", inputs: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        ctx.layers = layers
        ctx.save_for_backward(inputs, *parameters)
        if inputs.shape[0] == 0:
            return inputs.new_empty((0, layers.network.outputs))
        layers._write(parameters)
        return torch.from_numpy(layers.state.predict(_array(inputs))).to(inputs.device)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:
        if torch.is_grad_enabled():  # once_differentiable would notice it of the incoming gradient alone
            raise RuntimeError("layers that learn by dual propagation have no second derivatives; expected "
                               "create_graph=False")
        inputs, *parameters = ctx.saved_tensors
        layers, count = ctx.layers, inputs.shape[0]
        if count == 0:
            return (None, torch.zeros_like(inputs), *map(torch.zeros_like, parameters))
        layers._write(parameters)
        scale = _scale(gradients[0])
        layers.state.infer_gradient(_array(inputs), _array(gradients[0] / scale))
        layers._held.gradient(layers.state)
        of_inputs = None
        if ctx.needs_input_grad[1]:
            array = layers._diagnostics.input_gradient(layers.state, count=count)
            of_inputs = torch.from_numpy(array).to(inputs.device) * scale
        # The library's gradient is a mean over the samples; torch's is a sum, since the loss has its own mean.
        gradients = map(layers._held.gradients.__getitem__, layers._names)
        return (None, of_inputs, *(torch.from_numpy(gradient).to(parameter.device) * count * scale
                                   for gradient, parameter in zip(gradients, parameters)))


def _scale(gradient: torch.Tensor) -> float:
    """The power of two below the largest row's norm.

    Gradients are linear in the one that comes in, but a nudge has to be small beside the states: divided by this, the
    error is that of beta alone, however large or small the loss is.
    """
    norm = float(gradient.detach().double().norm(dim=1).max())
    if norm == 0 or not math.isfinite(norm):  # the latter is refused by the inference, with its place
        return 1.0
    # Beyond the range of f32 a quotient by the scale would be none.
    return math.ldexp(1.0, max(-120, min(120, math.frexp(norm)[1] - 1)))


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


_memcmp = C.CDLL(None).memcmp
_memcmp.argtypes = (C.c_void_p, C.c_void_p, C.c_size_t)


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Are two arrays of one type and shape, without gaps, the same to the bit?"""
    return _memcmp(one.ctypes.data, other.ctypes.data, one.nbytes) == 0


class Layers(torch.nn.Module):
    """A network of this library as a module: (count, inputs) -> (count, outputs), for up to `capacity` samples.

    The inputs of a network of images are the images with their channels last, each in one row. rule: any whose beta is
    small; by default dp-adjoint with alpha = 1/2 and beta = 1e-3. Parameters have the names of the network's, with _
    for the dot, and its shapes: a weight is (inputs, outputs). Use the module in one thread at a time.
    """

    def __init__(self, network: Network, rule: Optional[Rule] = None, capacity: int = 1) -> None:
        super().__init__()
        self.network = is_a(Network, network, "network")
        self.rule = Rule(network.context, "dp-adjoint", alpha=0.5, beta=1e-3) if rule is None else is_a(Rule, rule,
                                                                                                        "rule")
        self._make(capacity)
        for name in self._names:
            self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(torch.from_numpy(network[name])))

    def _make(self, capacity: int) -> None:
        """What works on the network."""
        self.state = State(self.network, self.rule, capacity)
        self._held = Optimizer(self.network, "sgd")  # of which only the gradient is used
        self._diagnostics = Diagnostics(self.network, capacity=capacity)
        self._names = self.network.keys()
        self._dtype = torch.from_numpy(np.empty(0, self.network.context.dtype)).dtype
        self._written: dict = {}  # copies of the parameters that the network has
        self._generation = -1     # of the network, when they were written

    def _write(self, parameters: Any) -> None:
        """Bring the network's parameters to torch's. Those that are as they were are found by their bits, since .data
        and numpy change them without a trace."""
        if self._generation != self.network.generation:
            self._written.clear()
        for name, parameter in zip(self._names, parameters):
            array, known = np.ascontiguousarray(_array(parameter)), self._written.get(name)
            if known is None:
                self._written[name] = array.copy()
            elif _same_bits(known, array):
                continue
            else:
                known[...] = array
            self.network[name] = array
        self._generation = self.network.generation

    def copy_to_network(self) -> Network:
        """Copy the parameters to the network, and return it: before it is saved or exported."""
        self._write(tuple(self.parameters()))
        return self.network

    def _apply(self, fn: Any, *arguments: Any) -> Any:
        """What .to(), .double() and the like call."""
        if fn(torch.empty(0, dtype=self._dtype)).dtype != self._dtype:
            raise TypeError(f"these layers compute in {self._dtype}, the precision of their context; expected no other "
                            'type: make the network in a Context(precision="f64") for float64, "f32" for float32')
        return super()._apply(fn, *arguments)

    def __deepcopy__(self, memo: dict) -> "Layers":
        """A module with parameters, a network and a rule of its own, in the same context."""
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        with Checkpoint(self.network.context) as checkpoint:
            checkpoint.put_rule(self.rule)
            own = {"network": self.network.clone(), "rule": checkpoint.rule()}
        shared = ("network", "rule", "state", "_held", "_diagnostics")
        made.__dict__.update(copy.deepcopy({key: value for key, value in self.__dict__.items() if key not in shared},
                                           memo), **own)
        made._make(self.state.capacity)
        return made

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The outputs for (count, inputs)."""
        if inputs.dim() != 2:
            raise ValueError(f"inputs has {inputs.dim()} dimensions; expected 2: (count, {self.network.inputs})")
        if inputs.dtype != self._dtype:
            raise TypeError(f"inputs has the type {inputs.dtype}; expected {self._dtype}, the context's precision")
        if inputs.shape[0] == 0 and inputs.shape[1] != self.network.inputs:
            raise ValueError(f"inputs has the shape {tuple(inputs.shape)}; expected (count, {self.network.inputs})")
        if torch.is_grad_enabled() and inputs.shape[0] > self.state.capacity:
            raise ValueError(f"inputs has {inputs.shape[0]} rows; expected at most {self.state.capacity}, the capacity "
                             f"(any number under torch.no_grad())")
        return _Propagate.apply(self, inputs, *self.parameters())
