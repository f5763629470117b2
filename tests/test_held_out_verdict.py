"""Which labels of held-out rows are named: counts by hand, and classes that are not learned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.analysis.held_out_verdict import _count, _learned_classes


def test_the_count_by_hand() -> None:
    """Right ones are expected 0.5 of 20, 1 of 21, 1.5 of 22, and so on; errors are sqrt(1 + them).

    Of 20, 0.5 + 1.22 are at most 2; of 21, 1 + 1.41 are more than 2.1.
    """
    probability = np.concatenate([np.full(20, 0.975), np.full(30, 0.5)])
    assert _count(probability, 0.1) == (20, pytest.approx(0.5))
    # Of k at 0.975: 0.025 k + sqrt(0.025 k + 1) is below 0.1 k from 16 on.
    assert _count(np.full(15, 0.975), 0.1)[0] == 0
    assert _count(np.full(16, 0.975), 0.1)[0] == 16
    # Of 33, 7 + 2.83 are at most 9.9; of 34, 7.5 + 2.92 are more than 10.2.
    assert _count(probability, 0.3)[0] == 33


def test_more_are_named_than_chance_brings() -> None:
    """Of 5 at 0.6, 2 + 1.7 are at most 0.8 of 5, and 5 is less than 2 + 2 * 1.7."""
    assert _count(np.full(5, 0.6), 0.8)[0] == 0
    assert _count(np.full(9, 0.6), 0.8)[0] == 9


@given(st.lists(st.floats(0, 1), max_size=60), st.floats(0.01, 0.9))
def test_laws_of_the_count(found: list[float], fdr: float) -> None:
    count, right = _count(np.array(found), fdr)
    assert 0 <= count <= len(found)
    assert count == 0 or right <= fdr * count


def test_a_class_that_no_model_names_is_not_judged() -> None:
    """Of class 2 four rows carry the label: named once it is not learned, named twice it is."""
    labels = np.array([0] * 4 + [1] * 4 + [2] * 4)
    said = np.array([0, 0, 0, 2, 1, 1, 1, 1, 0, 0, 0, 1])
    known = np.ones(12, bool)
    judged, unlearned = _learned_classes(np.eye(3)[said], labels, known)
    assert unlearned == (2,)
    assert judged.tolist() == [True] * 8 + [False] * 4
    said[8] = 2
    judged, unlearned = _learned_classes(np.eye(3)[said], labels, known)
    assert (unlearned, judged.all()) == ((), True)
    known[8] = False
    assert _learned_classes(np.eye(3)[said], labels, known)[0][8] == False  # noqa: E712
    absent = np.where(labels == 2, 0, labels)
    assert _learned_classes(np.eye(3)[np.minimum(said, 1)], absent, known)[1] == (), (
        "it has no rows"
    )
