"""An `.npz` file: `images` or `inputs`, one row an example, and `labels`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vog.data import arrays
from vog.data.examples import Examples
from vog.data.kinds.array_rows import rows_reader
from vog.data.kinds.fold_part import open_part_or_whole
from vog.data.paths import existing_path, is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader, Subset
from vog.data.transforms import value_transform
from vog.errors import ResultError
from vog.files import npz
from vog.files.writing import write_whole
from vog.wording import option

# The arrays that can be shown, in order of preference; and the names of features.
_SHOWN_ARRAYS, _FEATURE_NAMES = ("texts", "images", "inputs"), "feature_names"


@dataclass(frozen=True)
class NpzFile(Source):
    """A file of arrays."""

    kind = ".npz file"
    form = "arrays"
    subset_ending = ".npz"

    def opens(self, data: Any) -> bool:
        """Return whether the name ends in `.npz`."""
        return is_name(data) and Path(data).suffix == ".npz"

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the rows of the file."""
        transform = value_transform(options.transform)
        return open_part_or_whole(
            existing_path(data), options, lambda path, _: arrays.from_npz(path, transform)
        )

    def place(self, data: Any) -> Path | None:
        """Return the path of the file."""
        return Path(data)

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what reads rows, preferably of `texts`; with `feature_names`, values by name."""
        rows, names = shown_rows(data)
        return rows_reader(rows, names, str(data), f"Give that file as {option('root')}.")

    def write_subset(self, place: Path, subset: Subset, out: Path) -> bool:
        """Write every array of the file; those with one entry a row with the kept rows only."""
        try:
            stored = npz.load_arrays(place)
        except npz.UNPACKABLE as error:
            raise ResultError(
                f"{place} cannot be read: {error}. Give the .npz that was scored as "
                f"{option('data')}."
            ) from error
        if not _has_scored_rows(stored, subset):
            return False
        selected = _selected_arrays(stored, subset)
        write_whole(out, lambda unfinished: _save_arrays(unfinished, selected))
        return True


def shown_rows(path: Path) -> tuple[Shaped[np.ndarray, "n *shape"], list[str] | None]:
    """Return the rows of an `.npz`, preferably its `texts`; and its names of features or None.

    Raises:
        ResultError: the file cannot be read.
    """
    try:
        stored = npz.array_names(path)
        array_name = next((name for name in _SHOWN_ARRAYS if name in stored), _SHOWN_ARRAYS[-1])
        loaded = npz.load_arrays(path, (array_name, _FEATURE_NAMES))
        rows = np.atleast_1d(loaded[array_name])
        names = None
        if rows.ndim == 2 and _FEATURE_NAMES in loaded:
            names = [str(name) for name in loaded[_FEATURE_NAMES]]
        return rows, names if names and len(names) == rows.shape[1] else None
    except npz.UNPACKABLE as error:
        raise ResultError(
            f"{path} with the images of the run cannot be read: {error}. Give the file as "
            f"{option('root')}, if it has moved."
        ) from error


def _labels_of(stored: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the labels of the rows, -1 where the file has none."""
    rows = len(np.atleast_1d(stored.get("images", stored.get("inputs", np.zeros(0)))))
    return np.atleast_1d(stored.get("labels", np.full(rows, -1)))


def _are_classes(labels: np.ndarray) -> bool:
    """Return whether labels are numbers of classes, which a run keeps for each row."""
    return labels.ndim == 1 and labels.dtype.kind in "iub"


def _has_scored_rows(stored: Mapping[str, np.ndarray], subset: Subset) -> bool:
    """Return whether labels and ids of the scored rows are those in the file."""
    index, labels = subset.scored_rows, _labels_of(stored)
    same = len(labels) > int(index.max())
    if same and _are_classes(labels):
        same = np.array_equal(labels[index], subset.scored_labels)
    if same and "ids" in stored:
        ids = stored["ids"]
        same = ids.shape == (len(labels),) and (
            [str(id) for id in ids[index].tolist()] == list(subset.scored_ids)
        )
    return same


def _selected_arrays(stored: Mapping[str, np.ndarray], subset: Subset) -> dict[str, np.ndarray]:
    labels = _labels_of(stored)
    selected = {
        name: array[subset.rows]
        if array.ndim and len(array) == len(labels) and not name.endswith("_names")
        else array
        for name, array in stored.items()
    }
    if "labels" not in stored or not _are_classes(labels):
        return selected
    return selected | {"labels": subset.labels.astype(labels.dtype)}


def _save_arrays(path: Path, selected: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # given a name, numpy would append .npz
        np.savez(file, **selected)  # pyright: ignore[reportArgumentType]
