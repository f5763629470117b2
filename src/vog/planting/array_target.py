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
    alter,
    image_axes,
    mix_columns,
    values_of,
)
from vog.planting.unique_names import UniqueNames
from vog.result.planting_record import CORRUPT, DUPLICATE, Plant

DATA_FILE = "data.npz"
_SAMPLE = 1000
# Rows that are no images are mixed from so many others.
MIXED_ROWS = 8


@dataclass(frozen=True)
class ArrayPlanter:
    """Rows of an array; `path` is the file that they are in, if any."""

    examples: Examples
    reader: ArrayReader
    path: Path | None
    outside: Examples | None
    outside_reader: ArrayReader | None

    output_name = DATA_FILE

    @property
    def target(self) -> PlantingTarget:
        """What is planted into."""
        labels, names = self.reader.labels, self.examples.label_names
        return PlantingTarget(
            labels,
            count_classes(labels, names),
            is_image=image_axes(self.reader.inputs.shape[1:]) is not None,
            usable=lambda row: True,
            outside_count=None if self.outside_reader is None else len(self.outside_reader.inputs),
            outside_usable=lambda row: True,
        )

    def check(self, threshold: bool) -> None:
        """Nothing, unless the arrays cannot hold what is to be put into them.

        Raises:
            DataError: the items of the other data have another shape or type; they are no
                numbers; the labels have no room for one class more.
        """
        inputs, outside_reader = self.reader.inputs, self.outside_reader
        if inputs.dtype.kind not in "iuf":
            raise DataError(f"the inputs are {inputs.dtype}; expected floats or whole numbers.")
        if outside_reader is not None:
            refuse_mismatch(outside_reader.inputs[0], inputs[0])
        _, label_type = self._stored_form
        if threshold and np.iinfo(label_type).max < self.target.classes:
            raise DataError(
                f"--threshold needs one class more, but labels of {label_type} end at "
                f"{np.iinfo(label_type).max}. Store them as int64."
            )

    def steps(self, faults: Sequence[PlannedFault]) -> int:
        """One a change."""
        return len(faults)

    def bytes_needed(self, faults: Sequence[PlannedFault], link: bool) -> int:
        """Of disk, before what compression saves.

        Raises:
            DataError: links were asked for.
        """
        if link:
            raise DataError("--link is for image files; of arrays a new file is written.")
        rows = len(self.examples) + sum(fault.kind in ADDED for fault in faults)
        return rows * (self.reader.inputs[0].nbytes + 64)

    def write(
        self,
        folder: Path,
        faults: Sequence[PlannedFault],
        seed: int,
        link: bool,
        advance: Callable[[int], None],
    ) -> list[Plant]:
        """The planted arrays, under the names and in the types that they had."""
        ids, n = [str(entry) for entry in self.examples.ids], len(self.examples)
        added = sum(entry.kind in ADDED for entry in faults)
        inputs = np.empty((n + added, *self.reader.inputs.shape[1:]), self.reader.inputs.dtype)
        inputs[:n] = self.reader.inputs
        labels, names = [*self.reader.labels.tolist(), *[0] * added], UniqueNames(ids)
        plants: list[Plant] = []
        for fault in faults:
            position = len(ids) if fault.kind in ADDED else fault.row
            if fault.kind in ADDED:
                ids.append(names.take(added_name(fault, ids)))
            if fault.kind in (CORRUPT, *ADDED):
                inputs[position] = self._build(fault, fault.rng(seed))
            labels[position] = fault.label
            plants.append(fault.plant(ids[position], self.examples.ids, self.reader.labels))
            advance(1)
        key, label_type = self._stored_form
        arrays: dict[str, Any] = {key: inputs, "labels": np.array(labels, label_type), "ids": ids}
        self._save(folder / DATA_FILE, arrays, max(labels))
        return plants

    def _build(self, fault: PlannedFault, rng: np.random.Generator) -> Shaped[np.ndarray, "*item"]:
        if fault.how == OTHER and self.outside_reader is not None:
            return self.outside_reader.inputs[fault.row]
        if fault.how == COLUMNS:
            rows = rng.integers(len(self.examples), size=MIXED_ROWS).tolist()
            return mix_columns(self.reader.inputs[[fault.row, *rows]], rng)
        return alter(self.reader.inputs[fault.row], fault.how, self._values, rng)

    @cached_property
    def _values(self) -> Values:
        return values_of(list(self.reader.inputs[spread_rows(len(self.examples), _SAMPLE)]))

    @cached_property
    def _stored_form(self) -> tuple[str, np.dtype[Any]]:
        """What the inputs are called in the file, and the type of its labels."""
        if self.path is None:
            return "inputs", self.reader.labels.dtype
        key = "images" if "images" in npz.array_names(self.path) else "inputs"
        return key, npz.load_arrays(self.path, {"labels"})["labels"].dtype

    def _save(self, path: Path, arrays: dict[str, Any], last_label: int) -> None:
        """The file, with the other arrays of the one there was; those of so many rows left out."""
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
    """How many classes there are: as many as have names, and as labels tell."""
    return max(int(labels.max()) + 1, len(names or ()))


def added_name(fault: PlannedFault, ids: Sequence[str]) -> str:
    """What an added row would be called."""
    if fault.kind == DUPLICATE:
        return f"{ids[fault.row]}-duplicate"
    return f"outside-{fault.number}"


def spread_rows(rows: int, count: int) -> np.ndarray:
    """Some rows, spread evenly."""
    return np.unique(np.linspace(0, rows - 1, count).astype(int))


def refuse_mismatch(outside: Shaped[np.ndarray, "..."], data: Shaped[np.ndarray, "..."]) -> None:
    """Nothing where an item of other data can stand among the own.

    Raises:
        DataError: its shape or type is another.
    """
    alike = outside.dtype == data.dtype or outside.dtype.kind == data.dtype.kind == "f"
    if outside.shape != data.shape or not alike:
        raise DataError(
            f"--outside-from has items of {outside.dtype} {outside.shape}; the data have {data.dtype} "
            f"{data.shape}. Give data that were prepared alike."
        )
