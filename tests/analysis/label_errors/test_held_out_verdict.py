"""Which labels of held-out rows are named: counts by hand, and classes that are not learned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.analysis.label_errors.held_out_verdict import (
    _at_least,
    _count_suspects,
    _learned_by_prediction_count,
)


def test_the_count_by_hand() -> None:
    """Two standard errors, 2 sqrt(right + 1), count as right too.

    Of 37 at 0.975, 0.925 + 2.775 are 3.7; of 36, 0.9 + 2.757 are more than 3.6. With 30 at 0.5
    after them, of 54, 9.425 + 6.458 are at most 16.2; of 55, 9.925 + 6.611 are more than 16.5.
    """
    assert _count_suspects(np.full(36, 0.975), 0.1)[0] == 0
    assert _count_suspects(np.full(37, 0.975), 0.1) == (37, pytest.approx(0.925 + 2.775, abs=1e-3))
    mixed = np.concatenate([np.full(37, 0.975), np.full(30, 0.5)])
    assert _count_suspects(mixed, 0.3) == (54, pytest.approx(9.425 + 6.458, abs=1e-3))


def test_a_few_are_named_only_where_they_are_surely_wrong() -> None:
    """Of none right, the standard error is that of one: 2 of 20."""
    assert _count_suspects(np.ones(19), 0.1)[0] == 0
    assert _count_suspects(np.ones(20), 0.1)[0] == 20


@given(st.lists(st.floats(0, 1), max_size=60), st.floats(0.01, 0.9))
def test_laws_of_the_count(found: list[float], fdr: float) -> None:
    count, right = _count_suspects(np.array(found), fdr)
    assert 0 <= count <= len(found)
    assert count == 0 or right <= fdr * count


def test_a_class_that_no_model_names_is_not_judged() -> None:
    """Of class 2 four rows carry the label: named once it is not learned, named twice it is."""
    labels = np.array([0] * 4 + [1] * 4 + [2] * 4)
    said = np.array([0, 0, 0, 2, 1, 1, 1, 1, 0, 0, 0, 1])
    known = np.ones(12, bool)
    judged, unlearned = _learned_by_prediction_count(np.eye(3)[said], labels, known)
    assert unlearned == (2,)
    assert judged.tolist() == [True] * 8 + [False] * 4
    said[8] = 2
    judged, unlearned = _learned_by_prediction_count(np.eye(3)[said], labels, known)
    assert (unlearned, judged.all()) == ((), True)
    known[8] = False
    assert _learned_by_prediction_count(np.eye(3)[said], labels, known)[0][8] == False  # noqa: E712
    absent = np.where(labels == 2, 0, labels)
    assert _learned_by_prediction_count(np.eye(3)[np.minimum(said, 1)], absent, known)[1] == (), (
        "it has no rows"
    )


def test_how_many_are_wrong_by_hand() -> None:
    """Two standard errors, 2 sqrt(25), are taken off; of one, 2 are more than there is."""
    assert _at_least(25.0) == 15
    assert _at_least(1.0) == 0
