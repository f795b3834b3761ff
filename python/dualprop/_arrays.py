"""numpy arrays as dualprop_view: where they lie, never copied.

A view keeps its array alive. Strides go through as they are, negative ones and broadcasts too; what C could not address
(another byte order, bytes between elements that are no whole elements, an unaligned start) is refused by name. Labels
may be whole numbers of any type; those that the library does not read are converted, which copies the labels alone.
"""
from __future__ import annotations

import ctypes as C
from typing import Any, Sequence

import numpy as np

from ._errors import ArgumentError
from ._library import shown
from ._signatures import CONSTANTS

MAX_RANK = CONSTANTS["MAX_RANK"]
_CODES = {np.dtype(np.float32): CONSTANTS["F32"], np.dtype(np.float64): CONSTANTS["F64"],
          np.dtype(np.uint8): CONSTANTS["U8"], np.dtype(np.int32): CONSTANTS["I32"]}
if "I64" in CONSTANTS:
    _CODES[np.dtype(np.int64)] = CONSTANTS["I64"]
_TYPES = {code: dtype for dtype, code in _CODES.items()}
REALS = (np.float32, np.float64)
INPUTS = (np.float32, np.float64, np.uint8)
TENSORS = tuple(dtype.type for dtype in _CODES if dtype != np.int64)  # of files


class View(C.Structure):
    """dualprop_view of an array."""
    _fields_ = [("struct_size", C.c_uint64), ("data", C.c_void_p), ("type", C.c_int32), ("rank", C.c_int32),
                ("shape", C.c_int64 * MAX_RANK), ("strides", C.c_int64 * MAX_RANK)]

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(struct_size=C.sizeof(View), data=array.ctypes.data, type=_CODES[array.dtype], rank=array.ndim)
        self.shape[:array.ndim] = array.shape
        self.strides[:array.ndim] = [stride // array.itemsize for stride in array.strides]
        self.array = array  # alive as long as the view


def _names(types: Sequence[type]) -> str:
    return ", ".join(np.dtype(kind).name for kind in types)


def _check(array: np.ndarray, name: str, types: Sequence[type], expected: str = "") -> None:
    if not any(array.dtype == np.dtype(kind) for kind in types):  # C has two names for one size: long and long long
        order = "" if array.dtype.isnative else " of another byte order"
        held = "text" if array.dtype.kind in "US" else f"dtype {array.dtype.name}{order}"
        raise TypeError(f"{name} has {held}; expected {expected or 'numbers, one of ' + _names(types)}")
    if array.ndim > MAX_RANK:
        raise ValueError(f"{name} has {array.ndim} dimensions; expected at most {MAX_RANK}")
    if array.size and any(n > 1 and stride % array.itemsize for n, stride in zip(array.shape, array.strides)):
        raise ValueError(f"{name} has byte strides {array.strides}, no multiples of the item size {array.itemsize}; "
                         "pass a copy")
    if array.size and not array.flags.aligned:
        raise ValueError(f"{name} does not start at a multiple of its item size; pass a copy")


def array_of(value: Any, name: str) -> np.ndarray:
    """An array of what numpy makes one of; what it would lose is refused."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; its mask would be ignored")
    try:
        return np.asarray(value)
    except Exception as error:  # rows of different lengths, and whatever __array__ of the caller's raises
        raise TypeError(f"{name} is {shown(value)}, which makes no array: {error}") from None


def doubles(value: Any, name: str) -> np.ndarray:
    """Numbers in one dimension, as a new array of float64 that C can read; none for None."""
    array = array_of([] if value is None else value, name)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {array.dtype.name}; expected numbers")
    if array.ndim != 1:
        raise ValueError(f"{name} has {array.ndim} dimensions; expected 1")
    return np.ascontiguousarray(array, np.float64)


def reads(value: Any, name: str, types: Sequence[type] = REALS) -> View:
    """A view of an array that is read. Lists and the like are made arrays of; whole numbers in them become float64."""
    array = array_of(value, name)
    if not isinstance(value, np.ndarray) and not hasattr(value, "__array_interface__") and array.dtype.kind in "iub":
        array = array.astype(np.float64)
    _check(array, name, types)
    return View(array)


def samples(value: Any, elements: int) -> View:
    """A view of a batch of samples of so many elements."""
    view = reads(value, "inputs", INPUTS)
    shape = view.array.shape
    if shape and shape[0] != 1 and view.array.size == elements:
        raise ArgumentError(f"inputs has the shape {shape}, which is that of one sample: pass x[None]")
    return view


def writes(value: Any, name: str, types: Sequence[type] = REALS) -> View:
    """A view of an array that is filled."""
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is {type(value).__name__}; expected a numpy array to fill")
    _check(value, name, types)
    if not value.flags.writeable:
        raise ValueError(f"{name} is read-only; expected an array to fill")
    return View(value)


def targets(value: Any) -> View:
    """Labels (whole numbers, one dimension) or dense targets (float32 or float64, two dimensions)."""
    array = array_of(value, "targets")
    if array.dtype.kind in "iu" and array.dtype not in _CODES or array.dtype == np.uint8:
        if array.size and (array.min() < -2**31 or array.max() >= 2**31):
            raise ValueError(f"targets has {array.min()}..{array.max()}, which are no labels")
        array = array.astype(np.int32)
    _check(array, "targets", tuple(dtype.type for dtype in _CODES if dtype != np.uint8),
           "labels (integers from 0, one a sample) or real targets (float32 or float64, (count, outputs))")
    if array.ndim == 1 and array.dtype.kind == "f":
        raise ArgumentError(f"targets has one dimension of {array.dtype.name}: labels must be integers, real targets "
                            "(count, outputs)")
    return View(array)


def borrowed(view: View) -> np.ndarray:
    """An array over what a view of the library's own points to; as long as the library keeps it."""
    dtype, shape = _TYPES[view.type], tuple(view.shape[:view.rank])
    if 0 in shape:
        return np.empty(shape, dtype)
    count = int(np.prod(shape, dtype=np.int64))
    flat = np.ctypeslib.as_array(C.cast(view.data, C.POINTER(C.c_uint8)), (count * dtype.itemsize,))
    return flat.view(dtype).reshape(shape)
