"""The record of the faults planted into a dataset, and the rows of a run that it names.

    PLANTED/
      planted.csv     one line for each planted example
      planted.json    the settings: data, seed, and the amount of each kind; written last
      ...             the data

Examples that the record does not name are unchanged.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from vog.errors import ResultError, first_few
from vog.files.small_files import read_json
from vog.files.writing import as_csv, as_json, write_text
from vog.former_names import FormerAttribute
from vog.result.ids import positions_of
from vog.result.run import Run
from vog.wording import command, option, same_again

QUESTION, PLANTS = "planted.json", "planted.csv"

_LARGEST_FILE = 2**31  # bytes of planted.csv, enough for ten million planted examples
# The types that the values in `planted.json` may have.
_TYPES_BY_KEY: Mapping[str, type | tuple[type, ...]] = {
    "data": dict,
    "data.spec": (str, type(None)),
    "data.digest": str,
    "data.examples": int,
    "data.was": int,
    "data.planted": str,
    "seed": int,
    "outside_from": (dict, type(None)),
}
_INTEGER = re.compile("-?[0-9]{1,18}")

FLIP, DUPLICATE, CORRUPT, OUTSIDE, THRESHOLD = (
    "flip",
    "duplicate",
    "corrupt",
    "outside",
    "threshold",
)
BOUNDARY = "boundary"  # a method: ambiguous examples get the label of the runner-up class
KINDS = (FLIP, DUPLICATE, CORRUPT, OUTSIDE, THRESHOLD)


@dataclass(frozen=True)
class Plant:
    """One planted example.

    Attributes:
        id: its id in the planted data.
        kind: `flip`, a wrong label; `duplicate`, a near copy of another example; `corrupt`, harder
            to recognise; `outside`, of no class; `threshold`, moved to an extra class for AUM.
        method: the way it was planted, such as `uniform` or `noise`.
        label: its class in the planted data.
        source: the id of the original example that it was made from; None if there is none.
        original_label: the class of that original example; None if there is none.
    """

    id: str
    kind: str
    method: str
    label: int
    source: str | None
    original_label: int | None

    how = FormerAttribute("method")
    was = FormerAttribute("original_label")


# The columns of planted.csv, one for each field.
_COLUMNS: tuple[str, ...] = ("id", "kind", "how", "label", "source", "was")


@dataclass(frozen=True)
class Planted:
    """A record of planting.

    Attributes:
        question: the settings in `planted.json`; `data.examples` is the number of examples after
            planting.
        plants: the planted examples.
    """

    question: Mapping[str, Any]
    plants: tuple[Plant, ...]

    hows = FormerAttribute("methods")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that were planted."""
        present = {plant.kind for plant in self.plants}
        return tuple(kind for kind in KINDS if kind in present)

    def methods(self, kind: str) -> tuple[str, ...]:
        """Return the methods by which a kind was planted, such as `uniform` or `boundary`."""
        return tuple(dict.fromkeys(plant.method for plant in self.plants if plant.kind == kind))

    def rows(self, run: Run) -> dict[str, Bool[np.ndarray, "n"]]:
        """Return for each kind a mask of the rows of a run that are planted.

        Raises:
            ResultError: the run does not score the planted data.
        """
        table = run.table(["id"])
        positions = positions_of((plant.id for plant in self.plants), table["id"])
        labels = run.class_labels
        planted_labels = np.array([plant.label for plant in self.plants], np.int64)
        self._require_planted_rows(run, positions, labels[positions] != planted_labels)
        kind = np.array([plant.kind for plant in self.plants])
        rows = {name: np.zeros(len(table), bool) for name in self.kinds}
        for name, mask in rows.items():
            mask[positions[kind == name]] = True
        return rows

    def _require_planted_rows(
        self, run: Run, positions: np.ndarray, differs: Bool[np.ndarray, "m"]
    ) -> None:
        missing = [plant.id for plant, row in zip(self.plants, positions, strict=True) if row < 0]
        if missing and run.missing_rows:
            raise ResultError(
                f"{run.folder} is not finished: {run.missing_rows:,} rows are missing. "
                f"{same_again('score')} to continue."
            )
        if missing:
            raise ResultError(
                f"{run.folder} lacks {len(missing):,} of {len(self.plants):,} planted examples: "
                f"{first_few(missing)}. Train on the planted data, and score them."
            )
        if differs.any():
            changed = [plant.id for plant, wrong in zip(self.plants, differs, strict=True) if wrong]
            raise ResultError(
                f"in {run.folder} {len(changed):,} of {len(self.plants):,} planted examples have "
                f"a different label than the record: {first_few(changed)}. Score the planted data, "
                f"and not the original data."
            )


def write_record(folder: Path, planted: Planted) -> None:
    """Write the record into its folder; `planted.json` last, to mark the folder as complete."""
    rows = [dict(zip(_COLUMNS, astuple(plant), strict=True)) for plant in planted.plants]
    write_text(folder / PLANTS, as_csv(rows, _COLUMNS))
    write_text(folder / QUESTION, as_json(planted.question))


def load_planting_record(folder: Path, need_all_keys: bool = False) -> Planted:
    """Return the record in a folder that `vog plant` wrote.

    Args:
        folder: the folder.
        need_all_keys: require every setting that planting again or reopening the data needs.

    Raises:
        ResultError: the folder holds no record, or the record is damaged.
    """
    try:
        question = _checked_question(read_json(folder / QUESTION), need_all_keys)
        plants = _read_plants(folder / PLANTS)
    except FileNotFoundError as error:
        raise ResultError(
            f"{option('planted', str(folder))} holds no {Path(error.filename).name}. Expected a "
            f"folder that {command('plant')} wrote."
        ) from error
    except OSError as error:
        raise ResultError(
            f"{error.filename or folder} cannot be read: {error.strerror or error}."
        ) from error
    except (ValueError, csv.Error) as error:
        raise ResultError(
            f"the record in {folder} is damaged: {error}. Plant again into another folder."
        ) from error
    unknown_kinds: Sequence[str] = sorted({plant.kind for plant in plants} - set(KINDS))
    if unknown_kinds:
        raise ResultError(
            f"{folder / PLANTS} has unknown kinds: {first_few(unknown_kinds)}. Expected "
            f"{', '.join(KINDS)}."
        )
    return Planted(question, plants)


def as_planting_record(planted: Planted | str | Path) -> Planted:
    """Return a record, which is loaded if a folder is given.

    Raises:
        ResultError: the folder holds no record, or the record is damaged.
    """
    return load_planting_record(Path(planted)) if isinstance(planted, str | Path) else planted


def _checked_question(value: Any, need_all_keys: bool) -> dict[str, Any]:
    """Return the contents of `planted.json` after checking the types of its values.

    Raises:
        ValueError: a value has the wrong type, or a needed key is missing.
    """
    if not isinstance(value, dict) or not isinstance(value.get("data", {}), dict):
        raise ValueError(f"{QUESTION} is of another form")
    for key, types in _TYPES_BY_KEY.items():
        section_name, _, name = key.rpartition(".")
        section = value.get(section_name, {}) if section_name else value
        if not isinstance(section.get(name), types) if name in section else need_all_keys:
            text = repr(section[name])[:60] if name in section else "missing"
            raise ValueError(f"in {QUESTION} {key} is {text}")
    return value


def _read_plants(path: Path) -> tuple[Plant, ...]:
    """Return the planted examples in a csv file.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: the file is too large, lacks a column, or has a malformed line.
        csv.Error: the file is no csv.
    """
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"{PLANTS} has more than {_LARGEST_FILE:,} bytes")
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        missing_columns = [name for name in _COLUMNS if name not in (rows.fieldnames or [])]
        if missing_columns:
            raise ValueError(f"{PLANTS} lacks the columns {first_few(missing_columns)}")
        return tuple(_parse_plant(row, rows.line_num) for row in rows)


def _parse_plant(row: Mapping[str, str | None], line: int) -> Plant:
    cells = [row[name] for name in _COLUMNS]
    id, kind, how, label, source, original = (cell or "" for cell in cells)
    is_malformed = None in cells or None in row or not id or not _INTEGER.fullmatch(label)
    if is_malformed or not (original == "" or _INTEGER.fullmatch(original)):
        raise ValueError(f"line {line} of {PLANTS} is of another form")
    return Plant(id, kind, how, int(label), source or None, int(original) if original else None)
