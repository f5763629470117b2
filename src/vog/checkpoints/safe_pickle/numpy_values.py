"""NumPy arrays and scalars in a pickle, built from their bytes without unpickling by NumPy."""

import math
import re
from typing import Any

import numpy as np

from vog.checkpoints.safe_pickle.placeholders import Budget, Name, StandIn

# Booleans, integers, real and complex numbers: no objects, texts, times or records.
_NUMERIC = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)")
_ARRAY_FUNCTIONS = frozenset(
    Name(f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (("multiarray", "_reconstruct"), ("numeric", "_frombuffer"))
)
_CONTIGUOUS = "CF"


def scalar(budget: Budget, arguments: tuple[Any, ...]) -> Any:
    """Build a number from (dtype, bytes), or a stand-in if they describe none."""
    dtype = _dtype_of(arguments[0]) if len(arguments) == 2 else None
    data = _bytes_of(arguments[1]) if dtype is not None else None
    if dtype is None or data is None or len(data) != dtype.itemsize:
        return StandIn(Name("numpy", "scalar"), arguments)
    return np.frombuffer(data, dtype)[0]


def array_of(value: object) -> np.ndarray | None:
    """Return the array that a stand-in describes, or None; it shares the memory of the bytes."""
    if type(value) is not StandIn or value.name not in _ARRAY_FUNCTIONS:
        return None
    parts = _buffer_parts(value) if value.name.name == "_frombuffer" else _state_parts(value)
    if parts is None:
        return None
    data, dtype, shape, order = parts
    if dtype is None or data is None or not _is_shape(shape):
        return None
    if math.prod(shape) * dtype.itemsize != len(data):
        return None
    return np.frombuffer(data, dtype).reshape(shape, order=order)


ArrayParts = tuple[bytes | None, np.dtype | None, Any, Any]


def _buffer_parts(value: StandIn) -> ArrayParts | None:
    """Return the parts of `_frombuffer(bytes, dtype, shape, order)`, as in protocol 5."""
    if len(value.arguments) < 4 or value.arguments[3] not in tuple(_CONTIGUOUS):
        return None
    data, dtype, shape, order = value.arguments[:4]
    return _bytes_of(data), _dtype_of(dtype), shape, order


def _state_parts(value: StandIn) -> ArrayParts | None:
    """Return the parts of `_reconstruct` with state (version, shape, dtype, is_fortran, bytes)."""
    state = value.state
    if type(state) is not tuple or len(state) != 5:
        return None
    _, shape, dtype, is_fortran, data = state
    return _bytes_of(data), _dtype_of(dtype), shape, "F" if is_fortran is True else "C"


def _bytes_of(value: object) -> bytes | None:
    if type(value) is str:  # bytes of Python 2 that were read as text
        return value.encode("utf-8", "surrogatepass")
    return value if type(value) is bytes else None


def _dtype_of(value: object) -> np.dtype | None:
    """Return the type of a stand-in for `numpy.dtype('f4', False, True)` with a state, or None."""
    if type(value) is not StandIn or value.name != Name("numpy", "dtype") or not value.arguments:
        return None
    code, state = value.arguments[0], value.state
    if type(code) is not str or not _NUMERIC.fullmatch(code.lstrip("<>|=")):
        return None
    order = state[1] if type(state) is tuple and len(state) > 1 else "|"
    return np.dtype((order if order in ("<", ">") else "") + code.lstrip("<>|="))


def _is_shape(value: object) -> bool:
    return (
        type(value) is tuple
        and len(value) <= 32
        and all(type(length) is int and 0 <= length < 2**62 for length in value)
    )
