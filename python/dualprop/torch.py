"""Layers that learn by dual propagation, as a module of PyTorch.

    import torch, dualprop as dp, dualprop.torch
    network = dp.Network(context, 64).dense(32, "tanh").dense(16).initialize(seed=1)
    middle = dualprop.torch.Layers(network, capacity=100)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), middle, torch.nn.Linear(16, 10))

The forward pass predicts. The backward pass nudges the outputs along the gradient that comes in, lets the dyads settle,
and returns the gradients of the parameters and of the inputs: those of the loss as beta -> 0, with an error of
O(beta^2) at alpha = 1/2. The parameters are torch's, so that its optimizers train them. Needs PyTorch; arrays are
shared, not copied, where torch keeps them on the CPU and in the context's precision.
"""
from __future__ import annotations

from typing import Any, Optional, Tuple

import torch

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
        layers._write(parameters)
        return torch.from_numpy(layers.state.predict(_array(inputs)))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:
        inputs, *parameters = ctx.saved_tensors
        layers, count = ctx.layers, inputs.shape[0]
        layers._write(parameters)
        layers.state.infer_gradient(_array(inputs), _array(gradients[0]))
        layers._held.gradient(layers.state)
        of_inputs = None
        if ctx.needs_input_grad[1]:
            of_inputs = torch.from_numpy(layers._diagnostics.input_gradient(layers.state, count=count))
        # The library's gradient is a mean over the samples; torch's is a sum, since the loss has its own mean.
        return (None, of_inputs, *(torch.from_numpy(layers._held.gradients[name]) * count for name in layers._names))


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().numpy()


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
        self.state = State(network, self.rule, capacity)
        self._held = Optimizer(network, "sgd")  # of which only the gradient is used
        self._diagnostics = Diagnostics(network, capacity=capacity)
        self._names = network.keys()
        self._written: Any = None
        for name in self._names:
            self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(torch.from_numpy(network[name])))

    def _write(self, parameters: Any) -> None:
        """Bring the network's parameters to torch's, if they differ."""
        state = (self.network.generation, [(id(one.untyped_storage()), one.data_ptr(), one._version)
                                           for one in parameters])
        if state == self._written:
            return
        for name, parameter in zip(self._names, parameters):
            self.network[name] = _array(parameter)
        self._written = (self.network.generation, state[1])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The outputs for (count, inputs)."""
        if inputs.dim() != 2:
            raise ValueError(f"inputs has {inputs.dim()} dimensions; expected 2: (count, {self.network.inputs})")
        expected = torch.from_numpy(self.network.context.dtype.type(0).reshape(1)).dtype
        if inputs.dtype != expected:
            raise TypeError(f"inputs has the type {inputs.dtype}; expected {expected}, the context's precision")
        return _Propagate.apply(self, inputs, *self.parameters())
