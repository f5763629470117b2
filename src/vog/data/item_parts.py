"""The input and the label of an item that a dataset returns."""

from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from vog.errors import DataError, first_few
from vog.item_keys import ANY_KEYS, INPUT_KEYS, LABEL_KEYS, ItemKeys
from vog.wording import option


def input_and_label(index: int, item: Any, keys: ItemKeys = ANY_KEYS) -> tuple[Any, Any]:
    """Return the input and the label of an item; the label is None if there is none.

    Raises:
        DataError: it is unknown which part of the item is the input, or a named key is not there.
    """
    if isinstance(item, Mapping):
        return _of_mapping(index, item, keys)
    if keys.are_given:
        setting = "input" if keys.inputs is not None else "label"
        raise DataError(
            f"{option(setting)} names keys, and item {index} of the dataset is of type "
            f"{type(item).__name__}, which has none. Leave {option(setting)} out."
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


def _of_mapping(index: int, item: Mapping[Any, Any], keys: ItemKeys) -> tuple[Any, Any]:
    input_keys, label_key = keys.input_keys(item), keys.label_key(item)
    for setting, key in (*(("input", key) for key in input_keys), ("label", label_key)):
        if key is not None and key not in item:
            raise DataError(
                f"{option(setting, key)}: item {index} of the dataset has no such key. It has "
                f"{first_few([repr(key) for key in item], 12)}; name one of these."
            )
    if input_keys:
        label = None if label_key is None else item[label_key]
        return keys.input_of(item, input_keys), label
    raise DataError(
        f"item {index} of the dataset has the keys {first_few([repr(key) for key in item])}; "
        f"expected an input under {first_few(INPUT_KEYS)} or a name that the model takes, and a "
        f"label under {first_few(LABEL_KEYS)}. Name the keys with {option('input')} and "
        f"{option('label')}, or return (input, label)."
    )


def ignored_parts_note(item: Any, keys: ItemKeys = ANY_KEYS) -> str:
    """Return a sentence about the parts of an item that are not read; empty if there are none."""
    if isinstance(item, Mapping):
        label_key = keys.label_key(item)
        used_keys = [*keys.input_keys(item), *([] if label_key is None else [label_key])]
        ignored = [repr(key) for key in item if key not in used_keys]
        if not ignored:
            return ""
        subject = " and ".join(map(repr, used_keys)) + (" are" if len(used_keys) > 1 else " is")
        return f"of each item {subject} read, not {first_few(ignored)}"
    if isinstance(item, tuple | list) and len(item) > 2:
        return f"items have {len(item)} parts; the first two are read, as input and label"
    return ""
