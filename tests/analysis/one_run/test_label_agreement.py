"""Whether a run says that its last checkpoint does not know the labels, and why that may be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.analysis.one_run.label_agreement import (
    agreement_of,
    find_renaming,
    sample_sentence,
    sample_warning,
)


def rows(pairs: dict[tuple[int, int], int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions, so many of each pair."""
    repeated = [pair for pair, count in pairs.items() for _ in range(count)]
    labels, predictions = np.array(repeated, np.int64).reshape(-1, 2).T
    return labels, predictions


def test_agreement_counts_rows_that_have_both() -> None:
    labels = np.array([0, 0, 1, 2, -1, 1])
    predictions = np.array([0, 1, 1, 2, 0, -1])
    counted = agreement_of(labels, predictions)
    assert counted is not None
    assert (counted.rows, counted.agreeing, counted.largest) == (4, 3, 2)
    assert (counted.share, counted.largest_share) == (0.75, 0.5)
    assert counted.sentence == "the last checkpoint agrees with 75 % of the labels"
    assert not counted.is_low  # 0.75 is not below 1.5 x 0.5
    assert counted.warning is None
    assert counted.sample_warning() is None


def test_there_is_nothing_to_say_without_labels() -> None:
    nothing = np.full(5, -1)
    assert agreement_of(nothing, np.arange(5)) is None
    assert agreement_of(np.arange(5), nothing) is None
    assert agreement_of(np.empty(0, np.int64), np.empty(0, np.int64)) is None
    assert sample_sentence(nothing, np.arange(5)) == ""
    assert sample_warning(nothing, np.arange(5)) is None


@pytest.mark.parametrize(
    ("agreeing", "largest", "low"),
    [
        (49, 10, True),
        (50, 10, False),
        (74, 50, True),  # below 1.5 x 0.5, though it is above one half
        (75, 50, False),
        (62, 42, True),
        (63, 42, False),
        (90, 90, True),  # what a constant answer reaches
        (99, 90, True),
        (100, 90, False),  # nothing disagrees
        (100, 100, False),
    ],
)
def test_agreement_is_low_below_one_half_or_near_a_constant_answer(
    agreeing: int, largest: int, low: bool
) -> None:
    labels = np.concatenate([np.zeros(largest), 1 + np.arange(100 - largest) % 20]).astype(int)
    predictions = np.where(np.arange(100) < agreeing, labels, labels + 1)
    counted = agreement_of(labels, predictions)
    assert counted is not None
    assert (counted.agreeing, counted.largest) == (agreeing, largest)
    assert counted.is_low == low
    assert (counted.warning is None) == (not low)


def test_percent_is_not_rounded_over_a_border() -> None:
    labels = np.arange(1000) % 10
    for agreeing, percent in ((496, 49), (500, 50), (997, 99), (1000, 100), (274, 27), (276, 28)):
        counted = agreement_of(labels, np.where(np.arange(1000) < agreeing, labels, labels + 1))
        assert counted is not None
        assert counted.percent == percent


def test_the_warning_names_both_reasons_and_a_check() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, (2, 400))
    counted = agreement_of(labels, predictions)
    assert counted is not None
    assert counted.warning is not None
    assert counted.warning.startswith("warning: the last checkpoint agrees with 2")
    for words in ("transform", "order of the classes", "To check"):
        assert words in counted.warning
    assert counted.renaming is None
    assert "renamed" not in counted.warning


def test_the_plan_speaks_of_a_sample() -> None:
    labels = np.arange(1200) % 3
    wrong = np.where(np.arange(1200) < 900, labels, 0)
    assert sample_sentence(labels, labels) == (
        "the last checkpoint agrees with 100 % of 1,200 labels (a sample)"
    )
    assert sample_warning(labels, wrong) is None
    warning = sample_warning(labels, (labels + 1) % 3, ("ant", "bee", "cat"))
    assert warning is not None
    assert warning.startswith("warning: the last checkpoint agrees with 0 % of 1,200 labels (a s")
    assert "0 (ant) -> 2 (cat), 1 (bee) -> 0 (ant), 2 (cat) -> 1 (bee)" in warning
    assert "100 % of the labels agree" in warning


@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_any_order_of_classes_is_found_again(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, 300)
    shown = np.where(rng.random(300) < 0.9, labels, rng.integers(0, 6, 300))
    predictions = np.argsort(order)[shown]  # the class `order[i]` of the labels is called i
    renaming = find_renaming(labels, predictions)
    moved = {a: b for a, b in enumerate(order) if a != b}
    if len(moved) < 3:  # where two classes or none moved, there is less to gain
        return
    assert renaming is not None
    assert dict(renaming.moves) == moved
    assert renaming.share == (shown == labels).mean()


def test_classes_counted_from_one_are_a_renaming() -> None:
    labels = np.arange(900) % 9
    renaming = find_renaming(labels, labels + 1)
    assert renaming is not None
    assert renaming.moves == tuple((number + 1, number) for number in range(9))


def test_a_renaming_has_to_hold_for_rows_that_it_was_not_learned_from() -> None:
    rng = np.random.default_rng(3)
    labels = rng.permutation(200)
    # Some renaming explains every one of 200 rows of 200 classes; of other rows it knows nothing.
    assert find_renaming(labels, rng.permutation(200)) is None
    assert find_renaming(*rng.integers(0, 60, (2, 200))) is None


def test_a_renaming_has_to_gain() -> None:
    labels, predictions = rows({(0, 0): 47, (0, 1): 3, (1, 0): 6, (1, 1): 4, (2, 2): 40})
    assert find_renaming(labels, predictions) is None


def test_many_moves_are_cut_short() -> None:
    labels = np.arange(2000) % 100
    counted = agreement_of(labels, (labels + 1) % 100)
    assert counted is not None
    assert counted.warning is not None
    assert "0 -> 99, 1 -> 0, 2 -> 1, 3 -> 2, 4 -> 3 and 95 more" in counted.warning


def test_too_many_classes_are_not_assigned() -> None:
    labels = np.repeat(np.arange(3500), 2)
    assert find_renaming(labels, (labels + 1) % 3500) is None
