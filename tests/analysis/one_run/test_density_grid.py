"""Densities: by hand, and laws for any numbers."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.analysis.one_run.density_grid import Density, density

NAN, INF = float("nan"), float("inf")

NUMBERS = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e30, 1e30, allow_subnormal=True),
    st.sampled_from([NAN, INF, -INF]),
)
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=60)


def test_density_by_hand() -> None:
    """0, ..., 999 without the extremes is 1 to 998: halves of 500, around 249.5 and 749.5."""
    values = np.arange(1000.0)
    found = density(values, -values, values, bins=2)
    assert (found.counted, found.left_out, found.bins) == (1000, 0, 2)
    left, right = found.cells
    assert (left.x0, left.x1, left.y0, left.y1) == (1, 499.5, -499.5, -1)
    assert (right.x0, right.x1, right.y0, right.y1) == (499.5, 998, -998, -499.5)
    assert (left.count, left.mean, right.count, right.mean) == (500, 249.5, 500, 749.5)


@pytest.mark.parametrize("count", [20, 500, 2000])
@pytest.mark.parametrize("extreme", [1e9, -1e9])
def test_one_extreme_value_does_not_squeeze_the_others(count: int, extreme: float) -> None:
    values = np.append(np.linspace(0, 1, count), extreme)
    found = density(values, values)
    assert len(found.cells) >= min(count, 40) - 2
    assert sum(one.count for one in found.cells) == count + 1, "it is counted at the edge"


def test_few_rows_are_all_within_the_edges() -> None:
    found = density(np.array([0.0, 1.0, 9.0]), np.array([5.0, 5.0, 5.0]))
    assert (found.cells[0].x0, found.cells[-1].x1) == (0, 9)
    steps = density(np.array([0.0, 1.0, 2.0]), np.zeros(3), bins=2)
    assert [one.count for one in steps.cells] == [1, 2], "a cell has its left edge, not its right"


@pytest.mark.slow
@given(ROWS, st.integers(1, 9), st.randoms(use_true_random=False))
def test_laws_of_density(rows: list[tuple[float, float, float]], bins: int, random: Random) -> None:
    x, y, colour = np.array(rows, float).reshape(-1, 3).T
    found = density(x, y, colour, bins)
    known = np.isfinite(x) & np.isfinite(y)
    assert (found.counted, found.left_out) == (known.sum(), (~known).sum())
    assert sum(one.count for one in found.cells) == found.counted
    assert len({(one.x0, one.y0) for one in found.cells}) == len(found.cells) <= bins**2
    for one in found.cells:
        assert one.x0 < one.x1
        assert one.y0 < one.y1
    shuffled = random.sample(rows, len(rows))
    again = density(*np.array(shuffled, float).reshape(-1, 3).T[:2], bins=bins)
    assert [replace(c, mean=0.0) for c in again.cells] == [
        replace(c, mean=0.0) for c in found.cells
    ]
    turned = density(y, x, bins=bins)
    assert sorted((c.y0, c.x0, c.count) for c in turned.cells) == [
        (c.x0, c.y0, c.count) for c in found.cells
    ]


def test_the_mean_of_a_cell_is_of_its_finite_colours() -> None:
    x = np.array([0.0, 0.0, 0.0, 1.0, NAN])
    found = density(x, x, np.array([1.0, 4.0, INF, NAN, 7.0]), bins=1)
    assert found.cells[0].mean == 2.5
    assert [one.count for one in found.cells] == [4]
    apart = density(x, x, np.array([1.0, 4.0, INF, NAN, 7.0]), bins=2).cells
    assert (apart[0].mean, np.isnan(apart[1].mean)) == (2.5, True)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e30, 5e-324, 0.1 + 0.2])
def test_a_constant_axis_is_in_the_middle(value: float) -> None:
    (cell,) = density(np.full(9, value), np.arange(9.0) // 9, bins=3).cells
    assert cell.x0 <= value <= cell.x1
    assert cell.x1 - cell.x0 == pytest.approx(abs(value) / 3 or 1 / 3, rel=0.01) or value == 5e-324
    nearly = np.repeat([value, np.nextafter(value, INF)], 9)
    (cell,) = density(nearly, nearly, bins=3).cells
    assert cell.x0 < cell.x1, "no cell can be narrower than a number"
    assert density(np.full(9, NAN), np.zeros(9)) == Density((), 40, 9, 0)
    assert density(np.zeros(0), np.zeros(0)) == Density((), 40, 0, 0)
