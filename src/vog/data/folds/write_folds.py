"""Writing of folds: lists or `.npz` files of the rows to train on and to score."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from vog.data import UNLABELLED
from vog.data.examples import Examples, UnreadableError, digest_of
from vog.data.folds.fold_record import FILE, HELD_OUT, TRAIN, FoldRecord, Kind, load_fold_record
from vog.data.kinds import source_of
from vog.data.labels import as_classes
from vog.data.sources import absolute_spec
from vog.data.stored_inputs import open_as_stored
from vog.errors import DataError, ResultError, first_few
from vog.files import npz
from vog.files.checksum import sha256_of
from vog.files.file_names import expanded
from vog.files.output_paths import output_path
from vog.files.whole_folder import was_written, whole_folder
from vog.files.writing import write_text, write_whole
from vog.progress import progress
from vog.wording import option

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
    """Write the rows to train on and the rows to score for each of several folds.

    Every example is held out by exactly one fold. Within each class the folds hold out equally
    many examples, or one more. The same seed gives the same folds.

    Args:
        data: an image folder, a list file, an `.npz`, or `file.py:function` that returns a dataset.
        out: the folder to make; it appears whole or not at all.
        folds: the number of folds, at least 2.
        root: for a list file, the folder that its paths are relative to.
        seed: the seed of the random draw, a whole number from 0 on.
        quiet: show no progress.

    Returns: the record. If `out` holds the same folds already, it is their record.

    Raises:
        DataError: the data have no labels, or fewer examples than folds.
        ResultError: `out` holds different files, or cannot be written.
    """
    if not isinstance(data, str | Path):
        raise DataError(
            f"the data are of type {type(data).__name__}, which cannot be opened again later. Give "
            f"a folder, a list file, an .npz, or file.py:function that returns a Dataset."
        )
    out = output_path(out)
    # Inputs may have any type: whole numbers of an .npz are scaled by a transform later.
    examples = open_as_stored(data, None if root is None else Path(root))
    if examples.fold is not None:
        raise DataError(f"{option('data')} {data} is itself a fold. Give the data it is made from.")
    labels = _read_labels(examples, quiet)
    _check_arguments(labels, folds, seed)
    class_numbers, counts = np.unique(labels, return_counts=True)
    kind, data_root = _kind_and_root(data, examples)
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
        single_example_classes=tuple(class_numbers[counts == 1].tolist()),
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
    """Return for each row the fold that holds it out, balanced in each class and overall.

    Args:
        labels: the label of each row.
        folds: the number of folds, at least 2.
        seed: the seed of the random draw.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    held_out_by = np.empty(len(labels), np.int64)
    held_out_by[by_class] = np.arange(len(labels)) % folds
    return held_out_by


def _check_arguments(labels: Int[np.ndarray, "n"], folds: int, seed: int) -> None:
    if seed < 0:
        raise DataError(f"{option('seed', seed)}: expected a whole number from 0 on.")
    if not 2 <= folds <= len(labels):
        raise DataError(
            f"{option('folds', folds)}: expected 2 to {len(labels):,}, the number of examples."
        )


def _read_labels(examples: Examples, quiet: bool) -> Int[np.ndarray, "n"]:
    """Return the label of each example.

    Raises:
        DataError: an example has no label.
    """
    labels = examples.labels
    if labels is None:
        with progress("reading labels", len(examples), quiet=quiet) as advance:
            labels = [_read_label(examples, row, advance) for row in range(len(examples))]
    labels = as_classes(labels, "a division into folds, which is within classes,")
    unlabelled = np.flatnonzero(labels == UNLABELLED)
    if len(unlabelled):
        first_ids = [str(examples.ids[row]) for row in unlabelled[:5].tolist()]
        raise DataError(
            f"{len(unlabelled):,} of {len(examples):,} examples have no label: "
            f"{first_few(first_ids)}. Folds are drawn within classes. Give every example a label."
        )
    return labels


def _read_label(examples: Examples, row: int, advance: Any) -> Any:
    advance(1)
    try:
        return examples.read(row)[1]
    except UnreadableError as error:
        raise DataError(
            f"example {examples.ids[row]!r} cannot be read, so its label is unknown: {error}. "
            f"Give the dataset `targets`, one label an item, or leave the item out."
        ) from error


def _kind_and_root(data: str | Path, examples: Examples) -> tuple[Kind, str | None]:
    """Return the kind of the data, and the folder that their paths are relative to."""
    if examples.files is not None:
        return "files", str(examples.files.root.absolute())
    return ("npz" if source_of(data).form == "arrays" else "dataset"), None


def _find_finished(out: Path, record: FoldRecord) -> FoldRecord | None:
    """Return the record that `out` holds already if its folds are the same; None if it is empty.

    Raises:
        ResultError: `out` holds different folds or files, or lacks some.
    """
    if not was_written(out, FILE):
        return None
    stored = load_fold_record(out)
    is_same = (stored.data, stored.root, stored.folds_digest) == (
        record.data,
        record.root,
        record.folds_digest,
    )
    if not is_same:
        raise ResultError(f"{out} holds different folds or data. Give another {option('out')}.")
    missing = [name for name in stored.files if not (out / name).exists()]
    if missing:
        raise ResultError(f"{out} lacks {first_few(missing)}. Remove the folder and make it again.")
    return stored


def _write_files(
    folder: Path, record: FoldRecord, examples: Examples, labels: Int[np.ndarray, "n"], quiet: bool
) -> Iterator[str]:
    """Write the files of each fold; yield the name of each once it is written."""
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
            raise DataError(f"a list cannot hold the file name {name!r}. Rename the file.")
        # Ids of a dataset are for people. JSON keeps an id with a line break on one line.
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
