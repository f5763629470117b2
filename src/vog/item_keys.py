"""Which parts of an item that is a mapping are the input and the label, for reading and showing."""

from collections.abc import Iterable, Mapping
from typing import Any

# Of several the first is taken.
INPUT_KEYS = ("pixel_values", "image", "inputs")
LABEL_KEYS = ("label", "labels")


def key_of(item: Mapping[Any, Any], keys: Iterable[str]) -> str | None:
    """Return the first of some keys that an item has."""
    return next((key for key in keys if key in item), None)
