"""Which parts of an item that is a mapping are its input and its label."""

from typing import Any

import pytest

from vog.data.item_parts import ignored_parts_note, input_and_label
from vog.errors import DataError
from vog.item_keys import ItemKeys

BERT = ("input_ids", "attention_mask", "token_type_ids", "labels")
ITEM = {"idx": 7, "input_ids": [1], "attention_mask": [1], "labels": 2, "text": "a"}


@pytest.mark.parametrize(
    ("keys", "item", "expected"),
    [
        (ItemKeys(arguments=BERT), ITEM, ({"input_ids": [1], "attention_mask": [1]}, 2)),
        (ItemKeys(arguments=BERT), {"input_ids": [1], "label": 0}, ([1], 0)),
        (ItemKeys(), {"text": "a", "label": 0}, ("a", 0)),
        (ItemKeys(arguments=("x",)), {"x": 1.5}, (1.5, None)),
        (ItemKeys(arguments=("y", "x")), {"x": 1.5}, ({"x": 1.5}, None)),
        (ItemKeys(arguments=("pixel_values", "labels")), {"image": 1, "labels": 3}, (1, 3)),
        (ItemKeys(("text",)), ITEM, ("a", 2)),
        (ItemKeys(("idx", "text"), "input_ids"), ITEM, ({"idx": 7, "text": "a"}, [1])),
        (ItemKeys(label="idx", arguments=("idx", "text", "x")), ITEM, ([1], 7)),
    ],
)
def test_the_parts_of_an_item(keys: ItemKeys, item: dict[str, Any], expected: Any) -> None:
    assert input_and_label(0, item, keys) == expected


def test_what_is_not_read_is_named() -> None:
    note = ignored_parts_note(ITEM, ItemKeys(arguments=BERT))
    assert note == (
        "of each item 'input_ids' and 'attention_mask' and 'labels' are read, not 'idx', 'text'"
    )


@pytest.mark.parametrize(
    ("keys", "item", "message"),
    [
        (ItemKeys(("words",)), ITEM, "input='words': item 3 of the dataset has no such key. It h"),
        (ItemKeys(label="star"), ITEM, "label='star': item 3 of the dataset has no such key"),
        (ItemKeys(), {"a": 1, "b": 2}, "has the keys 'a', 'b'; expected an input under pixel_val"),
        (ItemKeys(("a",)), (1, 2), "input names keys, and item 3 of the dataset is of type tuple"),
        (ItemKeys(label="a"), (1, 2), "label names keys, and item 3 of the dataset is of type"),
    ],
)
def test_keys_that_are_not_there_are_refused(keys: ItemKeys, item: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        input_and_label(3, item, keys)
