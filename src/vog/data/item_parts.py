"""The input and the label of an item that a dataset returns."""

from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from vog.errors import DataError, first_few
from vog.item_keys import INPUT_KEYS, LABEL_KEYS, key_of


def input_and_label(index: int, item: Any) -> tuple[Any, Any]:
    """Return the input and the label of an item; the label is None if there is none.

    Raises:
        DataError: it is unknown which part of the item is the input.
    """
    if isinstance(item, Mapping):
        input_key = key_of(item, INPUT_KEYS)
        if input_key is not None:
            label = key_of(item, LABEL_KEYS)
            return item[input_key], None if label is None else item[label]
        raise DataError(
            f"item {index} of the dataset has the keys {first_few([repr(key) for key in item])}; "
            f"expected an input under {first_few(INPUT_KEYS)}, and a label under "
            f"{first_few(LABEL_KEYS)}. Or return (input, label)."
        )
    if isinstance(item, tuple | list) and len(item) > 0:
        if len(item) > 2 and isinstance(item[0], Number):
            raise DataError(
                f"item {index} of the dataset has {len(item)} parts and begins with the number "
                f"{item[0]!r}; expected (input, label, ...). Return the input first."
            )
        return item[0], item[1] if len(item) > 1 else None
    if isinstance(item, np.ndarray | Tensor | Image.Image):
        return item, None
    raise DataError(
        f"item {index} of the dataset is of type {type(item).__name__}; expected (input, label)."
    )


def ignored_parts_note(item: Any) -> str:
    """Return a sentence about the parts of an item that are not read; empty if there are none."""
    if isinstance(item, Mapping):
        used_keys = [key for keys in (INPUT_KEYS, LABEL_KEYS) if (key := key_of(item, keys))]
        ignored = [repr(key) for key in item if key not in used_keys]
        if not ignored:
            return ""
        subject = " and ".join(map(repr, used_keys)) + (" are" if len(used_keys) > 1 else " is")
        return f"of each item {subject} read, not {first_few(ignored)}"
    if isinstance(item, tuple | list) and len(item) > 2:
        return f"items have {len(item)} parts; the first two are read, as input and label"
    return ""
