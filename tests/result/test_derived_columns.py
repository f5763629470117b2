"""Derived columns: what normalisation must leave alone, and what it must undo."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runs import STAIRS, TWO_CLASSES, write_run
from vog.result.derived_columns import DERIVED, class_z_score, rank, robust_z_score

Case = tuple[np.ndarray, np.ndarray]
Derive = Callable[[np.ndarray, np.ndarray], np.ndarray]
cases = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, n, elements=st.integers(-1000, 1000).map(float)),
        arrays(np.int64, n, elements=st.integers(-2, 5)),  # classes need not be 0..C-1
    )
)
every = pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED.keys())
within = pytest.mark.parametrize("derive", [class_z_score, robust_z_score])


def test_worked_values() -> None:
    # Class 0: 1, 2, 3, 10: mean 4, variance (9 + 4 + 1 + 36) / 4 = 12.5.
    # Median 2.5, distances 1.5, .5, .5, 7.5, MAD 1. Class 1 has one example.
    values, labels = np.array([1.0, 2, 3, 10, 7]), np.array([0, 0, 0, 0, 1])
    z = np.array([-3, -2, -1, 6]) / np.sqrt(12.5)
    np.testing.assert_allclose(class_z_score(values, labels), [*z, 0])
    r = np.array([-1.5, -0.5, 0.5, 7.5]) / 1.4826
    np.testing.assert_allclose(robust_z_score(values, labels), [*r, 0])
    np.testing.assert_allclose(rank(values), [0, 0.25, 0.5, 1, 0.75])


def test_equal_values_share_their_rank() -> None:
    np.testing.assert_allclose(rank(np.array([5.0, 1, 5, 1, 5])), [0.75, 0.125] * 2 + [0.75])


def test_more_than_half_equal_still_tells_the_others_apart() -> None:
    """MAD 0; mean absolute deviation 2/5, times 1.2533."""
    values = np.array([1.0, 1, 1, 1, 3])
    expected = [0, 0, 0, 0, 2 / (0.4 * np.sqrt(np.pi / 2))]
    np.testing.assert_allclose(robust_z_score(values, np.zeros(5, int)), expected)


@within
def test_equal_values_that_do_not_sum_exactly(derive: Derive) -> None:
    np.testing.assert_array_equal(derive(np.full(3, 0.1), np.zeros(3, int)), 0)
    np.testing.assert_array_equal(derive(np.array([0.3]), np.zeros(1, int)), 0)


@within
def test_a_large_class_of_equal_values(derive: Derive) -> None:
    """The sum of so many is off by more than their own rounding, which is no spread."""
    np.testing.assert_array_equal(derive(np.full(300_000, 0.1), np.zeros(300_000, int)), 0)


@given(cases)
def test_every_class_ends_with_mean_0_and_spread_1_or_0(case: Case) -> None:
    values, labels = case
    out = class_z_score(values, labels)
    for label in np.unique(labels):
        mine = out[labels == label]
        flat = np.ptp(values[labels == label]) == 0
        np.testing.assert_allclose([mine.mean(), mine.std()], [0, not flat], atol=1e-9)


@every
@given(case=cases, unit=st.integers(1, 100), offset=st.integers(-100, 100))
def test_unit_and_offset_of_the_score_do_not_matter(
    derive: Derive, case: Case, unit: int, offset: int
) -> None:
    values, labels = case
    moved = derive(values * unit + offset, labels)
    np.testing.assert_allclose(moved, derive(values, labels), atol=1e-6)


@pytest.mark.slow
@every
@given(case=cases)
def test_order_within_a_class_is_kept_and_sign_is_not_lost(derive: Derive, case: Case) -> None:
    """The absolute value of a z-score would call the very easy very hard."""
    values, labels = case
    out = derive(values, labels)
    for label in np.unique(labels):
        mine = labels == label
        order = np.argsort(values[mine], kind="stable")
        assert (np.diff(out[mine][order]) >= 0).all()
    np.testing.assert_allclose(
        derive(-values, labels),
        (1 - out) * (len(values) > 1) if derive is DERIVED["rank"] else -out,
        atol=1e-9,
    )


@pytest.mark.slow
@every
@given(case=cases, data=st.data())
def test_missing_and_infinite_rows_change_no_other(
    derive: Derive, case: Case, data: st.DataObject
) -> None:
    values, labels = case
    odd = data.draw(arrays(np.float64, 3, elements=st.sampled_from([np.nan, np.inf])))
    own = data.draw(arrays(np.int64, 3, elements=st.integers(-2, 5)))
    out = derive(np.concatenate([values, odd]), np.concatenate([labels, own]))
    if derive is not DERIVED["rank"]:
        np.testing.assert_array_equal(out[:-3], derive(values, labels))
        np.testing.assert_array_equal(out[-3:], odd)
    assert np.isnan(out).sum() == np.isnan(odd).sum()


@given(cases)
def test_rank_is_in_0_to_1_and_uses_both_ends(case: Case) -> None:
    values, _ = case
    out = rank(values)
    assert out.min() >= 0
    assert out.max() <= 1
    if len(set(values)) == len(values) > 1:
        assert sorted(out) == pytest.approx(np.linspace(0, 1, len(values)))


def test_a_bare_score_stands_for_that_of_all_checkpoints(tmp_path: Path) -> None:
    scores = {"vog@all": STAIRS, "aum@all": STAIRS, "aum@late": STAIRS}
    run = write_run(tmp_path / "run", scores, TWO_CLASSES)
    assert run.sort_column("aum") == "aum@all"
    assert run.sort_column("aum:rank") == "aum@all:rank"
    assert run.sort_column("aum@late") == "aum@late"
    assert run.sort_column(None) == run.default_column == "vog@all:class"
    assert run.sort_column("id") == "id"
    assert run.sort_column("nothing:rank") == "nothing:rank"
    assert (
        run.top(2, by="aum").column("id").to_pylist() == run.top(2, by="aum@all")["id"].to_pylist()
    )
