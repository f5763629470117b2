"""Examples from the rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vog.data import images
from vog.data.arrays import ArrayReader
from vog.data.examples import Examples, RowNumbers, UnreadableError, digest_of
from vog.data.images import Transform
from vog.data.protocol import OpenOptions
from vog.data.tables.column_roles import Roles, find_roles
from vog.data.tables.row_inputs import RowInputs, plan_inputs
from vog.data.tables.table_labels import Labels, ids_of_column, labels_of
from vog.data.tables.table_rows import Rows
from vog.data.transforms import image_transform, value_transform
from vog.errors import DataError, first_few
from vog.wording import option

# A table of numbers is held in memory up to so many bytes; a larger one is read row by row.
_MOST_IN_MEMORY = 2**31
_SHOWN_NAMES = 12


@dataclass(frozen=True)
class TableReader:
    """Reads an example from a row of a table."""

    rows: Rows
    inputs: RowInputs
    labels: Labels
    transform: Transform | None

    @property
    def in_memory(self) -> bool:
        """Return whether a row needs little computation."""
        return self.transform is None and not self.inputs.holds & {"image", "path"}

    def stored(self, index: int) -> Any:
        """Return the input of a row without a transform.

        Raises:
            UnreadableError: a value is missing, or its image cannot be decoded.
        """
        return self.inputs.of_row(self.rows.row(index, tuple(self.inputs.columns)))

    def __call__(self, index: int) -> tuple[Any, int]:
        """Return the input of a row, transformed, and its label.

        Raises:
            UnreadableError: as for `stored`.
        """
        value = self.stored(index)
        if self.transform is None:
            return value, self.labels[index].item()
        if self.transform not in (images.imagenet, images.tf1, images.unchanged):
            return self.transform(value), self.labels[index].item()
        try:
            return self.transform(value), self.labels[index].item()
        except ValueError as error:
            raise UnreadableError(str(error)) from error


def from_table(rows: Rows, options: OpenOptions) -> Examples:
    """Return the rows of a table as examples.

    Raises:
        DataError: it is unknown which column is what, a column cannot be used, or there is no row.
    """
    if not len(rows):
        raise DataError(f"{rows.name} has no rows. Expected one row an example.")
    roles = find_roles(rows, options.keys, options.id)
    inputs = plan_inputs(rows, roles.inputs)
    labels, names = labels_of(rows, roles.label)
    ids = ids_of_column(rows, roles.id)
    if inputs.holds == {"path"}:
        examples = _of_image_files(rows, roles, options, labels, names)
        if examples is not None:
            return examples
    transform = _transform(rows, inputs, options)
    array = _numbers_in_memory(rows, inputs)
    reader = (
        TableReader(rows, inputs, labels, transform)
        if array is None
        else ArrayReader(array, labels, transform)
    )
    content = rows.stamps or ([array] if array is not None else _contents(rows, inputs))
    named_ids = [] if isinstance(ids, RowNumbers) else ids
    digest = digest_of(len(rows), *inputs.columns, *content, labels, *named_ids)
    notes = tuple(_notes(roles, inputs, names))
    return Examples(ids, reader, digest, labels, names, notes=notes)


def _of_image_files(
    rows: Rows,
    roles: Roles,
    options: OpenOptions,
    labels: Labels,
    names: tuple[str, ...] | None,
) -> Examples | None:
    """Return examples of image files, as of a list file; None if a file is named twice."""
    column = next(iter(roles.inputs))
    paths: Sequence[str | None] = rows.columns([column])[column].to_pylist()
    texts = [path for path in paths if path]
    if len(set(texts)) < len(paths):
        return None
    transform = image_transform(options.transform)
    examples = images.examples(rows.folder, texts, labels, transform, names)
    ids = examples.ids if roles.id is None else ids_of_column(rows, roles.id)
    digest = digest_of(examples.digest, *([] if roles.id is None else ids))
    notes = (*examples.notes, *_notes(roles, RowInputs(roles.inputs), names))
    return replace(examples, ids=ids, digest=digest, notes=notes)


def _transform(rows: Rows, inputs: RowInputs, options: OpenOptions) -> Transform | None:
    """Return the transform; raise DataError if a text has none."""
    if inputs.holds & {"image", "path"}:
        return image_transform(options.transform)
    transform = value_transform(options.transform)
    if transform is None and "text" in inputs.holds:
        column = next(name for name, kind in inputs.columns.items() if kind == "text")
        raise DataError(
            f"column {column!r} of {rows.name} holds texts, and a model takes tokens. Give the "
            f"tokenizer as {option('transform')}: hf:FOLDER, or file.py:function from a text to "
            f"{{'input_ids': ..., 'attention_mask': ...}}."
        )
    return transform


def _numbers_in_memory(rows: Rows, inputs: RowInputs) -> np.ndarray | None:
    """Return a table of numbers as an array; None for others, and where a value is missing."""
    columns = list(inputs.columns)
    if not inputs.are_numbers or 4 * len(rows) * len(columns) > _MOST_IN_MEMORY:
        return None
    table = rows.columns(columns)
    array = np.empty((len(rows), len(columns)), np.float32)
    for position, name in enumerate(columns):
        if table[name].null_count:
            return None
        array[:, position] = table[name].to_numpy()
    return None if np.isnan(array).any() else array


def _contents(rows: Rows, inputs: RowInputs) -> list[str]:
    """Return the contents of a table in memory, for a digest; without a pass over images."""
    if inputs.holds & {"image", "text", "array"}:
        sample = np.unique(np.linspace(0, len(rows) - 1, 64).astype(int)).tolist()
        return [str(rows.row(row, tuple(inputs.columns))) for row in sample]
    table = rows.columns(list(inputs.columns))
    return [digest_of(*column.to_pylist()) for column in table.columns]


def _notes(roles: Roles, inputs: RowInputs, names: tuple[str, ...] | None) -> list[str]:
    """Return sentences about what was taken for what."""
    columns = first_few(list(inputs.columns), _SHOWN_NAMES)
    notes = [f"input from the column{'s' if len(inputs.columns) > 1 else ''} {columns}"]
    if roles.label is not None:
        order = "" if names is None else f" of the classes {first_few(names, _SHOWN_NAMES)}"
        notes.append(f"labels from the column {roles.label}{order}")
    if inputs.codes:
        codes = [f"{name} ({len(values)} values)" for name, values in inputs.codes.items()]
        notes.append(f"categories, numbered in sorted order: {first_few(codes, _SHOWN_NAMES)}")
    if roles.unused:
        notes.append(f"columns that are not read: {first_few(list(roles.unused), _SHOWN_NAMES)}")
    return notes
