"""What was planted into a dataset: the record beside it, and the rows of a run that it names.

    PLANTED/
      planted.csv     one line a planted example
      planted.json    what was asked: the data, the seed, how much of what; written last
      ...             the data

Whatever the record does not name was left as it was.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from vog.errors import ResultError, first_few
from vog.files.small_files import read_json
from vog.files.writing import as_csv, as_json, write_text
from vog.result.ids import positions_of
from vog.result.run import Run

QUESTION, PLANTS = "planted.json", "planted.csv"

_LARGEST_FILE = 2**31  # bytes of the list: ten million planted examples
# By key what may stand in `planted.json`, where it stands there.
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
BOUNDARY = "boundary"  # how: flips of ambiguous examples to the runner-up
KINDS = (FLIP, DUPLICATE, CORRUPT, OUTSIDE, THRESHOLD)


@dataclass(frozen=True)
class Plant:
    """One planted example.

    Attributes:
        id: its name in the planted data.
        kind: `flip`, another label; `duplicate`, nearly another example; `corrupt`, harder to
            see; `outside`, of no class; `threshold`, moved to a class of its own, as AUM needs.
        how: as `uniform` or `noise`.
        label: the class that it has in the planted data.
        source: the id, in the data as they were, of the example it was made from; None for none.
        was: the class of that; None for none.
    """

    id: str
    kind: str
    how: str
    label: int
    source: str | None
    was: int | None


@dataclass(frozen=True)
class Planted:
    """A record of planting.

    Attributes:
        question: what was asked, as `planted.json` has it; `data.examples` is how many there are
            with what was added.
        plants: what came of it.
    """

    question: Mapping[str, Any]
    plants: tuple[Plant, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that were planted."""
        present = {plant.kind for plant in self.plants}
        return tuple(kind for kind in KINDS if kind in present)

    def hows(self, kind: str) -> tuple[str, ...]:
        """The ways in which a kind was planted, as `uniform` or `boundary`."""
        return tuple(dict.fromkeys(plant.how for plant in self.plants if plant.kind == kind))

    def rows(self, run: Run) -> dict[str, Bool[np.ndarray, "n"]]:
        """By kind, which rows of a run are planted so.

        Raises:
            ResultError: the run is not of the planted data.
        """
        table = run.table(["id", "label"])
        positions = positions_of((plant.id for plant in self.plants), table["id"])
        labels = table["label"].fill_null(-1).to_numpy()
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
                f"{run.folder} is not finished: {run.missing_rows:,} rows are missing. Run the "
                f"same `vog score` command again to continue."
            )
        if missing:
            raise ResultError(
                f"{run.folder} lacks {len(missing):,} of {len(self.plants):,} planted examples: "
                f"{first_few(missing)}. Train on the planted data, and score these."
            )
        if differs.any():
            changed = [plant.id for plant, wrong in zip(self.plants, differs, strict=True) if wrong]
            raise ResultError(
                f"in {run.folder} {len(changed):,} of {len(self.plants):,} planted examples have "
                f"another label than was planted: {first_few(changed)}. Score the planted data, and "
                f"not the data as they were."
            )


def write_record(folder: Path, planted: Planted) -> None:
    """Write the record into its folder; `planted.json` last, which says that all is there."""
    columns = [plant.name for plant in fields(Plant)]
    rows = [dict(zip(columns, astuple(plant), strict=True)) for plant in planted.plants]
    text = as_csv(rows, columns)
    write_text(folder / PLANTS, text)
    write_text(folder / QUESTION, as_json(planted.question))


def load_planting_record(folder: Path, need_all_keys: bool = False) -> Planted:
    """The record in a folder that `vog plant` wrote.

    Args:
        folder: the folder.
        whole: the question says everything that planting again or reopening the data needs.

    Raises:
        ResultError: there is none, or it is damaged.
    """
    try:
        question = _checked_question(read_json(folder / QUESTION), need_all_keys)
        plants = _read_plants(folder / PLANTS)
    except FileNotFoundError as error:
        raise ResultError(
            f"--planted {folder} holds no {Path(error.filename).name}. Expected a folder that "
            f"`vog plant` wrote."
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
            f"{folder / PLANTS} has the kinds {first_few(unknown_kinds)}; known are "
            f"{', '.join(KINDS)}."
        )
    return Planted(question, plants)


def as_planting_record(planted: Planted | str | Path) -> Planted:
    """A record, or that of a folder.

    Raises:
        ResultError: the folder holds none, or it is damaged.
    """
    return load_planting_record(Path(planted)) if isinstance(planted, str | Path) else planted


def _checked_question(value: Any, need_all_keys: bool) -> dict[str, Any]:
    """Return what `planted.json` holds, if it is what planting wrote.

    Raises:
        ValueError: it is something else.
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
    """Return the planted examples that a file lists.

    Raises:
        OSError: it is not there, or may not be read.
        ValueError: it is larger than such a file, or a line of it is of another form.
        csv.Error: it is no csv.
    """
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"{PLANTS} has more than {_LARGEST_FILE:,} bytes")
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        missing_columns = [
            field.name for field in fields(Plant) if field.name not in (rows.fieldnames or [])
        ]
        if missing_columns:
            raise ValueError(f"{PLANTS} lacks the columns {first_few(missing_columns)}")
        return tuple(_parse_plant(row, rows.line_num) for row in rows)


def _parse_plant(row: Mapping[str, str | None], line: int) -> Plant:
    cells = [row[field.name] for field in fields(Plant)]
    id, kind, how, label, source, original = (cell or "" for cell in cells)
    is_malformed = None in cells or None in row or not id or not _INTEGER.fullmatch(label)
    if is_malformed or not (original == "" or _INTEGER.fullmatch(original)):
        raise ValueError(f"line {line} of {PLANTS} is of another form")
    return Plant(id, kind, how, int(label), source or None, int(original) if original else None)
