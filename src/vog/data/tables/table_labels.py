"""Labels and ids of the rows of a table."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from vog.data.examples import UNLABELLED, RowNumbers
from vog.data.tables.column_kinds import stored_class_names
from vog.data.tables.table_rows import Rows
from vog.errors import DataError, first_few
from vog.files.file_names import printable
from vog.wording import option

Labels = Int[np.ndarray, "n"]


def labels_of(rows: Rows, name: str | None) -> tuple[Labels, tuple[str, ...] | None]:
    """Return the label of each row, -1 if it has none, and the names of the classes.

    Whole numbers are taken as they are. Texts and categories are numbered in sorted order.

    Raises:
        DataError: the column holds neither.
    """
    if name is None:
        return np.full(len(rows), UNLABELLED), None
    column = rows.columns([name])[name].combine_chunks()
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pc.cast(column, kind.value_type)
        kind = column.type
    if pa.types.is_boolean(kind):
        return _whole(pc.cast(column, pa.int64())), ("False", "True")
    if pa.types.is_integer(kind):
        return _whole(pc.cast(column, pa.int64())), stored_class_names(rows, name)
    if pa.types.is_floating(kind):
        return _whole_floats(rows, name, column), None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return _numbered(column)
    raise DataError(
        f"column {name!r} of {rows.name} is of type {kind}; expected labels: whole numbers, texts "
        f"or categories. Name another column as {option('label')}."
    )


def _whole(column: pa.Array) -> Labels:
    return pc.fill_null(column, UNLABELLED).to_numpy(zero_copy_only=False).astype(np.int64)


def _whole_floats(rows: Rows, name: str, column: pa.Array) -> Labels:
    """Return whole numbers stored as floats, which pandas does where some are missing."""
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    fractions = values[~np.isnan(values) & ((values != np.round(values)) | (abs(values) >= 2**53))]
    if len(fractions):
        raise DataError(
            f"column {name!r} of {rows.name} has labels such as {fractions[0]:g}; expected whole "
            f"numbers, texts or categories. Name another column as {option('label')}."
        )
    return np.where(np.isnan(values), UNLABELLED, values).astype(np.int64)


def _numbered(column: pa.Array) -> tuple[Labels, tuple[str, ...]]:
    texts = [None if text is None or not text.strip() else text for text in column.to_pylist()]
    names = sorted({text for text in texts if text is not None})
    number = {name: label for label, name in enumerate(names)}
    labels = [UNLABELLED if text is None else number[text] for text in texts]
    return np.array(labels, np.int64), tuple(printable(name) for name in names)


def ids_of_column(rows: Rows, name: str | None) -> Sequence[str]:
    """Return the id of each row, by default its number.

    Raises:
        DataError: an id is missing, or is there twice.
    """
    if name is None:
        return RowNumbers(len(rows))
    values = rows.columns([name])[name].to_pylist()
    ids = [printable(str(value)) for value in values]
    missing = [str(row) for row, value in enumerate(values) if value is None or str(value) == ""]
    if missing:
        raise DataError(
            f"column {name!r} of {rows.name} has no value in the rows {first_few(missing)}; "
            f"expected an id for each row. Name another column as {option('id')}, or none."
        )
    if len(set(ids)) < len(ids):
        counts = Counter(ids)
        repeated = [text for text, count in counts.items() if count > 1]
        raise DataError(
            f"column {name!r} of {rows.name} has the same value in several rows: "
            f"{first_few(repeated)}. Expected an id for each row; name another column as "
            f"{option('id')}, or none."
        )
    return ids
