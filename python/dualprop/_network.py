"""Network: layers and their parameters, which are read and written by name as numpy arrays."""
from __future__ import annotations

import ctypes as C
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from ._arrays import doubles, reads, writes
from ._context import Context, is_a
from ._library import Handle, call, choice, exclusive, fixed, flag, name_of, real, shown, whole
from ._signatures import CONSTANTS

KINDS = ("dense", "convolution", "local", "custom")


def _pair(value: Any, name: str) -> Any:
    """Two numbers for C, from two or from one."""
    if value is None:
        return None
    many = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    numbers = list(value) if many else [value, value]
    if len(numbers) != 2:
        raise TypeError(f"{name} is {shown(value)}; expected one or two whole numbers")
    return (C.c_int64 * 2)(*(whole(number, name) for number in numbers))


class Shape(NamedTuple):
    """A layer's map: its output (after pooling), kernel, stride and padding, pooling and its window."""
    kind: str
    output: Tuple[int, int, int]
    kernel: Tuple[int, int]
    stride: Tuple[int, int]
    padding: Tuple[int, int]
    pooling: str
    window: Tuple[int, int]
    window_stride: Tuple[int, int]


class Layer:
    """One layer of a network, by its number from 1: network.layers[0] is layer 1, with "layer1.weight"."""
    __slots__ = ("_network", "_index", "__weakref__")
    index = fixed("index", "Its number, from 1.")

    def __init__(self, network: "Network", index: int) -> None:
        self._network, self._index = is_a(Network, network, "network"), index
        self._info()  # refuses a number that there is not

    def _call(self, name: str, *results: Any, **values: Any) -> None:
        """Ask for the layer, whose pointer is valid as long as no layer is added, and use it before that may happen."""
        place = C.c_void_p()
        self._network._enter()
        try:
            call("network_layer", C.byref(place), self._network, index=self.index)
            call(name, *results, place, **values)
        finally:
            self._network._leave()

    def _info(self) -> tuple:
        inputs, outputs, activation = C.c_int64(), C.c_int64(), C.c_int()
        self._call("layer_info", C.byref(inputs), C.byref(outputs), C.byref(activation))
        return inputs.value, outputs.value, self._network.context._activation_name(activation.value)

    @property
    def inputs(self) -> int:
        """Elements of one sample below the layer."""
        return self._info()[0]

    @property
    def outputs(self) -> int:
        """Elements of one sample of the layer, pooling included."""
        return self._info()[1]

    @property
    def activation(self) -> str:
        """The activation's name."""
        return self._info()[2]

    @property
    def shape(self) -> Shape:
        """The layer's map."""
        kind, pooling, output = C.c_int(), C.c_int(), (C.c_int64 * 3)()
        pairs = [(C.c_int64 * 2)() for _ in range(5)]
        kernel, stride, padding, window, window_stride = pairs
        self._call("layer_shape", C.byref(kind), output, kernel, stride, padding, C.byref(pooling), window,
                   window_stride)
        return Shape(name_of("LAYER", kind.value), tuple(output), tuple(kernel),  # type: ignore[arg-type]
                     tuple(stride), tuple(padding),  # type: ignore[arg-type]
                     name_of("POOLING", pooling.value), tuple(window),  # type: ignore[arg-type]
                     tuple(window_stride))  # type: ignore[arg-type]

    @property
    def custom(self) -> Optional[Tuple[str, int, int]]:
        """The name of its map, weights and fan_in, if the map is your own; else None."""
        name, weights, fan_in = C.c_char_p(), C.c_int64(), C.c_int64()
        self._call("layer_custom", C.byref(name), C.byref(weights), C.byref(fan_in))
        return (name.value.decode(), weights.value, fan_in.value) if name.value else None

    def _training(self) -> tuple:
        frozen, rate = C.c_int(), C.c_double()
        self._call("layer_training", C.byref(frozen), C.byref(rate))
        return bool(frozen.value), rate.value

    @property
    def frozen(self) -> bool:
        """Do its parameters stay as they are in training?"""
        return self._training()[0]

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._call("layer_set_frozen", frozen=flag(frozen, "frozen"))

    @property
    def learning_rate(self) -> float:
        """The factor on the learning rate."""
        return self._training()[1]

    @learning_rate.setter
    def learning_rate(self, factor: float) -> None:
        self._call("layer_set_learning_rate", learning_rate=factor)

    @property
    def feedback(self) -> Tuple[str, float]:
        """What carries delta down, and the cosine between the layer's weights and its feedback weights."""
        kind, cosine = C.c_int(), C.c_double()
        self._call("layer_feedback", C.byref(kind), C.byref(cosine))
        return name_of("FEEDBACK", kind.value), cosine.value

    def __repr__(self) -> str:
        return f"<dualprop.Layer {self.index}: {self.shape.kind}, {self.outputs} {self.activation}>"


class Network(Handle):
    """Layers on top of an input of shape (height, width, channels), or of a number of inputs.

        network = dp.Network(context, (28, 28, 1)).dense(512, "relu").dense(10).initialize(seed=1)
        network["layer1.weight"]                 # a numpy array of (inputs, outputs)
        network["layer1.bias"] = numpy.zeros(512)
    """
    __slots__ = ("_context",)
    _kind = "network"
    context = fixed("context", "The context that it belongs to.")

    def __init__(self, context: Context, input_shape: Any, *, _create: str = "network_create") -> None:
        self._context = is_a(Context, context, "context")
        shape = (1, 1, input_shape) if not isinstance(input_shape, (tuple, list)) else tuple(input_shape)
        if len(shape) == 1:
            shape = (1, 1, *shape)
        if len(shape) != 3:
            raise TypeError(f"input_shape is {shown(input_shape)}; expected (height, width, channels) or a number of "
                            "inputs")
        names = ("input_shape (height)", "input_shape (width)", "input_shape (channels)")
        self._create(_create, (context,), context, **dict(zip(names, shape)))

    @classmethod
    def outline(cls, context: Context, input_shape: Any) -> "Network":
        """A network of shapes without parameters, to ask for the memory of what it describes."""
        return cls(context, input_shape, _create="network_create_outline")

    @property
    def memory_needed(self) -> int:
        """The bytes that it takes, or would take if it is an outline."""
        number = C.c_uint64()
        call("network_memory_needed", C.byref(number), self)
        return number.value

    @classmethod
    def _of(cls, context: Context, pointer: Optional[int]) -> "Network":
        network = cls.__new__(cls)
        network._context = context
        network._adopt(pointer, (context,))
        return network

    # ---- layers ----

    def dense(self, outputs: int, activation: Any = "identity") -> "Network":
        """Add a dense layer; returns the network."""
        call("network_add_dense", exclusive(self), outputs=outputs, activation=self.context._activation(activation))
        return self

    def convolution(self, channels: int, kernel: Any, activation: Any = "identity", *, stride: Any = None,
                    padding: Any = None) -> "Network":
        """Add a convolution; without padding the size stays (at stride 1). Returns the network."""
        call("network_add_convolution", exclusive(self), channels=channels, kernel=_pair(kernel, "kernel"),
             stride=_pair(stride, "stride"), padding=_pair(padding, "padding"),
             activation=self.context._activation(activation))
        return self

    def local(self, channels: int, kernel: Any, activation: Any = "identity", *, stride: Any = None,
              padding: Any = None) -> "Network":
        """Add a locally connected layer: weights of its own at each place. Returns the network."""
        call("network_add_local", exclusive(self), channels=channels, kernel=_pair(kernel, "kernel"),
             stride=_pair(stride, "stride"), padding=_pair(padding, "padding"),
             activation=self.context._activation(activation))
        return self

    def custom(self, map: str, outputs: int, weights: int, activation: Any = "identity", *,
               fan_in: Optional[int] = None) -> "Network":
        """Add a layer with a linear map of your own, which Context.register_map() registered. fan_in, for
        initializers: how many inputs one output sums up; all of them by default. Returns the network."""
        if fan_in is None:
            _, _, inputs, below = self._info()
            fan_in = below if self._info()[0] else inputs
        call("network_add_custom", exclusive(self), map=self.context._map(map), outputs=outputs, weights=weights,
             fan_in=fan_in, activation=self.context._activation(activation))
        return self

    def max_pool(self, window: Any, stride: Any = None) -> "Network":
        """Let the last layer take the greatest of each window. Returns the network."""
        call("network_add_pooling", exclusive(self), CONSTANTS["POOL_MAX"], window=_pair(window, "window"),
             stride=_pair(stride, "stride"))
        return self

    def average_pool(self, window: Any, stride: Any = None) -> "Network":
        """Let the last layer take the mean of each window. Returns the network."""
        call("network_add_pooling", exclusive(self), CONSTANTS["POOL_AVERAGE"], window=_pair(window, "window"),
             stride=_pair(stride, "stride"))
        return self

    def flatten(self) -> "Network":
        """Take the images so far as vectors. Returns the network."""
        call("network_add_flatten", exclusive(self))
        return self

    def initialize(self, seed: int = 1, initializer: Any = None, scale: float = 1.0) -> "Network":
        """Draw the weights; initializer is "lecun", "he", "glorot", "truncated", "normal" or "paper", and scale a
        factor on what it draws. Returns the network."""
        scale = real(scale, "scale")
        if initializer is not None:
            call("network_set_initializer", exclusive(self), choice("INITIALIZER", initializer, "initializer"),
                 scale=scale)
        elif scale != 1:
            raise ValueError(f"scale is {scale}; expected an initializer beside it, which it scales")
        call("network_initialize", self, seed=seed)
        return self

    def set_input_transform(self, mean: Any, deviation: Any) -> "Network":
        """Make numbers of bytes as (value/255 - mean[c]) / deviation[c]. Returns the network."""
        means, deviations = (doubles([value] if np.isscalar(value) else value, name)
                             for value, name in ((mean, "mean"), (deviation, "deviation")))
        if means.shape != deviations.shape:
            raise ValueError(f"mean and deviation have shapes {means.shape} and {deviations.shape}; "
                             "expected one number a channel")
        call("network_set_input_transform", exclusive(self), mean=means.ctypes.data_as(C.c_void_p),
             deviation=deviations.ctypes.data_as(C.c_void_p), **{"len(mean)": len(means)})
        return self

    def set_open(self, bottom: bool = False, top: bool = False) -> "Network":
        """Let other networks go on at the bottom, at the top, or both. Returns the network."""
        call("network_set_open", exclusive(self), flag(bottom, "bottom") + 2 * flag(top, "top"))
        return self

    def set_feedback(self, kind: Any, seed: int = 1) -> "Network":
        """Give every layer feedback weights: "kolen-pollack", "random", "sign", or none: "symmetric"."""
        call("network_set_feedback", exclusive(self), kind=choice("FEEDBACK", kind, "kind"), seed=seed)
        return self

    # ---- what it is ----

    def _info(self) -> tuple:
        layers, numbers = C.c_int(), [C.c_int64() for _ in range(3)]
        call("network_info", C.byref(layers), *map(C.byref, numbers), self)
        return (layers.value, *(number.value for number in numbers))

    @property
    def input_shape(self) -> Tuple[int, int, int]:
        """(height, width, channels)."""
        numbers = [C.c_int64() for _ in range(3)]
        call("network_input_shape", *map(C.byref, numbers), self)
        return tuple(number.value for number in numbers)  # type: ignore[return-value]

    @property
    def parameters(self) -> int:
        """How many parameters there are in all."""
        return self._info()[1]

    @property
    def inputs(self) -> int:
        """Elements of one input."""
        return self._info()[2]

    @property
    def outputs(self) -> int:
        """Elements of one output."""
        return self._info()[3]

    @property
    def layers(self) -> List[Layer]:
        """The layers: layers[0] is layer 1, whose parameters are "layer1.weight" and "layer1.bias"."""
        return [Layer(self, index) for index in range(1, self._info()[0] + 1)]

    @property
    def generation(self) -> int:
        """A counter that every write to the parameters raises."""
        number = C.c_uint64()
        call("network_generation", C.byref(number), self)
        return number.value

    # ---- parameters ----

    def _shapes(self) -> dict:
        count, shapes = C.c_int(), {}
        call("network_parameter_count", C.byref(count), self)
        for index in range(count.value):
            name, extents, rank = C.create_string_buffer(64), (C.c_int64 * CONSTANTS["MAX_RANK"])(), C.c_int()
            call("network_parameter", name, len(name), extents, C.byref(rank), self, index)
            shapes[name.value.decode()] = tuple(extents[:rank.value])
        return shapes

    def keys(self) -> List[str]:
        """The names of the parameters: layer1.weight, layer1.bias, ..."""
        return list(self._shapes())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: Any) -> bool:
        return isinstance(name, str) and name in self._shapes()

    def __len__(self) -> int:
        return len(self._shapes())

    def items(self) -> Iterator[Tuple[str, np.ndarray]]:
        """Names and arrays, which are copies."""
        return ((name, self[name]) for name in self.keys())

    def shape_of(self, name: str) -> Tuple[int, ...]:
        """The shape of a parameter."""
        shape = self._shapes().get(name) if isinstance(name, str) else None
        if shape is None:
            raise KeyError(f"name is {shown(name)}; expected one of {', '.join(self.keys())}")
        return shape

    def __getitem__(self, name: str) -> np.ndarray:
        array = np.empty(self.shape_of(name), self.context.dtype)
        self.read(name, array)
        return array

    def __setitem__(self, name: str, value: Any) -> None:
        self.shape_of(name)
        call("network_write", self, name, **{name: C.byref(reads(value, name))})

    def read(self, name: str, out: np.ndarray) -> np.ndarray:
        """Copy a parameter into an array of the caller's, of any strides."""
        call("network_read", out=C.byref(writes(out, "out")), network=self, name=name)
        return out

    def read_feedback(self, index: int, out: Optional[np.ndarray] = None) -> np.ndarray:
        """Layer index's feedback weights."""
        if out is None:
            out = np.empty(self.shape_of(f"layer{Layer(self, index).index}.weight"), self.context.dtype)
        call("network_read_feedback", out=C.byref(writes(out, "out")), network=self, index=index)
        return out

    def write_feedback(self, index: int, value: Any) -> None:
        """Set layer index's feedback weights."""
        call("network_write_feedback", self, index=index, value=C.byref(reads(value, "value")))

    # ---- copies and files ----

    def clone(self) -> "Network":
        """A new network with the same layers and parameters."""
        place = C.c_void_p()
        call("network_clone", C.byref(place), self)
        return Network._of(self.context, place.value)

    def copy_from(self, source: "Network") -> None:
        """Copy all parameters of a network with the same layers, of any context."""
        call("network_copy", self, is_a(Network, source, "source"))

    def publish(self, source: "Network") -> None:
        """Take over the parameters of a network that learns, while other threads predict on this one undisturbed."""
        call("network_publish", self, is_a(Network, source, "source"))

    def save(self, path: Any) -> None:
        """Write layers and parameters as a safetensors file; the old file stays whole if that fails."""
        from ._checkpoint import Checkpoint
        with Checkpoint(self.context) as checkpoint:
            checkpoint.put_network(self)
            checkpoint.write(path)

    def export_c(self, folder: Any, name: str) -> None:
        """Write the network as C source, folder/name.h and folder/name.c, which needs no library and no heap."""
        call("network_export_c", self, folder=folder, name=name)

    @classmethod
    def load(cls, context: Context, path: Any) -> "Network":
        """Make the network of a file that save() or a program wrote."""
        from ._checkpoint import Checkpoint
        with Checkpoint.read(context, path) as checkpoint:
            return checkpoint.network()

    def __repr__(self) -> str:
        if self.closed:
            return "<dualprop.Network (closed)>"
        parts = " -> ".join([str(self.input_shape), *(f"{layer.outputs} {layer.activation}" for layer in self.layers)])
        return f"<dualprop.Network {parts}>"
