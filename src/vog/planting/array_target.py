"""Planting into arrays: an `.npz` file, or a pair in memory."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vog.data.arrays import ArrayReader
from vog.data.examples import Examples
from vog.errors import DataError
from vog.files import npz
from vog.files.writing import write_whole
from vog.planting.assignment import ADDED, PlannedFault, PlantingTarget
from vog.planting.corruptions import (
    COLUMNS,
    OTHER,
    Values,
    altered,
    image_axes,
    mixed,
    values_of,
)
from vog.planting.unique_names import Names
from vog.result.planting_record import CORRUPT, DUPLICATE, Plant

DATA = "data.npz"
_SAMPLED = 1000
# Rows that are no images are mixed from so many others.
MIXED = 8


@dataclass(frozen=True)
class Arrays:
    """Rows of an array; `path` is the file that they are in, if any."""

    examples: Examples
    reader: ArrayReader
    path: Path | None
    others: Examples | None
    other: ArrayReader | None

    written = DATA

    @property
    def ground(self) -> PlantingTarget:
        """What is planted into."""
        labels, names = self.reader.labels, self.examples.label_names
        return PlantingTarget(
            labels,
            classes_of(labels, names),
            is_image=image_axes(self.reader.inputs.shape[1:]) is not None,
            usable=lambda row: True,
            others=None if self.other is None else len(self.other.inputs),
            other_usable=lambda row: True,
        )

    def check(self, threshold: bool) -> None:
        """Nothing, unless the arrays cannot hold what is to be put into them.

        Raises:
            DataError: the items of the other data have another shape or type; they are no
                numbers; the labels have no room for one class more.
        """
        inputs, other = self.reader.inputs, self.other
        if inputs.dtype.kind not in "iuf":
            raise DataError(f"the inputs are {inputs.dtype}; expected floats or whole numbers.")
        if other is not None:
            refuse_unlike(other.inputs[0], inputs[0])
        _, labels = self._stored
        if threshold and np.iinfo(labels).max < self.ground.classes:
            raise DataError(
                f"--threshold needs one class more, but labels of {labels} end at "
                f"{np.iinfo(labels).max}. Store them as int64."
            )

    def steps(self, changes: Sequence[PlannedFault]) -> int:
        """One a change."""
        return len(changes)

    def bytes_needed(self, changes: Sequence[PlannedFault], link: bool) -> int:
        """Of disk, before what compression saves.

        Raises:
            DataError: links were asked for.
        """
        if link:
            raise DataError("--link is for image files; of arrays a new file is written.")
        rows = len(self.examples) + sum(one.kind in ADDED for one in changes)
        return rows * (self.reader.inputs[0].nbytes + 64)

    def write(
        self,
        folder: Path,
        changes: Sequence[PlannedFault],
        seed: int,
        link: bool,
        tell: Callable[[int], None],
    ) -> list[Plant]:
        """The planted arrays, under the names and in the types that they had."""
        ids, n = [str(one) for one in self.examples.ids], len(self.examples)
        added = sum(one.kind in ADDED for one in changes)
        inputs = np.empty((n + added, *self.reader.inputs.shape[1:]), self.reader.inputs.dtype)
        inputs[:n] = self.reader.inputs
        labels, names = [*self.reader.labels.tolist(), *[0] * added], Names(ids)
        plants: list[Plant] = []
        for change in changes:
            at = len(ids) if change.kind in ADDED else change.row
            if change.kind in ADDED:
                ids.append(names.take(added_name(change, ids)))
            if change.kind in (CORRUPT, *ADDED):
                inputs[at] = self._made(change, change.rng(seed))
            labels[at] = change.label
            plants.append(change.plant(ids[at], self.examples.ids, self.reader.labels))
            tell(1)
        key, stored = self._stored
        known: dict[str, Any] = {key: inputs, "labels": np.array(labels, stored), "ids": ids}
        self._save(folder / DATA, known, max(labels))
        return plants

    def _made(self, change: PlannedFault, rng: np.random.Generator) -> Shaped[np.ndarray, "*item"]:
        if change.how == OTHER and self.other is not None:
            return self.other.inputs[change.row]
        if change.how == COLUMNS:
            rows = rng.integers(len(self.examples), size=MIXED).tolist()
            return mixed(self.reader.inputs[[change.row, *rows]], rng)
        return altered(self.reader.inputs[change.row], change.how, self._values, rng)

    @cached_property
    def _values(self) -> Values:
        return values_of(list(self.reader.inputs[sampled(len(self.examples), _SAMPLED)]))

    @cached_property
    def _stored(self) -> tuple[str, np.dtype[Any]]:
        """What the inputs are called in the file, and the type of its labels."""
        if self.path is None:
            return "inputs", self.reader.labels.dtype
        key = "images" if "images" in npz.array_names(self.path) else "inputs"
        return key, npz.load_arrays(self.path, {"labels"})["labels"].dtype

    def _save(self, path: Path, known: dict[str, Any], last: int) -> None:
        """The file, with the other arrays of the one there was; those of so many rows left out."""
        names = self.examples.label_names
        if names is not None:
            known["label_names"] = [*names, *["threshold"] * (last == len(names))]
        compressed = False
        if self.path is not None:
            names = set(npz.array_names(self.path)) - known.keys()
            others = npz.load_arrays(self.path, names)
            rows = len(self.examples)
            known |= {k: v for k, v in others.items() if v.ndim == 0 or len(v) != rows}
            with zipfile.ZipFile(self.path) as file:
                compressed = any(one.compress_type for one in file.infolist())
        save = np.savez_compressed if compressed else np.savez
        write_whole(path, lambda beside: save(beside, **known))


def classes_of(labels: Shaped[np.ndarray, "n"], names: tuple[str, ...] | None) -> int:
    """How many classes there are: as many as have names, and as labels tell."""
    return max(int(labels.max()) + 1, len(names or ()))


def added_name(change: PlannedFault, ids: Sequence[str]) -> str:
    """What an added row would be called."""
    if change.kind == DUPLICATE:
        return f"{ids[change.row]}-duplicate"
    return f"outside-{change.number}"


def sampled(rows: int, count: int) -> np.ndarray:
    """Some rows, spread evenly."""
    return np.unique(np.linspace(0, rows - 1, count).astype(int))


def refuse_unlike(other: Shaped[np.ndarray, "..."], own: Shaped[np.ndarray, "..."]) -> None:
    """Nothing where an item of other data can stand among the own.

    Raises:
        DataError: its shape or type is another.
    """
    alike = other.dtype == own.dtype or other.dtype.kind == own.dtype.kind == "f"
    if other.shape != own.shape or not alike:
        raise DataError(
            f"--outside-from has items of {other.dtype} {other.shape}; the data have {own.dtype} "
            f"{own.shape}. Give data that were prepared alike."
        )
