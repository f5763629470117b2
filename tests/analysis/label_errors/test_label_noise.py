"""How labels come from true classes: fitted to probabilities whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from vog.analysis.label_errors.label_noise import (
    Noise,
    _fit_classes,
    _fit_uniform,
    _logits,
    _rescale,
    wrong_probability,
)
from vog.analysis.label_errors.label_noise import _p_wrong as wrong_by

CLASSES = 5


def calibrated(rows: int, seed: int = 0, sure: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and true classes drawn by them: a model that is right as often as it says."""
    rng = np.random.default_rng(seed)
    probabilities = softmax(sure * rng.normal(size=(rows, CLASSES)), axis=1)
    truth = (probabilities.cumsum(axis=1) > rng.uniform(size=(rows, 1))).argmax(axis=1)
    return probabilities, truth


def flipped(truth: np.ndarray, rate: float, seed: int = 0) -> np.ndarray:
    """Labels of which this share is another class."""
    rng = np.random.default_rng(seed)
    move = rng.integers(1, CLASSES, len(truth)) * (rng.uniform(size=len(truth)) < rate)
    return (truth + move) % CLASSES


def test_bayes_by_hand() -> None:
    """Two classes, 0.9 and 0.1, a label of the second, of which a tenth of the first become."""
    noise = Noise(1.0, np.array([[0.9, 0.1], [0.0, 1.0]]))
    logits = np.log(np.array([[0.9, 0.1]], np.float32))
    assert wrong_by(logits, np.array([1]), noise)[0] == pytest.approx(0.09 / (0.09 + 0.1))
    assert wrong_by(logits, np.array([0]), noise)[0] == 0
    sharper = Noise(2.0, noise.transition)
    odds = (0.81 * 0.1) / (0.81 * 0.1 + 0.01)
    assert wrong_by(logits, np.array([1]), sharper)[0] == pytest.approx(odds, rel=1e-5)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_scale_and_the_rate_are_found(scale: float) -> None:
    """A model that is too sure, or not sure enough, beside a tenth of flips."""
    probabilities, truth = calibrated(20_000)
    labels = flipped(truth, 0.1)
    told = softmax(np.log(probabilities) / scale, axis=1)
    noise = _fit_uniform(_logits(told), labels)
    assert noise.scale == pytest.approx(scale, rel=0.12)
    # A drawn label is the true class once in five: a tenth of others are an eighth of drawn ones.
    assert noise.transition[0, 1] == pytest.approx(0.1 / 4, rel=0.1)
    assert noise.transition[0, 0] == pytest.approx(0.9, rel=0.02)


def test_each_class_is_taken_for_others_at_its_own_rate() -> None:
    probabilities, truth = calibrated(20_000)
    labels = truth.copy()
    taken = (truth == 2) & (np.random.default_rng(1).uniform(size=len(truth)) < 0.3)
    labels[taken] = 4
    logits = _logits(probabilities)
    alike = _fit_uniform(logits, labels)
    own = _fit_classes(logits, labels, alike)
    assert own.transition[2, 4] == pytest.approx(0.3, abs=0.03)
    assert own.transition[[0, 1, 3], 4].max() < 0.02
    np.testing.assert_allclose(own.transition.sum(axis=1), 1)
    assert own.scale == pytest.approx(1, rel=0.03)
    # Between 2 and 4 the noise goes one way: the other way round the labels are less likely.
    known = np.eye(CLASSES)
    known[2, [2, 4]] = 0.3, 0.7
    most = truth.copy()
    most[(truth == 2) & (np.random.default_rng(2).uniform(size=len(truth)) < 0.7)] = 4
    sharper = _logits(softmax(2 * np.log(probabilities), axis=1))
    assert _rescale(sharper, most, Noise(1.0, known)).scale == pytest.approx(0.5, rel=0.06)
    found = wrong_probability(probabilities, labels)
    assert found[taken].mean() > 3 * found[~taken].mean()


def test_a_calibrated_model_accuses_nobody() -> None:
    for seed in range(5):
        probabilities, truth = calibrated(3000, seed, sure=2.0)
        found = wrong_probability(probabilities, truth)
        assert (found > 0.9).sum() <= 0.002 * len(truth)
        assert found.sum() < 0.03 * len(truth)


def test_what_is_expected_is_so() -> None:
    """Of the labels that are wrong with 0.9 and more, nine in ten are."""
    probabilities, truth = calibrated(20_000)
    labels = flipped(truth, 0.1)
    found, wrong = wrong_probability(probabilities, labels), labels != truth
    assert found.sum() == pytest.approx(wrong.sum(), rel=0.15)
    for low in (0.1, 0.3, 0.5, 0.7, 0.9):
        inside = (found >= low) & (found < low + 0.1)
        assert wrong[inside].mean() == pytest.approx(found[inside].mean(), abs=0.08)


def test_many_rows_are_fitted_by_some(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities, truth = calibrated(4000)
    labels = flipped(truth, 0.1)
    whole = wrong_probability(probabilities, labels)
    monkeypatch.setattr("vog.analysis.label_errors.label_noise._MAX_CELLS", 2000 * CLASSES)
    some = wrong_probability(probabilities, labels)
    assert np.corrcoef(whole, some)[0, 1] > 0.98
    assert not np.array_equal(whole, some)


def test_the_scale_alone_changes_nothing() -> None:
    """Logits of half the size are the same model less sure of itself."""
    probabilities, truth = calibrated(4000)
    labels = flipped(truth, 0.05)
    softer = softmax(0.5 * np.log(probabilities), axis=1)
    np.testing.assert_allclose(
        wrong_probability(softer, labels), wrong_probability(probabilities, labels), atol=0.05
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_laws(rows: int, classes: int, seed: int) -> None:
    """Finite and in [0, 1] whatever is asked, zeros and ones of float16 among it."""
    rng = np.random.default_rng(seed)
    probabilities = softmax(20 * rng.normal(size=(rows, classes)), axis=1).astype(np.float16)
    found = wrong_probability(probabilities.astype(np.float64), rng.integers(0, classes, rows))
    assert found.shape == (rows,)
    assert ((found >= 0) & (found <= 1)).all()
