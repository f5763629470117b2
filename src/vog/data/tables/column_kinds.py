"""What a column of a table holds: numbers, categories, texts, images, or paths to images."""

import json
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from vog.data.images import SUFFIXES
from vog.data.tables.table_rows import Rows

ColumnKind = Literal["number", "category", "text", "image", "path", "array", "other"]
# A column of texts beside numbers holds categories if a text comes back at least so often, on
# average, and if there are no more different texts than this.
_LEAST_REPEATS, _MOST_CATEGORIES = 2, 1000
_LOOKED_AT = 1000


def column_kind(rows: Rows, name: str) -> ColumnKind:
    """Return what a column holds, by its type and, for texts, by the first of its values."""
    kind = rows.schema.field(name).type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    if pa.types.is_boolean(kind) or pa.types.is_dictionary(kind):
        return "category"
    if _is_text(kind):
        return "path" if _are_image_paths(rows, name) else "text"
    if _is_binary(kind) or _is_stored_image(kind):
        return "image"
    return "array" if _is_array(kind) else "other"


def is_category(column: pa.ChunkedArray) -> bool:
    """Return whether texts beside numbers come back often enough to be categories."""
    different = len(column.drop_null().unique())
    return different <= _MOST_CATEGORIES and different * _LEAST_REPEATS <= len(column)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_stored_image(kind: pa.DataType) -> bool:
    """Return whether a type is how Hugging Face stores images: bytes, or a path, or both."""
    return pa.types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}


def _is_array(kind: Any) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _is_array(kind.storage_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = kind.value_type
        is_number = pa.types.is_integer(inner) or pa.types.is_floating(inner)
        return is_number or pa.types.is_boolean(inner) or _is_array(inner)
    return False


def _are_image_paths(rows: Rows, name: str) -> bool:
    """Return whether the first texts of a column all end as image files do."""
    first = [rows.row(index, (name,))[name] for index in range(min(_LOOKED_AT, len(rows)))]
    texts = [text for text in first if text]
    return bool(texts) and all(Path(text).suffix.lower() in SUFFIXES for text in texts)


def stored_class_names(rows: Rows, name: str) -> tuple[str, ...] | None:
    """Return the names of the classes of a column, where Hugging Face has stored them."""
    metadata = (rows.schema.metadata or {}).get(b"huggingface")
    try:
        features: Any = json.loads(metadata)["info"]["features"] if metadata else {}
        names = features[name]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    is_list = isinstance(names, list) and all(isinstance(entry, str) for entry in names)
    return tuple(names) if is_list and names else None
