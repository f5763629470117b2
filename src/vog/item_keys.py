"""The keys under which an item that is a mapping holds its input and its label."""

from collections.abc import Iterable, Mapping
from typing import Any

# If an item has several of these keys, the first is used.
INPUT_KEYS = ("pixel_values", "image", "inputs", "input_ids", "text")
LABEL_KEYS = ("label", "labels")


def key_of(item: Mapping[Any, Any], keys: Iterable[str]) -> str | None:
    """Return the first of `keys` that an item has; None if it has none of them."""
    return next((key for key in keys if key in item), None)
