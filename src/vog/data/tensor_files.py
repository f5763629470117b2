"""The tensors of a file as arrays, read as checkpoints are: without running code of the file."""

from pathlib import Path

import numpy as np
from torch import Tensor

from vog.checkpoints.read_checkpoint import read_weights
from vog.data.tensors import as_array
from vog.errors import CheckpointError, DataError


def named_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors at the top of a file by name.

    Raises:
        DataError: the file cannot be read, or does not hold tensors by name.
    """
    try:
        contents = read_weights(path)
    except CheckpointError as error:
        raise DataError(
            f"{path} cannot be read as data: {str(error).rstrip('.')}. Expected tensors by name, "
            f"such as torch.save({{'inputs': x, 'labels': y}}, path)."
        ) from error
    return {name: as_array(part) for name, part in contents.items() if isinstance(part, Tensor)}
