"""The contract of what reads checkpoint folders in the way of their library."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from vog.checkpoints import Contents
from vog.models.protocol import Companions


@runtime_checkable
class FolderReader(Protocol):
    """Reads folders that are one checkpoint each, such as those of `save_pretrained`."""

    def takes(self, path: Path) -> bool:
        """Return whether a path is such a folder."""
        ...

    def contents(self, path: Path) -> Contents:
        """Return the weights in a folder, under names that the module has or had.

        Raises:
            CheckpointError: the folder cannot be read, or does not fit.
        """
        ...

    def companions(self, last: Path) -> Companions:
        """Return what comes with the model; `last` is the path of the last checkpoint."""
        ...
