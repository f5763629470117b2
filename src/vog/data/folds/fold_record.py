"""The record of `vog folds`: the data, and the fold that holds out each row of them.

    FOLDS/
      folds.json          the data, the seed, and the fold that holds out each row; written last
      fold-0/train.txt    what to train on: lines of `path label`, or the ids of a dataset's items
      fold-0/held_out.txt what to score with that training
      fold-1/...

For an `.npz` the files are `.npz` too.
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
from vog.former_names import FormerAttribute
from vog.wording import command

FILE, MADE_BY = "folds.json", "vog folds"
TRAIN, HELD_OUT = "train", "held_out"
Kind = Literal["files", "npz", "dataset"]


@dataclass(frozen=True)
class FoldRecord:
    """The content of `folds.json`.

    Attributes:
        kind: the kind of the data: image files, an `.npz`, or a dataset that a function returns.
        data: the data, with an absolute path.
        root: the folder that the paths of a list are relative to; for a folder, the folder itself.
        digest: the digest of the data.
        folds: the number of folds.
        seed: the seed of the random draw.
        held_out_by: for each row, the number of the fold that holds it out, from 0.
        labels: the digest of the labels.
        label_names: the name of each class by number, if the data have names.
        single_example_classes: their numbers: the training that scores such an example has seen
            none of its class.
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
    single_example_classes: tuple[int, ...]
    files: dict[str, str]

    alone = FormerAttribute("single_example_classes")
    told_apart = FormerAttribute("folds_digest")

    @property
    def ending(self) -> str:
        """The ending of the files of the folds."""
        return ".npz" if self.kind == "npz" else ".txt"

    @cached_property
    def folds_digest(self) -> str:
        """A digest that differs between different folds."""
        return digest_of(self.digest, self.folds, self.held_out_by)[:16]

    def rows(self, number: int, held_out: bool) -> Int[np.ndarray, "m"]:
        """Return the rows of the data that a fold holds out, or trains on, in ascending order."""
        return np.flatnonzero((self.held_out_by == number) == held_out)

    def part(self, number: int, held_out: bool, folder: Path | None = None) -> FoldPart:
        """Return a part of a fold as a run stores it; with `folder`, the run can open it again."""
        name = f"fold-{number}/{HELD_OUT if held_out else TRAIN}.txt"
        return FoldPart(
            number=number,
            folds=self.folds,
            held_out=held_out,
            rows=self.rows(number, held_out),
            total=len(self.held_out_by),
            folds_digest=self.folds_digest,
            data_digest=self.digest,
            data=self.data,
            root=self.root,
            file=str((folder / name).absolute()) if folder and self.kind == "dataset" else None,
        )

    def save(self, folder: Path) -> None:
        """Write the record to `folds.json` in a folder."""
        content = {
            "made_by": MADE_BY,
            "of": self.folds_digest,
            "kind": self.kind,
            "data": self.data,
            "root": self.root,
            "digest": self.digest,
            "examples": len(self.held_out_by),
            "folds": self.folds,
            "seed": self.seed,
            "labels": self.labels,
            "label_names": self.label_names,
            "alone": self.single_example_classes,
            "files": self.files,
            "held_out_by": " ".join(map(str, self.held_out_by.tolist())),
        }
        write_text(folder / FILE, as_json(content))


def load_fold_record(folder: Path) -> FoldRecord:
    """Return the record in a folder that `vog folds` wrote.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / FILE
    try:
        record = _read_record(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder} holds no {FILE}. Give a {command('folds')} folder.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if record is None:
        raise DataError(f"{path} was not written by {command('folds')}. Give a folder that was.")
    return record


def find_fold_record(folder: Path) -> FoldRecord | None:
    """Return the record in a folder; None if it has none that `vog folds` wrote.

    Raises:
        DataError: it is damaged.
    """
    try:
        return _read_record(folder / FILE)
    except OSError:
        return None


def _read_record(path: Path) -> FoldRecord | None:
    """Return the record in a file; None if `vog folds` did not write the file.

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
    return f"{path} is damaged: {reason}. Make a new folder with {command('folds')}."


def _parse_record(content: dict[str, Any]) -> FoldRecord:
    row_folds = np.array([int(n) for n in content["held_out_by"].split(" ")], np.int64)
    folds, names, root = _whole_number(content["folds"]), content["label_names"], content["root"]
    if len(row_folds) != content["examples"] or row_folds.min() < 0 or row_folds.max() >= folds:
        raise ValueError("held_out_by is not one fold for each example")
    if content["kind"] not in ("files", "npz", "dataset"):
        raise ValueError(f"the kind is {content['kind']!r}")
    if names is not None and not (isinstance(names, list) and all(map(_is_text, names))):
        raise ValueError("label_names is not a list of names")
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
        single_example_classes=tuple(_whole_number(n) for n in content["alone"]),
        files={str(name): str(digest) for name, digest in content["files"].items()},
    )
    if record.folds_digest != content["of"]:
        raise ValueError("held_out_by does not match its digest")
    return record


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _whole_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a whole number")
    return value
