"""Checkpoint: named tensors and texts in memory, written and read as safetensors files."""
from __future__ import annotations

import ctypes as C
from typing import Any, List, Optional

import numpy as np

from ._arrays import TENSORS, View, borrowed, reads
from ._context import Context, is_a
from ._errors import ArgumentError
from ._library import Handle, _exception, bound, call, exclusive, fixed, shown, text
from ._network import Network
from ._optimizer import Optimizer
from ._rule import Rule
from ._state import State


class Checkpoint(Handle):
    """A container for a network, a rule, an optimizer, a state, arrays and texts.

        checkpoint = dp.Checkpoint(context)
        checkpoint.put_network(network)
        checkpoint.put_text("epoch", "3")
        checkpoint["extra"] = numpy.arange(5, dtype=numpy.int32)
        checkpoint.write("run.safetensors")
    """
    __slots__ = ("_context",)
    _kind = "checkpoint"
    context = fixed("context", "The context that it belongs to.")

    def __init__(self, context: Context) -> None:
        self._context = is_a(Context, context, "context")
        self._create("checkpoint_create", (context,), context)

    @classmethod
    def _of(cls, context: Context, name: str, **named: Any) -> "Checkpoint":
        checkpoint = cls.__new__(cls)
        checkpoint._context = is_a(Context, context, "context")
        checkpoint._create(name, (context,), context, **named)
        return checkpoint

    @classmethod
    def read(cls, context: Context, path: Any) -> "Checkpoint":
        """Read a file; it is checked whole."""
        return cls._of(context, "checkpoint_read", path=path)

    @classmethod
    def from_bytes(cls, context: Context, data: bytes) -> "Checkpoint":
        """The same from memory."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data is {type(data).__name__}; expected bytes")
        data = bytes(data)
        return cls._of(context, "checkpoint_read_memory", data=C.cast(C.c_char_p(data), C.c_void_p),
                       **{"len(data)": len(data)})

    def write(self, path: Any) -> None:
        """Write a file in place of an old one, which stays whole if that fails."""
        call("checkpoint_write", exclusive(self), path=path)

    # ---- objects ----

    def put_network(self, network: Network) -> None:
        """Put layers and parameters in."""
        call("checkpoint_put_network", exclusive(self), is_a(Network, network, "network"))

    def put_rule(self, rule: Rule) -> None:
        """Put a rule in."""
        call("checkpoint_put_rule", exclusive(self), is_a(Rule, rule, "rule"))

    def put_optimizer(self, optimizer: Optimizer) -> None:
        """Put settings, steps and moments in."""
        call("checkpoint_put_optimizer", exclusive(self), is_a(Optimizer, optimizer, "optimizer"))

    def put_state(self, state: State) -> None:
        """Put in what a state carries from one inference to the next."""
        call("checkpoint_put_state", exclusive(self), is_a(State, state, "state"))

    def network(self) -> Network:
        """Make the network again."""
        place = C.c_void_p()
        call("checkpoint_get_network", C.byref(place), exclusive(self))
        return Network._of(self.context, place.value)

    def rule(self) -> Rule:
        """Make the rule again."""
        place = C.c_void_p()
        call("checkpoint_get_rule", C.byref(place), exclusive(self))
        return Rule._of(self.context, place.value)

    def optimizer(self, network: Network) -> Optimizer:
        """Make the optimizer again, for a network with the same layers."""
        place = C.c_void_p()
        call("checkpoint_get_optimizer", C.byref(place), exclusive(self), is_a(Network, network, "network"))
        return Optimizer._of(network, place.value)

    def restore_state(self, state: State) -> None:
        """Give a state what put_state() saved."""
        call("checkpoint_get_state", is_a(State, state, "state"), exclusive(self))

    # ---- arrays and texts ----

    def keys(self) -> List[str]:
        """The names of the tensors."""
        count = C.c_int64()
        call("checkpoint_tensor_count", C.byref(count), exclusive(self))
        names = []
        for index in range(count.value):
            name, view = C.c_char_p(), View(np.empty(0, np.float32))
            call("checkpoint_tensor", C.byref(name), C.byref(view), exclusive(self), index)
            names.append((name.value or b"").decode())
        return names

    def __getitem__(self, name: str) -> np.ndarray:
        view = View(np.empty(0, np.float32))
        # What is found is borrowed until the next put, so no thread may put meanwhile.
        self._enter(True)
        try:
            status = bound("checkpoint_find")[0](C.byref(view), self._pointer, text(name, "name"))
            if status != 0:
                raise KeyError(str(_exception(status, {})))
            return borrowed(view).copy()
        finally:
            self._leave()

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name is {shown(name)}; expected a str")
        call("checkpoint_put_tensor", exclusive(self), name, C.byref(reads(value, name, TENSORS)))

    def get_text(self, key: str) -> Optional[str]:
        """A text, or None where there is none."""
        if not isinstance(key, str):
            raise TypeError(f"key is {shown(key)}; expected a str")
        needed = C.c_size_t()
        try:
            call("checkpoint_get_text", None, 0, C.byref(needed), exclusive(self), key=key)
            buffer = C.create_string_buffer(needed.value + 1)
            call("checkpoint_get_text", buffer, len(buffer), None, exclusive(self), key=key)
        except ArgumentError:
            return None
        return buffer.value.decode(errors="replace")

    def put_text(self, key: str, value: Optional[str]) -> None:
        """Put a text in under a key; None removes it."""
        call("checkpoint_put_text", exclusive(self), key=key, value=value)
