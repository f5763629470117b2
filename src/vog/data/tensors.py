"""Tensors, arrays and images as NumPy arrays."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vog.errors import DataError


def array_pair(data: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return inputs and labels as arrays; labels may be missing.

    Raises:
        DataError: they are not arrays.
    """
    try:
        inputs, labels = (None if part is None else np.asarray(_on_cpu(part)) for part in data)
    except (TypeError, ValueError) as error:
        raise DataError(f"the data are a pair, but not of arrays: {error}") from error
    if inputs is None:
        raise DataError("the data are a pair whose first part is None; expected (inputs, labels).")
    return inputs, labels


def as_array(value: Any) -> np.ndarray:
    """Return a tensor, an image or anything that NumPy accepts as an array."""
    return _on_cpu(value).numpy() if isinstance(value, Tensor) else np.asarray(value)


def as_floats(value: Any) -> np.ndarray:
    """Return any input as floats, for a digest."""
    return as_array(value).astype(np.float32)


def _on_cpu(array: Any) -> Any:
    if not isinstance(array, Tensor):
        return array
    tensor = array.detach().cpu()
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # NumPy has no bfloat16
