"""The record of `vog folds`: which fold holds out which row of the data, and of which data.

    FOLDS/
      folds.json          the data, the seed, and the fold that holds out each row; written last
      fold-0/train.txt    what to train on: lines of `path label`, or the ids of a dataset's items
      fold-0/held_out.txt what to score with that training
      fold-1/...

Of an `.npz` the files are `.npz` too.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from vog.data.examples import FoldPart, digest_of
from vog.errors import DataError
from vog.result.changed_files import read_json
from vog.result.files import as_json, write_text

FILE = "folds.json"
TRAIN, HELD_OUT = "train", "held_out"
Kind = Literal["files", "npz", "dataset"]


@dataclass(frozen=True)
class Record:
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

    def part(self, number: int, held_out: bool) -> FoldPart:
        """The same, as a run notes it."""
        return FoldPart(
            number=number,
            folds=self.folds,
            held_out=held_out,
            rows=self.rows(number, held_out),
            total=len(self.held_out_by),
            of=self.told_apart,
            data_digest=self.digest,
            data=self.data,
            root=self.root,
        )

    def save(self, folder: Path) -> None:
        """Write it into its folder."""
        said = {
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
            "held_out_by": self.held_out_by.tolist(),
        }
        write_text(folder / FILE, as_json(said))


def load(folder: Path) -> Record:
    """The record in a folder that `vog folds` wrote.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / FILE
    try:
        said = read_json(path)
        return _record(said)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder} holds no {FILE}. Expected a folder of `vog folds`.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged: {error}. Remove the folder, and run `vog folds` again."
        ) from error


def _record(said: Any) -> Record:
    by = np.asarray(said["held_out_by"], np.int64)
    folds, names, root = said["folds"], said["label_names"], said["root"]
    if by.ndim != 1 or len(by) != said["examples"] or not set(by.tolist()) <= set(range(folds)):
        raise ValueError("held_out_by is not one fold for each example")
    if said["kind"] not in ("files", "npz", "dataset"):
        raise ValueError(f"the kind is {said['kind']!r}")
    return Record(
        kind=said["kind"],
        data=str(said["data"]),
        root=None if root is None else str(root),
        digest=str(said["digest"]),
        folds=int(folds),
        seed=int(said["seed"]),
        held_out_by=by,
        labels=str(said["labels"]),
        label_names=None if names is None else tuple(map(str, names)),
        alone=tuple(map(int, said["alone"])),
        files={str(name): str(digest) for name, digest in said["files"].items()},
    )


def digest_of_file(path: Path) -> str:
    """SHA-256 of its bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
