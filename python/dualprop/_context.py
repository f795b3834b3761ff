"""Context: backend, precision, threads, log."""
from __future__ import annotations

import ctypes as C
import json
import threading
from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from . import _errors as errors
from ._library import (Handle, call, choice, exclusive, flag, function_of, guarded, name_of, one_of, shown, text,
                       whole)
from ._signatures import CONSTANTS

LogFunction = C.CFUNCTYPE(None, C.c_void_p, C.c_int, C.c_char_p, C.c_char_p)
TaskFunction = C.CFUNCTYPE(None, C.c_void_p, C.c_int64)
LoopFunction = C.CFUNCTYPE(None, C.c_void_p, C.c_void_p, C.c_void_p, C.c_int64)
_Doubles = C.POINTER(C.c_double)
ActivationFunction = C.CFUNCTYPE(C.c_int, C.c_void_p, _Doubles, _Doubles, C.c_int64)
DifferenceFunction = C.CFUNCTYPE(C.c_int, C.c_void_p, _Doubles, _Doubles, _Doubles, _Doubles, C.c_int64)
LEVELS = ("error", "warning", "info", "debug")
LIMITS = ("header_bytes", "tensors", "name_bytes", "file_bytes", "texts")


def returned(what: str, value: Any, dtype: Any, shape: tuple, called: str = "an array") -> np.ndarray:
    """What a function of the caller's returned, as an array of that type and shape, or an exception that names it."""
    if value is None:
        raise TypeError(f"{what} returned None; expected {called} of shape {shape}")
    try:
        array = np.asarray(value)
        if array.dtype.kind == "c":
            raise TypeError("complex numbers; expected real ones")
        array = array.astype(dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what} returned {called} that is none of real numbers: {error}") from None
    if array.shape != shape:
        raise ValueError(f"{what} returned {called} of shape {array.shape}; expected {shape}")
    return array


def _elementwise(kind: Any, what: str, function: Callable[..., Any]) -> Any:
    """A function of arrays as C calls it; what it raises is raised by the call that needed it."""
    function_of(function, what)

    def receive(_: Any, results: Any, *rest: Any) -> int:
        *given, count = rest
        answer = [1]

        def work() -> None:
            arrays = [np.ctypeslib.as_array(pointer, (count,)).copy() for pointer in given]
            np.ctypeslib.as_array(results, (count,))[...] = returned(what, function(*arrays), np.float64, (count,))
            answer[0] = 0
        guarded(work)
        return answer[0]
    return kind(receive)


class MapShape(C.Structure):
    """dualprop_map_shape."""
    _fields_ = [("struct_size", C.c_uint64), ("type", C.c_int32), ("reserved", C.c_int32), ("count", C.c_int64),
                ("inputs", C.c_int64), ("outputs", C.c_int64), ("weights", C.c_int64)]


ProductFunction = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_void_p, C.c_void_p, C.c_void_p, C.POINTER(MapShape))
GradientFunction = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_void_p, C.c_void_p, C.c_void_p, C.c_void_p,
                               C.POINTER(MapShape))


def _array_at(address: int, dtype: Any, *shape: int) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((C.c_char * size).from_address(address), dtype).reshape(shape)


def _linear(kind: Any, what: str, function: Callable[..., Any], result: str, *given: str) -> Any:
    """A function of arrays as C calls it; `result` and `given` are extents: "inputs", "outputs" or "weights"."""
    function_of(function, what)

    def receive(_: Any, to: int, *rest: Any) -> int:
        *addresses, place = rest
        answer = [1]

        def work() -> None:
            shape = place.contents
            dtype = np.float32 if shape.type == CONSTANTS["F32"] else np.float64
            extents = {"inputs": (shape.count, shape.inputs), "outputs": (shape.count, shape.outputs),
                       "weights": (shape.weights,)}
            arrays = [_array_at(address, dtype, *extents[name]).copy() for address, name in zip(addresses, given)]
            array = returned(what, function(*arrays), dtype, extents[result])
            _array_at(to, dtype, *extents[result])[...] = array
            answer[0] = 0
        guarded(work)
        return answer[0]
    return kind(receive)


class Options(C.Structure):
    """dualprop_options; zero is the default everywhere."""
    _fields_ = [("struct_size", C.c_uint64), ("version", C.c_uint32), ("precision", C.c_int32), ("threads", C.c_int32),
                ("level", C.c_int32), ("allocator", C.c_void_p), ("io", C.c_void_p), ("thread_hooks", C.c_void_p),
                ("loader", C.c_void_p), ("backend", C.c_void_p), ("module", C.c_char_p), ("numerics", C.c_int32),
                ("autotune", C.c_int32), ("device", C.c_int32), ("reserved", C.c_int32)]


class Memory(NamedTuple):
    """Bytes allocated now, the most there ever were, and the number of allocations."""
    current: int
    peak: int
    allocations: int


class Context(Handle):
    """What everything is made from: a backend, a precision, threads.

    backend is "auto", "reference", "blis" or "cuda"; precision "f32" or "f64"; threads a number, or "all" for all CPUs
    that the process may use. log, if given, is called with (level, component, message) from the moment the context
    exists; it must not call the library. An exception that it raises is raised by the call that was logged.
    """
    __slots__ = ("_callbacks", "_maps")
    _kind = "context"

    def __init__(self, backend: Any = "auto", *, precision: Any = "f32", threads: Any = 1, level: Any = "auto",
                 numerics: Any = "strict", autotune: bool = False, device: int = 0, module: Any = None,
                 log: Optional[Callable[[str, str, str], Any]] = None, log_level: str = "info") -> None:
        version = CONSTANTS["VERSION_MAJOR"] * 10000 + CONSTANTS["VERSION_MINOR"] * 100 + CONSTANTS["VERSION_PATCH"]
        numbers = {"precision": choice("TYPE", precision, "precision"), "level": choice("LEVEL", level, "level"),
                   "threads": -1 if isinstance(threads, str) and threads == "all" else threads,
                   "numerics": choice("NUMERICS", numerics, "numerics"), "autotune": flag(autotune, "autotune"),
                   "device": device}
        if isinstance(threads, str) and threads != "all":
            raise errors.ArgumentError(f'threads is {threads!r}; expected a number, or "all"')
        options = Options(struct_size=C.sizeof(Options), version=version, module=text(module, "module"),
                          **{name: whole(number, name, -2**31, 2**31 - 1) for name, number in numbers.items()})
        one_of(log_level, "log_level", LEVELS)
        if log is not None:
            function_of(log, "log")
        self._callbacks: dict = {}
        self._maps: dict = {}
        self._create("context_create", (), backend=choice("BACKEND", backend, "backend"), options=C.byref(options))
        if log is not None:
            self.set_log(log, log_level)

    def describe(self) -> dict:
        """Backend, level, kernels, threads, precision, numerics, and why the backend was chosen."""
        needed = C.c_size_t()
        call("context_describe", None, 0, C.byref(needed), self)
        buffer = C.create_string_buffer(needed.value + 256)
        call("context_describe", buffer, len(buffer), None, self)
        return json.loads(buffer.value.decode())

    def _info(self) -> tuple:
        precision, threads, backend = C.c_int(), C.c_int(), C.c_char_p()
        call("context_info", C.byref(precision), C.byref(threads), C.byref(backend), self)
        return precision.value, threads.value, (backend.value or b"").decode()

    @property
    def dtype(self) -> np.dtype:
        """The type of all numbers in it: float32 or float64."""
        return np.dtype(np.float32 if self._info()[0] == CONSTANTS["F32"] else np.float64)

    @property
    def threads(self) -> int:
        """How many threads work, at most."""
        return self._info()[1]

    @property
    def backend(self) -> str:
        """The backend's name."""
        return self._info()[2]

    @property
    def memory(self) -> Memory:
        """What the library has allocated for this context and all that was made from it."""
        numbers = [C.c_uint64() for _ in range(3)]
        call("context_memory", *map(C.byref, numbers), self)
        return Memory(*(number.value for number in numbers))

    def set_log(self, log: Optional[Callable[[str, str, str], Any]], level: str = "info") -> None:
        """Call log(level, component, message) for messages of this level and above; None: no log."""
        one_of(level, "level", LEVELS)
        if log is not None:
            function_of(log, "log")

        def receive(_: Any, number: int, component: bytes, message: bytes) -> None:
            guarded(log, LEVELS[max(0, min(number, 3))], component.decode(errors="replace"),  # type: ignore[arg-type]
                    message.decode(errors="replace"))
        function = None if log is None else LogFunction(receive)
        # Another thread may be in the old function just now, so it lives as long as the context.
        self._callbacks.setdefault("logs", []).append(function)
        call("context_set_log", self, function, None, LEVELS.index(level))

    def set_parallel_for(self, run: Optional[Callable[[Callable[[int], None], int], Any]], threads: int = 1) -> None:
        """Let run(task, count) call task(i) for each i in range(count), on any threads; None: the context's own pool.

        Results do not depend on it. What run leaves undone, because it raised an exception, is done before the call
        returns and raises it; calling task again, or later, is an exception in run.
        """
        if run is not None:
            function_of(run, "run")

        def loop(_: Any, task: int, argument: Any, count: int) -> None:
            function = C.cast(task, TaskFunction)
            left, running = set(range(count)), threading.Condition()
            active = [0]

            def do(index: int) -> None:
                with running:
                    if index not in left:
                        raise errors.StateError(
                            f"task {index!r} is not to be run: it was already, or the loop has ended")
                    left.remove(index)
                    active[0] += 1
                try:
                    function(argument, index)
                finally:
                    with running:
                        active[0] -= 1
                        running.notify_all()

            guarded(run, do, count)
            while True:
                with running:
                    if not left:
                        running.wait_for(lambda: active[0] == 0)
                        return
                    index = min(left)
                do(index)
        function = None if run is None else LoopFunction(loop)
        call("context_set_parallel_for", exclusive(self), function, None, threads=threads)
        self._callbacks["loop"] = function

    def register_activation(self, name: str, value: Callable[[np.ndarray], Any],
                            slope: Callable[[np.ndarray], Any],
                            difference: Optional[Callable[[np.ndarray, np.ndarray, np.ndarray], Any]] = None) -> str:
        """Register an activation of your own, f(a) and f'(a) of an array, elementwise; returns its name.

            context.register_activation("softsign", lambda a: a / (1 + abs(a)), lambda a: 1 / (1 + abs(a))**2)
            network.dense(32, "softsign")

        difference(x, y, span), if given, is f(x) - f(y) without cancellation, where span = x - y. Arrays are float64.
        The functions may be called from any thread and must not call the library; an exception in one is raised by the
        call that needed it. A file keeps the name: register it before loading. On the CPU only.
        """
        functions = [_elementwise(ActivationFunction, "value", value), _elementwise(ActivationFunction, "slope", slope)]
        functions.append(None if difference is None else _elementwise(DifferenceFunction, "difference", difference))
        if not isinstance(name, str):
            raise TypeError(f"name is {shown(name)}; expected a str")
        number = C.c_int()
        self._callbacks.setdefault("activations", []).append(functions)  # as long as the context may call them
        call("activation_register", C.byref(number), self, name, *functions, None)
        return name

    def register_map(self, name: str, forward: Callable[[np.ndarray, np.ndarray], Any],
                     transposed: Callable[[np.ndarray, np.ndarray], Any],
                     gradient: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]) -> str:
        """Register a linear map of your own for Network.custom(); returns its name.

        forward(x, w) is (count, outputs) of x (count, inputs) and the weights w, a vector; transposed(delta, w) is
        (count, inputs) of delta (count, outputs); gradient(x, delta, w) is the derivative of (delta * forward(x,
        w)).sum() with respect to w. Arrays are copies. The bias is the library's. Exceptions, files and devices: as for
        register_activation().
        """
        functions = [_linear(ProductFunction, "forward", forward, "outputs", "inputs", "weights"),
                     _linear(ProductFunction, "transposed", transposed, "inputs", "outputs", "weights"),
                     _linear(GradientFunction, "gradient", gradient, "weights", "inputs", "outputs", "weights")]
        if not isinstance(name, str):
            raise TypeError(f"name is {shown(name)}; expected a str")
        number = C.c_int()
        self._callbacks.setdefault("maps", []).append(functions)  # as long as the context may call them
        call("map_register", C.byref(number), self, name, *functions, None)
        self._maps[name.lower().replace("_", "-")] = number.value
        return name

    def _map(self, name: Any) -> int:
        """The number of a map that was registered."""
        number = self._maps.get(name.lower().replace("_", "-")) if isinstance(name, str) else None
        if number is None:
            raise errors.ArgumentError(f"map is {shown(name)}; expected one of {sorted(self._maps)}, which "
                                       "Context.register_map() registered")
        return number

    def _activation(self, value: Any) -> Any:
        """The number of an activation, built-in or of the caller's."""
        try:
            return choice("ACTIVATION", value, "activation")
        except errors.ArgumentError as error:  # whose text lists the built-in ones
            number = C.c_int()
            try:
                call("activation_find", C.byref(number), self, activation=value)
            except errors.Error:
                error.args = (f"{error}, or one that Context.register_activation() registered", *error.args[1:])
                raise error from None
            return number.value

    def _activation_name(self, number: int) -> str:
        name = name_of("ACTIVATION", number)
        if name != str(number):
            return name
        own = call("activation_name", self, number)
        return own.decode() if own else name

    def set_stream(self, stream: Optional[int]) -> None:
        """Let work on a CUDA device go into this cudaStream_t, given as a number; None: the context's own."""
        pointer = None if stream is None else C.c_void_p(whole(stream, "stream", 0, 2**64 - 1))
        call("context_set_stream", exclusive(self), pointer)

    def synchronize(self) -> None:
        """Wait until a device has done all that was asked of it."""
        call("context_synchronize", self)

    def cancel(self) -> None:
        """Let running calls, and later inferences, stop with CancelledError. Any thread may call it."""
        call("context_cancel", self)

    def resume(self) -> None:
        """Clear what cancel() set."""
        call("context_resume", self)

    def set_limit(self, limit: str, value: int) -> None:
        """Set a limit on files that are read: header_bytes, tensors, name_bytes, file_bytes or texts."""
        call("context_set_limit", self, limit=LIMITS.index(one_of(limit, "limit", LIMITS)), value=value)


def is_a(kind: type, value: Any, name: str) -> Any:
    """Refuse what is no object of this kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {type(value).__name__}; expected a dualprop.{kind.__name__}")
    return value
