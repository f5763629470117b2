"""Labels of any kind as one tensor a batch, and what is missing or refused."""

from typing import Any

import numpy as np
import pytest
import torch

from vog.data.labels import (
    are_missing,
    as_classes,
    as_label,
    column_of,
    label_text,
    stack_labels,
    with_whole_classes,
)
from vog.errors import DataError

IDS = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (None, -1),
        (3, 3),
        (np.uint8(3), 3),
        (True, 1),
        (torch.tensor([4]), 4),
        (0.5, 0.5),
        (torch.tensor(-1.0), -1.0),
        ([0, 1], [0, 1]),
        (torch.tensor([0.5, 1.0], dtype=torch.bfloat16), [0.5, 1.0]),
        (np.zeros((2, 2), np.uint8), [[0, 0], [0, 0]]),
    ],
)
def test_what_readers_return(label: Any, expected: Any) -> None:
    value = as_label(0, label)
    assert np.asarray(value).tolist() == expected
    assert isinstance(value, np.ndarray) == isinstance(expected, list)


@pytest.mark.parametrize("label", ["cat", 2**70, [[1], [1, 2]], object(), 1 + 1j])
def test_what_is_no_label(label: Any) -> None:
    with pytest.raises(DataError, match="item 7 of the dataset has the label .*; expected a whole"):
        as_label(7, label)


@pytest.mark.parametrize("label", [{"boxes": 1}, [{"boxes": 1}]])
def test_detection_is_refused(label: Any) -> None:
    with pytest.raises(DataError, match="Detection is not supported"):
        as_label(0, label)


def test_batches_of_numbers() -> None:
    assert stack_labels(IDS, [2, None, -1]).tolist() == [2, -1, -1]
    amounts = stack_labels(IDS, [-1.0, None, 2])
    assert amounts.tolist()[::2] == [-1, 2]
    assert are_missing(amounts.numpy()).tolist() == [False, True, False]


def test_batches_of_arrays_are_padded() -> None:
    batch = stack_labels(IDS, [np.array([1, 2, 3]), np.array([4]), None])
    assert batch.tolist() == [[1, 2, 3], [4, -100, -100], [-100, -100, -100]]
    assert are_missing(batch.numpy()).tolist() == [False, False, True]
    pixels = stack_labels(IDS[:2], [np.zeros((2, 1), int), np.zeros((1, 3), int)])
    assert pixels.shape == (2, 2, 3)
    assert (pixels >= 0).sum(dim=(1, 2)).tolist() == [2, 3]


def test_vectors_of_floats_have_one_length() -> None:
    assert stack_labels(IDS[:2], [np.array([0.5, 1]), None])[0].tolist() == [0.5, 1]
    with pytest.raises(DataError, match=r"that of 'b' has \(1,\), that of 'a' \(2,\)"):
        stack_labels(IDS[:2], [np.array([0.5, 1]), np.array([0.5])])


def test_labels_of_different_kinds_are_refused() -> None:
    with pytest.raises(DataError, match="labels differ in kind: that of 'a' has shape"):
        stack_labels(IDS[:2], [1, np.array([1, 2])])


def test_floats_that_are_classes() -> None:
    whole = with_whole_classes(torch.tensor([2.0, torch.nan]), are_classes=True)
    assert whole.tolist() == [2, -1]
    assert whole.dtype == torch.int64
    for numbers in ([0.5, 1.0], [torch.inf, 1.0]):
        floats = torch.tensor(numbers)
        assert with_whole_classes(floats, are_classes=True) is floats
    assert with_whole_classes(torch.tensor([2.0]), are_classes=False).dtype == torch.float32


def test_columns_of_datasets() -> None:
    assert column_of([[1], [2]], 2).tolist() == [1, 2]  # type: ignore[union-attr]
    assert column_of([[0, 1], [1, 1]], 2).shape == (2, 2)  # type: ignore[union-attr]
    assert column_of([0.5, 1], 2).dtype == np.float64  # type: ignore[union-attr]
    for labels, count in (([1, 2], 3), (["a", "b"], 2), (None, 2), ([[1], [1, 2]], 2)):
        assert column_of(labels, count) is None


def test_where_classes_are_needed() -> None:
    assert as_classes([1.0, 0.0], "planting").tolist() == [1, 0]
    for labels, kind in (([0.5], "amounts"), ([[1, 0]], "arrays"), ([[1], [1, 2]], "arrays")):
        with pytest.raises(DataError, match=f"planting exists for .* and labels are {kind}"):
            as_classes(labels, "planting")


def test_labels_in_messages() -> None:
    assert label_text(np.int64(-1)) == "no label (-1)"
    assert label_text(np.float64(0.5)) == "0.5"
    assert label_text(np.array([-100, -100])) == "no label"
    assert label_text(np.array([0, 2])) == "[0, 2] of shape (2,)"
