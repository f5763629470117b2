"""Send modules to another process without the values of their parameters.

Whoever receives them runs them with the weights of checkpoints, which it reads from files. Buffers
are sent, since some are in no checkpoint, and so are parameters that share memory with others.
"""

import io
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def pack(values: Mapping[str, Any]) -> bytes:
    """Return values that hold modules as bytes; parts that they share stay shared.

    Raises:
        TypeError or AttributeError or pickle.PicklingError: a value cannot be sent.
    """
    packed = io.BytesIO()
    _WithoutValues(packed, protocol=pickle.HIGHEST_PROTOCOL).dump(dict(values))
    return packed.getvalue()


def unpack(packed: bytes) -> dict[str, Any]:
    """Return what `pack` was given; parameters hold zeros."""
    return pickle.loads(packed)


class _WithoutValues(pickle.Pickler):
    """Leaves out the values of parameters that fill a memory of their own."""

    def reducer_override(self, obj: Any) -> Any:
        """Return how a parameter is made anew; any other object is pickled as usual."""
        if type(obj) is not nn.Parameter or obj.layout is not torch.strided:
            return NotImplemented
        if obj.untyped_storage().nbytes() != obj.nbytes or obj.is_meta:
            return NotImplemented
        return _zeros, (tuple(obj.shape), obj.dtype, obj.requires_grad)


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, requires_grad: bool) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape, dtype=dtype), requires_grad)
