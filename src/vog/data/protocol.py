"""The contract of a source, which is a kind of data, and the values that its functions take.

The rest of the package asks the source of some data; it looks neither at endings nor at types.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from vog.data.examples import Examples
from vog.data.transforms import TransformSpec
from vog.errors import ResultError
from vog.item_keys import ANY_KEYS, ItemKeys

# How examples are stored: an image file each, rows of one `.npz`, or anything else.
Form = Literal["files", "arrays", "items"]
# A function from the row number and the id of an example to the example as stored: an image, a
# text, values by name, or an array.
StoredReader = Callable[[int, str], Any]


@dataclass(frozen=True)
class OpenOptions:
    """How data are opened for a model; see `vog.data.sources.open_source`.

    Attributes:
        root: for a list file, the folder that its paths are relative to.
        transform: as the user gave it.
        workers: the number of processes that will read; None goes by the data and processors.
        sockets: the sockets that were open before; see `vog.data.connections`.
        hidden: for a folder, include images in hidden folders.
        keys: where items that are mappings, or tables, have their input and label.
        id: for a table, the column of ids.
    """

    root: Path | None = None
    transform: TransformSpec = None
    workers: int | None = 0
    sockets: frozenset[tuple[int, int]] | None = None
    hidden: bool = False
    keys: ItemKeys = ANY_KEYS
    id: str | None = None


@dataclass(frozen=True)
class Display:
    """How examples are read to be shown.

    Attributes:
        size: approximate size of pictures, in pixels; None for the size as stored.
        inside: refuse files that are reached through links out of their folder.
        share: the share of the shorter side that the central square of a picture keeps.
        exif: rotate image files as their EXIF says.
        keys: for a table, the columns of the input that was scored.
        root: for a table, the folder that paths in it are relative to.
    """

    size: int | None = None
    inside: bool = False
    share: float = 1.0
    exif: bool = False
    keys: ItemKeys = ANY_KEYS
    root: Path | None = None


@dataclass(frozen=True)
class Subset:
    """Rows to write into a file, and the scored rows that the data must have.

    Attributes:
        rows: the row numbers to write.
        labels: the label of each of them.
        scored_rows: the row numbers of all scored rows.
        scored_labels: the label of each of these, -1 if it has none.
        scored_ids: the id of each of these.
        keys: for a table, the columns of input and label that the user named.
        id: for a table, the column of ids.
    """

    rows: Int[np.ndarray, "kept"]
    labels: Int[np.ndarray, "kept"]
    scored_rows: Int[np.ndarray, "n"]
    scored_labels: Int[np.ndarray, "n"]
    scored_ids: Sequence[str]
    keys: ItemKeys = ANY_KEYS
    id: str | None = None


@runtime_checkable
class Source(Protocol):
    """A kind of data. Subclasses define `opens`, `examples` and `reader`; the rest has defaults.

    Attributes:
        kind: its name in words.
        form: how the examples are stored. It decides what the exports and `vog plant` do.
        by_number: whether the row number finds a stored example; otherwise its id does.
        uses_root: whether `OpenOptions.root` has a meaning.
        uses_keys: whether the keys that a user names in `OpenOptions.keys` have a meaning.
        has_texts: whether examples may be shown as texts beside their rows.
        subset_ending: the ending of the files that `write_subset` writes; None if it writes none.
    """

    kind: str
    form: Form = "items"
    by_number: bool = True
    uses_root: bool = False
    uses_keys: bool = False
    has_texts: bool = False
    subset_ending: str | None = None

    def opens(self, data: Any) -> bool:
        """Return whether the data are of this kind, judged by type and name; a file may be gone."""
        ...

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the examples of data that this source opens, as a model takes them.

        A reader with a method `stored(index)`, which returns the input as stored, can be planted
        into without its transform.

        Raises:
            DataError: the data do not exist, or hold no examples.
        """
        ...

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what reads examples as stored.

        Args:
            data: the `place` of the data if they have one, else the data.
            display: for pictures.

        Raises:
            ResultError: the data cannot be read; the function also raises it, for an example.
        """
        ...

    def place(self, data: Any) -> Path | None:
        """Return the file or folder that holds the examples; None if these have no place.

        If the ids are paths, it is the folder that they are relative to.
        """
        return None

    def is_there(self, place: Path) -> bool:
        """Return whether something is at the place of the data, which may be a pattern."""
        return os.path.exists(place)  # noqa: PTH110 (never raises)

    def file_names(
        self, place: Path, rows: Sequence[int], ids: Sequence[str]
    ) -> Sequence[str] | None:
        """Return the names of the files of examples below a place; None if they are no files."""
        return None

    def writes_like(self, place: Path, out: Path) -> bool:
        """Return whether `write_subset` writes this file, by its ending, from the data."""
        return self.subset_ending is not None and out.suffix.lower() == self.subset_ending

    def write_subset(self, place: Path, subset: Subset, out: Path) -> bool:
        """Write some rows into a file of the same kind, with all that the file has beside rows.

        Returns: False, and writes nothing, if the data are not those that were scored.

        Raises:
            ResultError: the data cannot be read.
        """
        raise ResultError(f"rows of {place}, data of the kind {self.kind!r}, cannot be written.")
