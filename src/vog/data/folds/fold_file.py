"""A file that `vog folds` wrote: which part of which fold it has, and the ids in it."""

import json
import re
from dataclasses import replace
from pathlib import Path

from vog.data.examples import Examples, FoldPart, RowsReader, digest_of
from vog.data.folds.fold_record import HELD_OUT, TRAIN, FoldRecord, find_fold_record
from vog.errors import DataError
from vog.files import npz
from vog.files.checksum import sha256_of
from vog.wording import command

_NAME = re.compile(rf"({TRAIN}|{HELD_OUT})\.(txt|npz)")
_FOLDER = re.compile(r"fold-(\d{1,9})")


def fold_of_file(path: Path) -> tuple[FoldRecord, FoldPart] | None:
    """Return the record of a file that `vog folds` wrote, and its part of a fold.

    None if `vog folds` did not write the file.

    Raises:
        DataError: the record is damaged, or the file was changed since it was written.
    """
    file, folder = _NAME.fullmatch(path.name), _FOLDER.fullmatch(path.absolute().parent.name)
    record = find_fold_record(path.absolute().parent.parent) if file and folder else None
    if not file or not folder or record is None:
        return None
    number = int(folder[1])
    recorded_digest = record.files.get(f"fold-{number}/{path.name}")
    if recorded_digest is None or number >= record.folds:
        return None
    if sha256_of(path) != recorded_digest:
        raise DataError(
            f"{path} was changed since {command('folds')} wrote it, so it is unknown which rows of "
            f"the data it has. Make the folds again, in a new folder, or copy the file to a "
            f"different folder: there it is an ordinary file of data."
        )
    return record, record.part(number, file[1] == HELD_OUT)


def with_original_rows(examples: Examples, record: FoldRecord, part: FoldPart) -> Examples:
    """Return the examples of a file of `vog folds`, with the facts from the record."""
    assert len(examples) == len(part.rows), "the file has the digest of the record"
    names = record.label_names
    classes = None if names is None or record.kind != "files" else len(names)
    return replace(examples, label_names=names, classes=classes, fold=part)


def examples_of_part(examples: Examples, record: FoldRecord, part: FoldPart) -> Examples:
    """Return the examples of a part, given those of the whole data.

    Raises:
        DataError: the folds were made from different data.
    """
    labels = examples.labels
    same_labels = labels is None or digest_of(labels) == record.labels
    if len(examples) != len(record.held_out_by) or not same_labels:
        raise DataError(
            f"{record.data} has different examples than the folds were made from. Give the data "
            f"that they were made from, or make folds again with {command('folds')}."
        )
    return replace(
        examples,
        ids=[str(examples.ids[row]) for row in part.rows.tolist()],
        read=RowsReader(examples.read, part.rows),
        labels=None if labels is None else labels[part.rows],
        fold=part,
    )


def ids_in_file(path: Path) -> list[str]:
    """Return the ids in a file that `vog folds` wrote."""
    if path.suffix == ".npz":
        return [str(example_id) for example_id in npz.load_arrays(path, ["ids"])["ids"].tolist()]
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [_parse_id(line) for line in lines]


def _parse_id(line: str) -> str:
    """Return the id in a line: JSON for an item of a dataset, else a path before its label."""
    try:
        return str(json.loads(line))
    except ValueError:
        return line.rpartition(" ")[0]
