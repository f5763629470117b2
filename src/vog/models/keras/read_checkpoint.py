"""Checkpoints of Keras, read by Keras: paths in its files are positions of layers and not names.

Keras reads a file into the user's model, so the values that were there are put back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vog import user_functions
from vog.errors import CheckpointError

_ENDINGS = (".keras", ".h5", ".hdf5")


def reads_itself(path: Path) -> bool:
    """Return True if a path is a file in a format of Keras."""
    return path.name.lower().endswith(_ENDINGS)


def values_in(path: Path, model: Any, variables: list[Any]) -> list[np.ndarray]:
    """Return the value of each variable in a file of Keras, floats in float32.

    Raises:
        CheckpointError: the file cannot be read, or does not fit.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: there is no such file.")
    with values_restored(variables):
        for variable in variables:
            if "float" in str(variable.dtype):
                variable.assign(np.full(variable.shape, np.nan, np.float32))
        try:
            model.load_weights(str(path))
        except Exception as error:  # of h5py, zipfile and Keras: each has its own
            raise CheckpointError(
                f"checkpoint {path} cannot be read into the model: "
                f"{user_functions.describe_error(error)}. Expected weights that Keras saved of "
                f"this model, intact."
            ) from error
        return [as_float32(variable) for variable in variables]


@contextmanager
def values_restored(variables: list[Any]) -> Iterator[None]:
    """Put the values of variables back after the block."""
    values = [as_array(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def as_array(variable: Any) -> np.ndarray:
    """Return a copy of the value of a variable."""
    import keras

    return np.array(keras.ops.convert_to_numpy(variable.value))


def as_float32(variable: Any) -> np.ndarray:
    """Return a copy of the value of a variable, floats in float32."""
    array = as_array(variable)
    is_float = array.dtype.kind in "fV"
    return array.astype(np.float32) if is_float else array
