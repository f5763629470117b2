"""The record of `vog folds`: which fold holds out which row of the data, and of which data.

    FOLDS/
      folds.json          the data, the seed, and the fold that holds out each row; written last
      fold-0/train.txt    what to train on: lines of `path label`, or the ids of a dataset's items
      fold-0/held_out.txt what to score with that training
      fold-1/...

Of an `.npz` the files are `.npz` too.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from vog.data.examples import FoldPart, digest_of
from vog.errors import DataError
from vog.files.small_files import read_json
from vog.files.writing import as_json, write_text

FILE, MADE_BY = "folds.json", "vog folds"
TRAIN, HELD_OUT = "train", "held_out"
Kind = Literal["files", "npz", "dataset"]


@dataclass(frozen=True)
class FoldRecord:
    """What `folds.json` says.

    Attributes:
        kind: of the data: image files, an `.npz`, or a dataset that a function returns.
        data: the data, as seen from any folder.
        root: what the paths of a list are relative to; of a folder, the folder itself.
        digest: of the data.
        folds: how many there are.
        seed: what the rows were drawn with.
        held_out_by: of each row, the fold that holds it out, from 0.
        labels: a digest of the labels.
        label_names: the names of the classes by number, where the data have names.
        alone: the classes with a single example, which no training has seen that judges it.
        files: the SHA-256 of each file beside the record, by its name.
    """

    kind: Kind
    data: str
    root: str | None
    digest: str
    folds: int
    seed: int
    held_out_by: Int[np.ndarray, "n"]
    labels: str
    label_names: tuple[str, ...] | None
    alone: tuple[int, ...]
    files: dict[str, str]

    @cached_property
    def told_apart(self) -> str:
        """A digest of what tells these folds from others."""
        return digest_of(self.digest, self.folds, self.held_out_by)[:16]

    def rows(self, number: int, held_out: bool) -> Int[np.ndarray, "m"]:
        """The rows of the data that a fold holds out, or trains on, in their order."""
        return np.flatnonzero((self.held_out_by == number) == held_out)

    def part(self, number: int, held_out: bool, folder: Path | None = None) -> FoldPart:
        """The same, as a run notes it; with the folder, where a run can open it again."""
        name = f"fold-{number}/{HELD_OUT if held_out else TRAIN}.txt"
        return FoldPart(
            number=number,
            folds=self.folds,
            held_out=held_out,
            rows=self.rows(number, held_out),
            total=len(self.held_out_by),
            folds_digest=self.told_apart,
            data_digest=self.digest,
            data=self.data,
            root=self.root,
            file=str((folder / name).absolute()) if folder and self.kind == "dataset" else None,
        )

    def save(self, folder: Path) -> None:
        """Write it into its folder."""
        content = {
            "made_by": MADE_BY,
            "of": self.told_apart,
            "kind": self.kind,
            "data": self.data,
            "root": self.root,
            "digest": self.digest,
            "examples": len(self.held_out_by),
            "folds": self.folds,
            "seed": self.seed,
            "labels": self.labels,
            "label_names": self.label_names,
            "alone": self.alone,
            "files": self.files,
            "held_out_by": " ".join(map(str, self.held_out_by.tolist())),
        }
        write_text(folder / FILE, as_json(content))


def load_fold_record(folder: Path) -> FoldRecord:
    """The record in a folder that `vog folds` wrote.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / FILE
    try:
        record = _read_record(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder} holds no {FILE}. Expected a folder of `vog folds`.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if record is None:
        raise DataError(f"{path} was not written by `vog folds`. Expected a folder that it wrote.")
    return record


def find_fold_record(folder: Path) -> FoldRecord | None:
    """The same; None where a folder has none, or one of others.

    Raises:
        DataError: it is damaged.
    """
    try:
        return _read_record(folder / FILE)
    except OSError:
        return None


def _read_record(path: Path) -> FoldRecord | None:
    """What a file holds; None where it is a file of others.

    Raises:
        OSError: it cannot be read.
        DataError: it is damaged.
    """
    try:
        content = read_json(path)
        is_ours = isinstance(content, dict) and content.get("made_by") == MADE_BY
        return _parse_record(content) if is_ours else None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(_damage_message(path, str(error))) from error


def _damage_message(path: Path, reason: str) -> str:
    return f"{path} is damaged: {reason}. Run `vog folds` again, into a new folder."


def _parse_record(content: dict[str, Any]) -> FoldRecord:
    row_folds = np.array([int(n) for n in content["held_out_by"].split(" ")], np.int64)
    folds, names, root = _whole_number(content["folds"]), content["label_names"], content["root"]
    if len(row_folds) != content["examples"] or row_folds.min() < 0 or row_folds.max() >= folds:
        raise ValueError("held_out_by is not one fold for each example")
    if content["kind"] not in ("files", "npz", "dataset"):
        raise ValueError(f"the kind is {content['kind']!r}")
    if names is not None and not (isinstance(names, list) and all(map(_is_text, names))):
        raise ValueError("label_names are no names")
    record = FoldRecord(
        kind=content["kind"],
        data=str(content["data"]),
        root=None if root is None else str(root),
        digest=str(content["digest"]),
        folds=folds,
        seed=_whole_number(content["seed"]),
        held_out_by=row_folds,
        labels=str(content["labels"]),
        label_names=None if names is None else tuple(names),
        alone=tuple(_whole_number(n) for n in content["alone"]),
        files={str(name): str(digest) for name, digest in content["files"].items()},
    )
    if record.told_apart != content["of"]:
        raise ValueError("held_out_by is not what was drawn")
    return record


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _whole_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no whole number")
    return value
