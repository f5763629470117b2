"""What the adapters of frameworks other than PyTorch share: batches, arrays, and their errors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from vog import user_functions
from vog.checkpoints import Reader
from vog.data.inputs import Inputs, VariedInputs
from vog.errors import ModelError, VogError

VARIED_MESSAGE = (
    "examples differ in length, and only modules of PyTorch are given such examples. Pad them to "
    "one length in the transform."
)


@dataclass(frozen=True)
class Unread:
    """A checkpoint of a model that is built by its first batch."""

    path: Path


class Unmatched(dict[str, np.ndarray]):
    """The arrays of a checkpoint that were read before the variables of the model were known."""

    def __init__(self, arrays: Mapping[str, np.ndarray], path: Path) -> None:
        """Take all arrays of the checkpoint at `path`."""
        super().__init__(arrays)
        self.path = path


@dataclass(frozen=True)
class FileArrays:
    """What our own readers give of a checkpoint.

    Attributes:
        arrays: by the names in the file, floats in float32.
        key: the place of the weights in the file.
        notes: sentences for the plan, by the word that introduces them.
    """

    arrays: dict[str, np.ndarray]
    key: str
    notes: dict[str, str]


def read_arrays(reader: Reader, path: Path) -> FileArrays:
    """Return the arrays of a checkpoint.

    Raises:
        CheckpointError: it cannot be read.
    """
    contents = reader.contents(path)
    arrays = {
        name: (value.float() if value.is_floating_point() else value).numpy()
        for name, value in contents.weights.items()
        if isinstance(value, Tensor)
    }
    notes = {} if contents.note is None else {"taken": contents.note}
    return FileArrays(arrays, contents.key, notes)


def float_tensor(inputs: Inputs) -> Tensor:
    """Return the inputs of a batch in float32.

    Raises:
        ModelError: they are not one tensor of floats.
    """
    if isinstance(inputs, VariedInputs):
        raise ModelError(VARIED_MESSAGE)
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        kind = f"of {inputs.dtype}" if isinstance(inputs, Tensor) else "with several tensors"
        raise ModelError(
            f"the model is given inputs {kind.replace('torch.', '')}; expected one array of "
            f"floats, which gradients are taken with respect to. Give a transform that returns "
            f"floats, or a network that begins after the embedding."
        )
    return inputs.float()


@contextmanager
def errors_named(shape: Sequence[int], ran_out: Callable[[BaseException], bool]) -> Iterator[None]:
    """Raise ModelError with the shape of the batch for whatever a model raises inside the block.

    Only the model may run inside the block: errors of others would be taken for its own.

    Args:
        shape: of the batch.
        ran_out: says that memory ran out; such an error passes.
    """
    try:
        yield
    except VogError:
        raise
    except Exception as error:  # code of the user can raise anything
        if ran_out(error):
            raise
        raise ModelError(
            f"the model cannot take a batch of shape {tuple(shape)}: "
            f"{user_functions.describe_error(error)}\nCheck that the data have the shape and "
            f"the layout that the network was trained on."
        ) from error
