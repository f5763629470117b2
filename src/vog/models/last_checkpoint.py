"""The last checkpoint of a request, for models that their checkpoints say how to build."""

from collections.abc import Callable
from pathlib import Path

from vog import checkpoints
from vog.errors import CheckpointError
from vog.models.options import ModelOptions


def last_checkpoint(options: ModelOptions, reads: Callable[[Path], bool]) -> Path | None:
    """Return the path of the last checkpoint; None if it is unclear, which is reported later.

    Args:
        options: that name the checkpoints.
        reads: whether a path is one checkpoint as it is named.
    """
    if not options.checkpoints or options.reader.read is not None:
        return None
    try:
        return checkpoints.search(options.checkpoints, reads=reads).files[-1].path
    except CheckpointError:
        return None
