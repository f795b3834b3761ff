"""The library itself: where it is found, how it is called, and the handles it gives out.

Every call goes through call(). It converts arguments by the table of signatures and refuses what does not fit, so that
no number is cut and no pointer comes from the caller. What the caller of the package passed is an argument by keyword,
under the name that the caller knows: sentences say that name, the library's own too. call() keeps every handle of the
call alive and open until the call returns, and turns a status into an exception with the library's sentence. Functions
are bound when they are first called: one that an older library lacks stops only what needs it.
"""
from __future__ import annotations

import ctypes as C
import operator
import os
import re
import threading
from typing import Any, Iterator, Optional, Sequence

import numpy as np

from . import _errors as errors
from ._signatures import CONSTANTS, FUNCTIONS

SONAME = "libdualprop.so.0"
INTEGERS = {"i": (-2**31, 2**31 - 1), "u": (0, 2**32 - 1), "l": (-2**63, 2**63 - 1), "L": (0, 2**64 - 1),
            "z": (0, C.c_size_t(-1).value)}
TYPES = {"i": C.c_int, "u": C.c_uint32, "l": C.c_int64, "L": C.c_uint64, "z": C.c_size_t, "d": C.c_double,
         "s": C.c_char_p, "p": C.c_void_p, "S": C.c_int, "v": None}
_library: Optional[C.CDLL] = None
_lock = threading.RLock()  # guards the loading, and the counts of all handles
_thread = threading.local()  # in_callback, and exceptions that callbacks raised
_orphans: list = []  # exceptions of callbacks on threads that made no call themselves


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)

# ---- finding and loading ----


def _candidates() -> Iterator[str]:
    named = os.environ.get("DUALPROP_LIB_PATH")
    if named:
        yield os.path.join(named, SONAME) if os.path.isdir(named) else named
        return  # who names a library means that one
    here = os.path.dirname(os.path.abspath(__file__))
    yield os.path.join(here, SONAME)
    yield os.path.join(here, "..", "dualprop.libs", SONAME)
    yield os.path.join(here, "..", "..", "lib", SONAME)  # of a checkout
    yield SONAME  # wherever the system's loader looks


def _load() -> C.CDLL:
    tried = []
    for path in _candidates():
        if os.sep in path and not os.path.exists(path):
            tried.append(f"{os.path.normpath(path)}: is not there")
            continue
        try:
            library = C.CDLL(path)
        except OSError as error:
            tried.append(f"{path}: {error}")
            continue
        _compare_versions(library, path)
        return library
    raise errors.LibraryNotFoundError(
        "libdualprop was not found. Set DUALPROP_LIB_PATH to the file libdualprop.so.0 or its folder. Tried:\n  "
        + "\n  ".join(tried))


def _compare_versions(library: C.CDLL, path: str) -> None:
    """Before 1.0 an older library may lack what this package calls; a newer one of the same soname serves it."""
    wanted = tuple(CONSTANTS["VERSION_" + part] for part in ("MAJOR", "MINOR", "PATCH"))
    try:
        number = C.CFUNCTYPE(C.c_uint32)(("dualprop_version", library))()
    except AttributeError:
        raise errors.LibraryNotFoundError(f"{path} is not libdualprop: it has no dualprop_version()") from None
    found = (number // 10000, number // 100 % 100, number % 100)
    if found[0] != wanted[0] or found < wanted:
        raise errors.BackendVersionError(
            f"{path} is libdualprop {'.'.join(map(str, found))}; this Python package needs "
            f"{'.'.join(map(str, wanted))} or a later {wanted[0]}.x")


def library() -> C.CDLL:
    """The loaded library."""
    global _library
    with _lock:
        if _library is None:
            _library = _load()
        return _library


def _bind(name: str) -> Any:
    signature = FUNCTIONS[name].split(" ")
    try:
        function = getattr(library(), "dualprop_" + name)
    except AttributeError:
        raise errors.BackendVersionError(
            f"the libdualprop that was loaded is older than this package: it has no dualprop_{name}()") from None
    codes = signature[1] if len(signature) > 1 else ""
    function.restype = TYPES[signature[0]]
    function.argtypes = [TYPES[code] for code in codes]
    return function, codes, signature[0], signature[2:]


_bound: dict = {}


def bound(name: str) -> Any:
    """The function, the codes of its arguments, the code of its result, and the names of its arguments."""
    found = _bound.get(name)
    if found is None:
        found = _bound[name] = _bind(name)
    return found


# ---- handles ----


class Handle:
    """An object of the library. It is closed by close(), at the end of a with block, or with its last reference.

    A call on it in another thread while it is being closed, or while its structure is being changed, is an exception.
    """
    # No attribute but those that a class names: a misspelt setting is an AttributeError.
    __slots__ = ("_pointer", "_uses", "_closing", "_parents", "__weakref__")
    _kind = ""
    _pointer: Optional[int]
    _uses: int
    _closing: bool
    _parents: tuple

    def __new__(cls, *_: Any, **__: Any) -> Any:
        handle = super().__new__(cls)
        handle._pointer, handle._uses, handle._closing, handle._parents = None, 0, False, ()
        return handle

    def _adopt(self, pointer: Optional[int], parents: tuple) -> None:
        if self._pointer is not None:
            raise errors.HandleError(f"this {self._kind} was created already")
        self._pointer, self._parents = pointer, parents

    def _create(self, name: str, parents: tuple, *arguments: Any, **named: Any) -> None:
        place = C.c_void_p()
        call(name, C.byref(place), *arguments, **named)
        try:
            self._adopt(place.value, parents)
        except errors.HandleError:
            bound(self._kind + "_destroy")[0](place)
            raise

    def _enter(self, exclusive: bool = False) -> Optional[int]:
        """Count a call on this object and on what it depends on; give its pointer."""
        entered: list = []
        with _lock:
            try:
                for parent in self._parents:
                    parent._enter()
                    entered.append(parent)
                if self._pointer is None or self._closing:
                    raise errors.HandleError(f"this {self._kind} is closed, or was never created")
                if self._uses < 0 or (exclusive and self._uses > 0):
                    raise errors.BusyError(f"this {self._kind} is in use by a call in another thread, or by the call "
                                           "that a callback belongs to")
            except Exception:
                for parent in entered:
                    parent._leave()
                raise
            self._uses = -1 if exclusive else self._uses + 1
            return self._pointer

    def _leave(self) -> None:
        with _lock:
            self._uses = 0 if self._uses < 0 else self._uses - 1
            if self._closing and self._uses == 0:
                self._destroy()
            for parent in self._parents:
                parent._leave()

    def _destroy(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            bound(self._kind + "_destroy")[0](pointer)

    @property
    def closed(self) -> bool:
        """Was close() called, or was the object never created?"""
        return self._pointer is None or self._closing

    def close(self) -> None:
        """Free the object. A call that is running in another thread finishes first. What was made from it
        is of no use afterwards."""
        with _lock:
            self._closing = True
            if self._uses == 0:
                self._destroy()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # at the interpreter's end modules may be gone already; the process frees the rest
            pass

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"a {self._kind} cannot be pickled or copied; save a checkpoint, or clone a network")

    def __repr__(self) -> str:
        return f"<dualprop.{type(self).__name__}{' (closed)' if self.closed else ''}>"


def fixed(name: str, doc: str) -> Any:
    """What an object was made with: read as an attribute, and never replaced, since the library keeps the old one."""
    return property(operator.attrgetter("_" + name), doc=doc)


class exclusive:
    """Marks a handle in the arguments of call(): no other thread may be in a call on it."""
    __slots__ = ("handle",)

    def __init__(self, handle: Handle) -> None:
        self.handle = handle


# ---- calling ----

# What this package itself makes for C; an address that the caller made up is never passed on.
_POINTERS = (type(C.byref(C.c_int())), C._SimpleCData, C.Array, C.Structure, C._CFuncPtr)  # type: ignore[attr-defined]


def whole(value: Any, name: str, least: int = -2**63, most: int = 2**63 - 1) -> int:
    """A whole number in a range; True and False are none."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {shown(value)}; expected a whole number") from None
    if not least <= number <= most:
        raise errors.RangeError(f"{name} is {shown(number)}; expected {least}..{most}")
    return number


def real(value: Any, name: str) -> float:
    """A number; texts, arrays and True and False are none."""
    try:
        if isinstance(value, (bool, np.bool_, str, bytes, bytearray, np.complexfloating)) or np.ndim(value) > 0:
            raise TypeError
        return float(value)
    except OverflowError:
        raise errors.RangeError(f"{name} is {shown(value)}; expected a number that a double holds") from None
    except Exception:  # of an object of the caller's, it may be any
        raise TypeError(f"{name} is {shown(value)}; expected a number") from None


def flag(value: Any, name: str) -> int:
    """True or False, or 1 or 0, for C."""
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, np.integer)) and value in (0, 1)):
        return int(value)
    raise TypeError(f"{name} is {shown(value)}; expected True or False")


def one_of(value: Any, name: str, known: Sequence[str]) -> str:
    """One of a few texts."""
    if not isinstance(value, str) or value not in known:
        raise errors.ArgumentError(f"{name} is {shown(value)}; expected one of {', '.join(known)}")
    return value


def function_of(value: Any, name: str) -> Any:
    """What can be called."""
    if not callable(value):
        raise TypeError(f"{name} is {shown(value)}; expected a function")
    return value


def shown(value: Any) -> str:
    """A value as a sentence shows it, cut where it is long; whatever it is."""
    try:
        text = repr(value)
    except Exception:  # of a class of the caller's, or a number of more digits than Python writes
        text = f"a value of the type {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 100 else text[:97] + "..."


def text(value: Any, name: str) -> Optional[bytes]:
    """A str, a path or None for C."""
    if value is None:
        return None
    try:
        encoded = os.fsencode(value) if isinstance(value, os.PathLike) else value.encode("utf-8", "surrogateescape")
    except AttributeError:
        raise TypeError(f"{name} is {shown(value)}; expected a str or a path") from None
    except ValueError:
        raise ValueError(f"{name} is {shown(value)}, which is no text in UTF-8") from None
    if b"\0" in encoded:
        raise ValueError(f"{name} is {shown(value)}, which holds a zero character")
    return encoded


def _convert(name: str, code: str, value: Any, entered: list) -> Any:
    if code == "p" and isinstance(value, (Handle, exclusive)):
        handle = value.handle if isinstance(value, exclusive) else value
        pointer = handle._enter(isinstance(value, exclusive))
        entered.append(handle)
        return pointer
    if code in INTEGERS:
        return whole(value, name, *INTEGERS[code])
    if code == "d":
        return real(value, name)
    if code == "s":
        return text(value, name)
    if value is None or isinstance(value, _POINTERS):
        return value
    raise TypeError(f"{name} is {shown(value)}; expected an object of this package")


def call(name: str, /, *arguments: Any, **named: Any) -> Any:
    """Call dualprop_NAME with arguments in C's order, named ones last: name = value, as the caller knows it. A status
    other than OK is an exception; so is an exception that a callback raised meanwhile."""
    if getattr(_thread, "in_callback", False):
        raise errors.StateError("a callback must not call the library")
    function, codes, result, parameters = bound(name)
    names = [*parameters[:len(arguments)], *named]
    entered: list = []
    failure = None
    _thread.raised = raised = []
    try:
        if len(names) != len(codes):
            raise TypeError(f"{name} takes {len(codes)} arguments, got {len(names)}")
        converted = [_convert(*argument, entered) for argument in zip(names, codes, (*arguments, *named.values()))]
        value = function(*converted)
        if result == "S" and value != 0:
            failure = _exception(value, {"labels": "targets", **dict(zip(parameters, names))})
    finally:
        _thread.raised = None
        for handle in reversed(entered):
            handle._leave()
    if _orphans:
        with _lock:
            raised.extend(_orphans)
            _orphans.clear()
    for earlier, later in zip(raised, raised[1:]):
        later.__context__ = later.__context__ or earlier  # none is lost
    if raised:
        raise raised[-1] from failure or raised[-1].__cause__
    if failure is not None:
        raise failure
    return value


# What the library's sentences call by its name in C, where the package's name is not CLASS.METHOD of CLASS_METHOD.
_HERE = {
    "infer": "State.infer()", "infer_begin": "State.begin()", "infer_end": "State.end()",
    "infer_update": "Optimizer.update_open()", "predict": "State.predict()", "learn": "Optimizer.learn()",
    "update": "Optimizer.update()", "gradient": "Optimizer.gradient()", "step": "Optimizer.step()",
    "map_register": "Context.register_map()", "activation_register": "Context.register_activation()",
    "rule_set_loss_function": "Rule.loss = ...", "rule_set_loss_proximal": "Rule.set_loss_proximal()",
    "network_create": "Network", "optimizer_create": "Optimizer", "optimizer_create_fused": "Optimizer(fused=True)",
    "optimizer_set_moments": "Optimizer(betas=...)", "optimizer_set_momentum": "Optimizer(momentum=...)",
    "checkpoint_get_state": "Checkpoint.restore_state()",
}


def name_here(function: str) -> str:
    """The package's name of dualprop_FUNCTION()."""
    if function in _HERE:
        return _HERE[function]
    kind, _, rest = function.partition("_")
    if "group" in function:  # which the package does not have
        return f"dualprop_{function}()"
    if kind == "rule":  # whose settings are attributes
        return f"Rule.{rest[len('set_'):]} = ..."
    return f"{kind.capitalize()}.{rest}" + ("" if rest == "report" else "()")


def _exception(status: int, names: dict) -> errors.Error:
    """The exception of a status. The sentence names arguments and functions as the package does, not as the headers."""
    buffer = C.create_string_buffer(1024)
    bound("last_error")[0](buffer, len(buffer), None, None)
    name = bound("status_name")[0](status).decode().replace("DUALPROP_", "", 1)
    sentence = re.sub(r"^(?:options\.)?(\w+)", lambda word: names.get(word[1], word[1]),
                      buffer.value.decode(errors="replace"))
    sentence = re.sub(r"\bdualprop_(\w+)\(\)", lambda word: name_here(word[1]), sentence)
    error = errors.OF_STATUS.get(name, errors.Error)(sentence)
    error.status, error.name = status, name
    return error


# ---- callbacks ----


def guarded(function: Any, *arguments: Any) -> None:
    """Call a function of the user's from C: what it raises is kept, and raised when the call of the library returns."""
    outer = getattr(_thread, "in_callback", False)
    _thread.in_callback = True
    try:
        function(*arguments)
    except BaseException as error:  # KeyboardInterrupt too: C code cannot let it through
        kept = getattr(_thread, "raised", None)
        if kept is None:
            with _lock:
                _orphans.append(error)
        else:
            kept.append(error)
    finally:
        _thread.in_callback = outer


# ---- names of choices ----


# Schedules by the words of the guide, beside their names in files and programs.
_LONG_NAMES = {("SCHEDULE", "forward-backward"): "fw-bw", ("SCHEDULE", "forward"): "fw", ("SCHEDULE", "backward"): "bw",
               ("SCHEDULE", "asynchronous"): "async"}


# Types that are no precision are in the library's list, too.
_CHOICES = {"TYPE": ("f32", "f64")}


def choice(group: str, value: Any, name: str) -> int:
    """The constant of a name such as "dp-adjoint"; a number passes as it is."""
    if not isinstance(value, str) and isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    number = C.c_int()
    known = _CHOICES.get(group)
    if isinstance(value, str) and (known is None or value.lower() in known):
        value = _LONG_NAMES.get((group, value.lower().replace("_", "-")), value)
        call("from_name", C.byref(number), CONSTANTS["NAMES_" + group], **{name: value})
        return number.value
    if known is None:
        try:
            call("from_name", C.byref(number), CONSTANTS["NAMES_" + group], "?")
        except errors.ArgumentError as error:
            known = str(error).partition("expected one of ")[2].split(", ")
    kind = errors.ArgumentError if isinstance(value, str) else TypeError
    raise kind(f"{name} is {shown(value)}; expected one of {', '.join(known or ())}")


def name_of(group: str, value: int) -> str:
    """The name of a constant."""
    found = bound("name")[0](CONSTANTS["NAMES_" + group], value)
    return found.decode() if found else str(value)


def version() -> str:
    """The version of the library that is loaded."""
    return bound("version_string")[0]().decode()


def build_info() -> dict:
    """What the library was built from."""
    import json
    return json.loads(bound("build_info")[0]().decode())
