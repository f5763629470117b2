"""How many labels are wrong besides the planted ones, by how far they reach among these."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.analysis.label_errors.own_errors import (
    OwnErrors,
    _density,
    fit_own_errors,
    quantiles_among_planted,
)


def thinned(right: int, own: int, rate: float = 12.0, seed: int = 0) -> np.ndarray:
    """Places of right labels, which thin out at this rate, and of one's own errors, the last."""
    rng = np.random.default_rng(seed)
    return np.concatenate([np.minimum(rng.exponential(1 / rate, right), 1), rng.uniform(0, 1, own)])


def test_places_by_hand() -> None:
    planted = np.array([0.1, 0.2, 0.4, 0.8])
    looks = np.array([0.0, 0.1, 0.15, 0.4, 0.5, 0.9])
    assert quantiles_among_planted(looks, planted).tolist() == [0, 0, 0.25, 0.5, 0.75, 1]


@pytest.mark.slow
def test_what_lies_evenly_is_counted() -> None:
    """300 of 8,300 are wrong: the count is low by about its standard error, and rarely above."""
    told = [fit_own_errors(thinned(8000, 300, seed=seed)).wrong_count for seed in range(40)]
    assert 240 < np.mean(told) < 300
    assert np.mean(np.array(told) > 300) < 0.3


@pytest.mark.slow
def test_right_labels_alone_are_not_counted() -> None:
    named = [
        fit_own_errors(p).count_suspects(p, 0.1)[0]
        for p in (thinned(8000, 0, seed=s) for s in range(40))
    ]
    assert np.mean(np.array(named) > 0) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("fdr", [0.1, 0.3])
def test_the_share_of_right_ones_is_kept(fdr: float) -> None:
    shares = []
    for seed in range(20):
        place = thinned(8000, 300, seed=seed)
        count, expected = fit_own_errors(place).count_suspects(place, fdr)
        assert count >= 30
        assert expected <= fdr
        taken = np.argsort(-place, kind="stable")[:count]
        shares.append((taken < 8000).mean())
    assert np.mean(shares) <= fdr


def test_the_numbers_by_hand() -> None:
    """100 lie evenly, and 300 a unit of place at 0 thin out by e^-10 a unit."""
    told = OwnErrors(100.0, 10.0, 300.0)
    at = np.array([0.0, 0.5, 1.0])
    right = 300 * np.exp(-10 * at)
    np.testing.assert_allclose(told.probability(at), 100 / (100 + right))
    # Of four rows from 0.97 on three are expected to be wrong, of two from 0.99 on one.
    far = np.array([0.97, 0.98, 0.99, 0.995])
    np.testing.assert_allclose(told.right_share(far)[[0, 2]], [1 - 3 / 4, 1 - 1 / 2])


def test_few_tell_nothing() -> None:
    assert fit_own_errors(np.array([0.1] * 50 + [0.9] * 9)).wrong_count == 0
    alike = np.linspace(0, 1, 900)
    assert fit_own_errors(alike).wrong_count == 0, "the planted are not told from the others at all"
    told = OwnErrors(1000.0, 1.0, 0.0)
    assert told.count_suspects(np.array([0.99] * 9), 0.1)[0] == 0
    assert told.count_suspects(np.array([0.9] * 10), 0.1) == (10, 0.0)
    assert told.count_suspects(np.array([0.2] * 10), 0.1)[0] == 0, "right labels crowd there"


@given(st.lists(st.floats(0, 1), max_size=80), st.floats(0.01, 0.6))
def test_laws(found: list[float], fdr: float) -> None:
    place = np.array(found)
    told = fit_own_errors(place)
    assert 0 <= told.wrong_count <= len(place) / 0.7 + 1e-9
    grid = np.linspace(0, 1, 20)
    probability = told.probability(grid)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability) >= -1e-12).all(), "the farther the likelier"
    count, share = told.count_suspects(place, fdr)
    assert count == 0 or share <= fdr


@pytest.mark.slow
def test_what_thins_out_is_found() -> None:
    """8,000 that fall as exp(-12 place): 96,000 a unit of place at 0."""
    found = [fit_own_errors(thinned(8000, 300, seed=seed)) for seed in range(20)]
    assert np.mean([one.decay_rate for one in found]) == pytest.approx(12, rel=0.1)
    assert np.median([one.right_density for one in found]) == pytest.approx(96_000, rel=0.4)


@pytest.mark.parametrize("rate", [0.5, 5.0, 30.0])
def test_a_density_is_one_in_all(rate: float) -> None:
    grid = np.linspace(0, 1, 20_001)
    assert np.trapezoid(_density(grid, rate), grid) == pytest.approx(1, rel=1e-4)
