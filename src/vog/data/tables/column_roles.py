"""Which columns of a table are the input, the label and the id."""

from collections.abc import Sequence
from dataclasses import dataclass

from vog.data.tables.column_kinds import ColumnKind, column_kind
from vog.data.tables.table_rows import Rows
from vog.errors import DataError, first_few
from vog.item_keys import ItemKeys
from vog.wording import option

LABEL_COLUMNS = ("label", "labels", "target", "class", "y")
_WHOLE_INPUTS = ("image", "text", "array", "path")


@dataclass(frozen=True)
class Roles:
    """The columns of a table by their purpose.

    Attributes:
        inputs: the columns of the input, with what each holds.
        label: the column of the label; None if there is none.
        id: the column of ids; None for row numbers.
        unused: the columns that are not read.
    """

    inputs: dict[str, ColumnKind]
    label: str | None
    id: str | None
    unused: tuple[str, ...]


def find_roles(rows: Rows, keys: ItemKeys, id_column: str | None) -> Roles:
    """Return the purpose of each column.

    Raises:
        DataError: a named column is not there, or it is unknown which one is the label.
    """
    columns = rows.schema.names
    for setting, name in _named(keys, id_column):
        if name not in columns:
            raise DataError(
                f"{option(setting, name)}: {rows.name} has no such column. It has "
                f"{_listed(columns)}; name one of these."
            )
    label = keys.label or _label_column(rows, id_column)
    rest = [name for name in columns if name not in (label, id_column) and not _is_index(name)]
    inputs: dict[str, ColumnKind] = {name: column_kind(rows, name) for name in keys.inputs or rest}
    if keys.inputs is None:
        inputs = _default_inputs(inputs, keys)
    if not inputs:
        raise DataError(
            f"{rows.name} has no column beside those of label and id. It has {_listed(columns)}; "
            f"expected inputs too."
        )
    _refuse_other(rows, inputs)
    used = (*inputs, label, id_column)
    return Roles(inputs, label, id_column, tuple(name for name in columns if name not in used))


def _is_index(name: str) -> bool:
    """Return whether pandas wrote a column of row names that have no name themselves."""
    return name.startswith("__index_level_")


def _named(keys: ItemKeys, id_column: str | None) -> list[tuple[str, str]]:
    named = [("label", keys.label), ("id", id_column)]
    pairs = [("input", name) for name in keys.inputs or ()]
    return [*pairs, *((setting, name) for setting, name in named if name is not None)]


def _label_column(rows: Rows, id_column: str | None) -> str | None:
    """Return the only column with a known name of labels; None if there is only an input."""
    columns = rows.schema.names
    candidates = [name for name in LABEL_COLUMNS if name in columns]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates and len(columns) - (id_column is not None) == 1:
        return None  # the input alone
    problem = (
        f"several columns that may hold the label: {', '.join(candidates)}"
        if candidates
        else f"no column named {', '.join(LABEL_COLUMNS[:-1])} or {LABEL_COLUMNS[-1]}"
    )
    raise DataError(
        f"{rows.name} has {problem}. It has {_listed(columns)}; name the column of the label as "
        f"{option('label')}."
    )


def _default_inputs(columns: dict[str, ColumnKind], keys: ItemKeys) -> dict[str, ColumnKind]:
    """Return the columns that a model takes by name, or one of a known name, or else all."""
    names = keys.input_keys(columns)
    if len(names) > 1 or (names and columns[names[0]] in _WHOLE_INPUTS):
        return {name: columns[name] for name in names}
    pictures = [name for name, kind in columns.items() if kind in ("image", "path")]
    return {pictures[0]: columns[pictures[0]]} if len(pictures) == 1 else columns


def _refuse_other(rows: Rows, inputs: dict[str, ColumnKind]) -> None:
    """Raise DataError if a column can be no input, or columns cannot be an input together."""
    advice = f"Name the columns of the input as {option('input')}, with commas between them."
    for name, kind in inputs.items():
        if kind == "other":
            raise DataError(
                f"column {name!r} of {rows.name} is of type {rows.schema.field(name).type}; "
                f"expected numbers, texts, categories, images or lists of numbers. {advice}"
            )
    kinds = set(inputs.values())
    if len(inputs) > 1 and kinds & {"image", "path"}:
        raise DataError(
            f"{rows.name} has the columns {first_few(list(inputs), 12)} beside the label, and some "
            f"of them hold images; expected one input. {advice}"
        )


def _listed(columns: Sequence[str]) -> str:
    return f"the columns {first_few(list(columns), 20)}"
