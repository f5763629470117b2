"""Planting into arrays: an `.npz` file, or a pair of arrays in memory."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vog.data.examples import ArrayRows, Examples
from vog.data.labels import as_classes
from vog.errors import DataError
from vog.files import npz
from vog.files.writing import write_whole
from vog.planting.assignment import ADDED, PlannedFault, PlantingTarget
from vog.planting.corruptions import (
    COLUMNS,
    OTHER,
    Values,
    alter,
    image_axes,
    mix_columns,
    values_of,
)
from vog.planting.unique_names import UniqueNames
from vog.result.planting_record import CORRUPT, DUPLICATE, Plant
from vog.wording import option

DATA_FILE = "data.npz"
_SAMPLE = 1000  # rows that the statistics of the values come from
MIXED_ROWS = 8  # other rows that a `columns` fault takes its values from


@dataclass(frozen=True)
class ArrayPlanter:
    """Plants into rows of arrays.

    Attributes:
        examples: the data.
        arrays: their arrays.
        path: the `.npz` file with the data; None for arrays that are stored in a different way.
        outside: data that examples of no class are taken from, if any.
        outside_arrays: the arrays of these.
    """

    examples: Examples
    arrays: ArrayRows
    path: Path | None
    outside: Examples | None
    outside_arrays: ArrayRows | None

    output_name = DATA_FILE

    @property
    def target(self) -> PlantingTarget:
        """Return what the choice of faults depends on."""
        labels = as_classes(self.arrays.labels, "planting")
        names = self.examples.label_names
        return PlantingTarget(
            labels,
            count_classes(labels, names),
            is_image=image_axes(self.arrays.inputs.shape[1:]) is not None,
            usable=lambda row: True,
            outside_count=None if self.outside_arrays is None else len(self.outside_arrays.inputs),
            outside_usable=lambda row: True,
        )

    def check(self, threshold: bool) -> None:
        """Raise unless the arrays can hold the planted examples.

        Raises:
            DataError: the outside data differ in shape or type, the inputs are not numbers, or
                the type of the labels has no room for one more class.
        """
        inputs, outside_arrays = self.arrays.inputs, self.outside_arrays
        if inputs.dtype.kind not in "iuf":
            raise DataError(f"the inputs are {inputs.dtype}; expected floats or whole numbers.")
        if outside_arrays is not None:
            refuse_mismatch(outside_arrays.inputs[0], inputs[0])
        _, label_type = self._stored_form
        if threshold and np.iinfo(label_type).max < self.target.classes:
            raise DataError(
                f"{option('threshold', True)} adds one class, but labels of {label_type} end at "
                f"{np.iinfo(label_type).max}. Store them as int64."
            )

    def steps(self, faults: Sequence[PlannedFault]) -> int:
        """Return the number of progress steps that `write` makes."""
        return len(faults)

    def bytes_needed(self, faults: Sequence[PlannedFault], link: bool) -> int:
        """Return the size of the planted file in bytes, before compression.

        Raises:
            DataError: `link` is True.
        """
        if link:
            raise DataError(f"{option('link', True)} is for image files; arrays are always copied.")
        rows = len(self.examples) + sum(fault.kind in ADDED for fault in faults)
        return rows * (self.arrays.inputs[0].nbytes + 64)

    def write(
        self,
        folder: Path,
        faults: Sequence[PlannedFault],
        seed: int,
        link: bool,
        advance: Callable[[int], None],
    ) -> list[Plant]:
        """Write the planted arrays with their original names and types; return the record."""
        ids, n = list(map(str, self.examples.ids)), len(self.examples)
        added = sum(entry.kind in ADDED for entry in faults)
        inputs = np.empty((n + added, *self.arrays.inputs.shape[1:]), self.arrays.inputs.dtype)
        inputs[:n] = self.arrays.inputs
        labels, names = [*self.arrays.labels.tolist(), *[0] * added], UniqueNames(ids)
        plants: list[Plant] = []
        for fault in faults:
            position = len(ids) if fault.kind in ADDED else fault.row
            if fault.kind in ADDED:
                ids.append(names.take(added_name(fault, ids)))
            if fault.kind in (CORRUPT, *ADDED):
                inputs[position] = self._build(fault, fault.rng(seed))
            labels[position] = fault.label
            plants.append(fault.plant(ids[position], self.examples.ids, self.arrays.labels))
            advance(1)
        key, label_type = self._stored_form
        arrays: dict[str, Any] = {key: inputs, "labels": np.array(labels, label_type), "ids": ids}
        self._save(folder / DATA_FILE, arrays, max(labels))
        return plants

    def _build(self, fault: PlannedFault, rng: np.random.Generator) -> Shaped[np.ndarray, "*item"]:
        if fault.how == OTHER and self.outside_arrays is not None:
            return self.outside_arrays.inputs[fault.row]
        if fault.how == COLUMNS:
            rows = rng.integers(len(self.examples), size=MIXED_ROWS).tolist()
            return mix_columns(self.arrays.inputs[[fault.row, *rows]], rng)
        return alter(self.arrays.inputs[fault.row], fault.how, self._values, rng)

    @cached_property
    def _values(self) -> Values:
        return values_of(list(self.arrays.inputs[spread_rows(len(self.examples), _SAMPLE)]))

    @cached_property
    def _stored_form(self) -> tuple[str, np.dtype[Any]]:
        """The name of the input array in the file, and the type of its labels."""
        if self.path is None:
            return "inputs", self.arrays.labels.dtype
        key = "images" if "images" in npz.array_names(self.path) else "inputs"
        return key, npz.load_arrays(self.path, {"labels"})["labels"].dtype

    def _save(self, path: Path, arrays: dict[str, Any], last_label: int) -> None:
        """Write the file; copy the other arrays of the source, except those with one row each."""
        names = self.examples.label_names
        if names is not None:
            arrays["label_names"] = [*names, *["threshold"] * (last_label == len(names))]
        compressed = False
        if self.path is not None:
            names = set(npz.array_names(self.path)) - arrays.keys()
            source_arrays = npz.load_arrays(self.path, names)
            rows = len(self.examples)
            arrays |= {k: v for k, v in source_arrays.items() if v.ndim == 0 or len(v) != rows}
            with zipfile.ZipFile(self.path) as file:
                compressed = any(entry.compress_type for entry in file.infolist())
        save = np.savez_compressed if compressed else np.savez
        write_whole(path, lambda temporary: save(temporary, **arrays))


def count_classes(labels: Shaped[np.ndarray, "n"], names: tuple[str, ...] | None) -> int:
    """Return the number of classes: of names or of labels, whichever are more."""
    return max(int(labels.max()) + 1, len(names or ()))


def added_name(fault: PlannedFault, ids: Sequence[str]) -> str:
    """Return the id of an added row, which may be taken already."""
    if fault.kind == DUPLICATE:
        return f"{ids[fault.row]}-duplicate"
    return f"outside-{fault.number}"


def spread_rows(rows: int, count: int) -> np.ndarray:
    """Return at most `count` row numbers, spread evenly."""
    return np.unique(np.linspace(0, rows - 1, count).astype(int))


def refuse_mismatch(outside: Shaped[np.ndarray, "..."], data: Shaped[np.ndarray, "..."]) -> None:
    """Raise unless an item of the outside data has the form of the data.

    Raises:
        DataError: its shape or type is different.
    """
    alike = outside.dtype == data.dtype or outside.dtype.kind == data.dtype.kind == "f"
    if outside.shape != data.shape or not alike:
        raise DataError(
            f"{option('outside_from')} has items of {outside.dtype} {outside.shape}; the data have "
            f"{data.dtype} {data.shape}. Give data that were prepared in the same way."
        )
