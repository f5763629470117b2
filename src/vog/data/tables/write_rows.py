"""Some rows of a file of a table, written into a file of the same form."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
from jaxtyping import Int

from vog.data.protocol import Subset
from vog.data.tables.column_roles import find_roles
from vog.data.tables.table_labels import ids_of_column, labels_of
from vog.data.tables.table_rows import FileRows
from vog.errors import DataError, ResultError
from vog.files.writing import write_whole

_TEXTS = (".csv", ".tsv")


def write_rows(rows: FileRows, subset: Subset, out: Path) -> bool:
    """Write some rows of a table with all columns; labels that were changed are written as such.

    Returns: False, and writes nothing, if the table is not the one that was scored.

    Raises:
        ResultError: a label was changed to one that the table has no name for.
    """
    try:
        roles = find_roles(rows, subset.keys, subset.id)
        labels, names = labels_of(rows, roles.label)
        ids = ids_of_column(rows, roles.id)
    except DataError as error:
        raise ResultError(str(error)) from error
    scored = subset.scored_rows
    is_same = len(labels) > int(scored.max()) and np.array_equal(
        labels[scored], subset.scored_labels
    )
    if roles.id is not None and is_same:
        is_same = [ids[row] for row in scored.tolist()] == list(subset.scored_ids)
    if not is_same:
        return False
    changes: dict[int, str] = {}
    for row, label in zip(subset.rows.tolist(), subset.labels.tolist(), strict=True):
        if label != labels[row]:
            changes[row] = _label_text(rows, label, names)
    if rows.paths[0].suffix.lower() in _TEXTS:
        write_whole(out, lambda path: _write_texts(path, rows, subset.rows, roles.label, changes))
    else:
        write_whole(out, lambda path: _write_parts(path, rows, subset.rows, roles.label, changes))
    return True


def _label_text(rows: FileRows, label: int, names: Sequence[str] | None) -> str:
    if names is None:
        return str(label)
    if not 0 <= label < len(names):
        raise ResultError(
            f"a row is relabelled to class {label}, and {rows.name} names {len(names)} classes. "
            f"Correct the mark."
        )
    return names[label]


def _write_texts(
    out: Path,
    rows: FileRows,
    numbers: Int[np.ndarray, "kept"],
    label: str | None,
    changes: dict[int, str],
) -> None:
    """Write lines of texts as they are, with the names of the columns where there are any."""
    delimiter = "\t" if rows.paths[0].suffix.lower() == ".tsv" else ","
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        if rows.has_header:
            writer.writerow(rows.schema.names)
        wanted = set(numbers.tolist())
        for row, cells in enumerate(_cells(rows, delimiter)):
            if row in changes and label is not None:
                cells[rows.schema.names.index(label)] = changes[row]
            if row in wanted:
                writer.writerow(cells)


def _cells(rows: FileRows, delimiter: str) -> Iterator[list[str]]:
    for path in rows.paths:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = (cells for cells in csv.reader(file, delimiter=delimiter) if cells)
            if rows.has_header:
                next(lines, None)
            yield from lines


def _write_parts(
    out: Path,
    rows: FileRows,
    numbers: Int[np.ndarray, "kept"],
    label: str | None,
    changes: dict[int, str],
) -> None:
    """Write rows of Parquet or Arrow part by part, so that no whole file is in memory."""
    is_parquet = rows.paths[0].suffix.lower() == ".parquet"
    schema = rows.schema
    with (
        pyarrow.parquet.ParquetWriter(out, schema)
        if is_parquet
        else pa.ipc.new_file(str(out), schema)
    ) as writer:
        for start, part in rows.parts():
            inside = np.sort(numbers[(numbers >= start) & (numbers < start + part.num_rows)])
            if len(inside):
                writer.write_table(_relabelled(part.take(inside - start), inside, label, changes))


def _relabelled(
    part: pa.Table, numbers: Int[np.ndarray, "m"], label: str | None, changes: dict[int, str]
) -> pa.Table:
    """Return rows with the labels that were changed."""
    if label is None or not any(row in changes for row in numbers.tolist()):
        return part
    column = part.schema.field(label)
    is_dictionary = pa.types.is_dictionary(column.type)
    values = [
        _value(changes[row], column.type) if row in changes else value
        for row, value in zip(numbers.tolist(), part[label].to_pylist(), strict=True)
    ]
    plain = pa.array(values, column.type.value_type if is_dictionary else column.type)
    array = plain.dictionary_encode().cast(column.type) if is_dictionary else plain
    return part.set_column(part.schema.names.index(label), column, array)


def _value(text: str, kind: pa.DataType) -> object:
    """Return a label as a column holds it."""
    if pa.types.is_boolean(kind):
        return text == "True"
    return int(text) if pa.types.is_integer(kind) else text
