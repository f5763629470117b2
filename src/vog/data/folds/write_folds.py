"""From data to folds: lists, or `.npz` files, of what to train on and what to score."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from vog.data import UNLABELLED
from vog.data.arrays import ArrayReader
from vog.data.examples import Examples, UnreadableError, digest_of
from vog.data.folds.fold_record import FILE, HELD_OUT, TRAIN, FoldRecord, Kind, load_fold_record
from vog.data.images import ImageReader
from vog.data.sources import absolute_spec
from vog.data.stored_inputs import open_stored
from vog.errors import DataError, ResultError, first_few
from vog.files import npz
from vog.files.checksum import sha256_of
from vog.files.file_names import expanded
from vog.files.output_paths import output_path
from vog.files.whole_folder import was_written, whole_folder
from vog.files.writing import write_text, write_whole
from vog.progress import progress

_ARRAYS = ("images", "inputs", "label_names")


def folds(
    data: Any,
    out: str | Path,
    *,
    folds: int = 5,
    root: str | Path | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> FoldRecord:
    """Write what to train on and what to score for each of several folds.

    Every example is held out by exactly one fold. Within each class the folds hold out equally
    many, or one more. The same seed draws the same.

    Args:
        data: an image folder, a list file, an `.npz`, or `file.py:function` that returns a dataset.
        out: the folder to make; it is there whole or not at all.
        folds: how many, from 2 on.
        root: for a list file, the folder that its paths are relative to.
        seed: decides which rows, a whole number from 0 on.
        quiet: show no progress.

    Returns: the record. Where `out` holds the same folds already, that is returned.

    Raises:
        DataError: the data have no labels, or fewer examples than folds.
        ResultError: `out` holds something else, or cannot be written.
    """
    if not isinstance(data, str | Path):
        raise DataError(
            f"the data are of type {type(data).__name__}, which could not be found again. Give a "
            f"folder, a list file, an .npz, or file.py:function that returns a Dataset."
        )
    out = output_path(out)
    # Inputs are not looked at: whole numbers of an .npz are scaled by a transform later.
    examples = open_stored(data, None if root is None else Path(root))
    if examples.fold is not None:
        raise DataError(f"--data {data} is itself a fold. Give the data that it was made of.")
    labels = _read_labels(examples, quiet)
    _check_arguments(labels, folds, seed)
    class_numbers, counts = np.unique(labels, return_counts=True)
    kind, data_root = _kind_and_root(examples)
    record = FoldRecord(
        kind=kind,
        data=absolute_spec(data),
        root=data_root,
        digest=examples.digest,
        folds=folds,
        seed=seed,
        held_out_by=draw_folds(labels, folds, seed),
        labels=digest_of(labels),
        label_names=examples.label_names,
        alone=tuple(class_numbers[counts == 1].tolist()),
        files={},
    )
    if finished := _find_finished(out, record):
        return finished
    with whole_folder(out, "making folds") as folder:
        for name in _write_files(folder, record, examples, labels, quiet):
            record.files[name] = sha256_of(folder / name)
        record.save(folder)
    return load_fold_record(out)


def draw_folds(labels: Int[np.ndarray, "n"], folds: int, seed: int) -> Int[np.ndarray, "n"]:
    """Of each row, the fold that holds it out: in each class, and in all, equally many or one more.

    Args:
        labels: one a row.
        folds: how many, from 2 on.
        seed: decides which.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    held_out_by = np.empty(len(labels), np.int64)
    held_out_by[by_class] = np.arange(len(labels)) % folds
    return held_out_by


def _check_arguments(labels: Int[np.ndarray, "n"], folds: int, seed: int) -> None:
    if seed < 0:
        raise DataError(f"--seed {seed}: expected a whole number from 0 on.")
    if not 2 <= folds <= len(labels):
        raise DataError(
            f"--folds {folds}: expected from 2 to {len(labels):,}, the number of examples."
        )


def _read_labels(examples: Examples, quiet: bool) -> Int[np.ndarray, "n"]:
    """The label of each example.

    Raises:
        DataError: one has none.
    """
    labels = examples.labels
    if labels is None:
        with progress("reading labels", len(examples), quiet=quiet) as advance:
            labels = np.array([_read_label(examples, row, advance) for row in range(len(examples))])
    unlabelled = np.flatnonzero(labels == UNLABELLED)
    if len(unlabelled):
        first_ids = [str(examples.ids[row]) for row in unlabelled[:5].tolist()]
        raise DataError(
            f"{len(unlabelled):,} of {len(examples):,} examples have no label: {first_few(first_ids)}. "
            f"Folds are drawn within classes, and judge labels. Give every example one."
        )
    return labels


def _read_label(examples: Examples, row: int, advance: Any) -> int:
    advance(1)
    try:
        return examples.read(row)[1]
    except UnreadableError as error:
        raise DataError(
            f"example {examples.ids[row]!r} cannot be read, so its label is not known: {error}. "
            f"Give the dataset `targets`, one label an item, or leave the item out."
        ) from error


def _kind_and_root(examples: Examples) -> tuple[Kind, str | None]:
    """The kind of the data, and what their paths are relative to."""
    reader = examples.read
    if isinstance(reader, ImageReader):
        return "files", str(reader.root.absolute())
    return ("npz" if isinstance(reader, ArrayReader) else "dataset"), None


def _find_finished(out: Path, record: FoldRecord) -> FoldRecord | None:
    """The folds that are there already, if they are the same.

    Raises:
        ResultError: something else is there.
    """
    if not was_written(out, FILE):
        return None
    stored = load_fold_record(out)
    is_same = (stored.data, stored.root, stored.told_apart) == (
        record.data,
        record.root,
        record.told_apart,
    )
    if not is_same:
        raise ResultError(f"{out} holds other folds, or folds of other data. Give another --out.")
    missing = [name for name in stored.files if not (out / name).exists()]
    if missing:
        raise ResultError(
            f"{out} has lost {first_few(missing)}. Remove the folder, and run it again."
        )
    return stored


def _write_files(
    folder: Path, record: FoldRecord, examples: Examples, labels: Int[np.ndarray, "n"], quiet: bool
) -> Iterator[str]:
    """Write the files of each fold; their names, each when it is there."""
    arrays = npz.load_arrays(expanded(record.data), _ARRAYS) if record.kind == "npz" else {}
    with progress("writing folds", 2 * record.folds, quiet=quiet) as advance:
        for number in range(record.folds):
            (folder / f"fold-{number}").mkdir()
            for part in (TRAIN, HELD_OUT):
                rows = record.rows(number, part == HELD_OUT)
                name = f"fold-{number}/{part}.{'npz' if arrays else 'txt'}"
                if arrays:
                    _write_arrays(folder / name, arrays, examples, labels, rows)
                else:
                    lines = _list_lines(record.kind, examples, labels, rows)
                    write_text(folder / name, "".join(f"{line}\n" for line in lines))
                advance(1)
                yield name


def _list_lines(
    kind: Kind, examples: Examples, labels: Int[np.ndarray, "n"], rows: Int[np.ndarray, "m"]
) -> Iterator[str]:
    for row in rows.tolist():
        name = str(examples.ids[row])
        if kind == "files" and (name != name.strip() or len(name.splitlines()) > 1):
            raise DataError(f"no list can hold the name of the file {name!r}. Rename it.")
        # Of a dataset the ids are for people: as JSON no line break in one makes two of it.
        yield f"{name} {labels[row]}" if kind == "files" else json.dumps(name, ensure_ascii=False)


def _write_arrays(
    path: Path,
    arrays: dict[str, np.ndarray],
    examples: Examples,
    labels: Int[np.ndarray, "n"],
    rows: Int[np.ndarray, "m"],
) -> None:
    inputs = "images" if "images" in arrays else "inputs"
    ids = np.array([str(examples.ids[row]) for row in rows.tolist()])
    names = {"label_names": arrays["label_names"]} if "label_names" in arrays else {}
    part_arrays = {inputs: arrays[inputs][rows], "labels": labels[rows], "ids": ids, "rows": rows}
    write_whole(path, lambda unfinished: np.savez(unfinished, **part_arrays, **names))  # type: ignore[arg-type]
