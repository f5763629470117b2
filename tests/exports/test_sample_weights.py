"""Weights for scikit-learn: by hand, as laws, and on digits that are mislabelled."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from four_rows import BY_HARDNESS, four_rows
from runs import NAN, write_run
from vog.analysis.label_errors.suspects import Verdict
from vog.errors import ResultError
from vog.exports import export, sample_weight, sample_weights

pytestmark = pytest.mark.usefixtures("judged")


def test_weights_by_hand(tmp_path: Path, judged: list[Verdict]) -> None:
    """7/8, 2/8 and 6/8 have the mean 5/8; hardness ranks of aum are 0, 1 and 1/2."""
    run = four_rows(tmp_path / "run")
    np.testing.assert_allclose(sample_weight(run), [1.4, 0.4, 1.2, 1.0])
    np.testing.assert_allclose(sample_weight(run, "aum@all"), [2, 0, 1, 1])
    np.testing.assert_allclose(sample_weight(run, "forgetting@all"), [2, 0, 1, 1])
    judged[0] = BY_HARDNESS
    np.testing.assert_allclose(sample_weight(run), [2, 0, 1, 1])
    export(run, tmp_path / "w.npy", columns=["aum@all"])
    written = np.load(tmp_path / "w.npy")
    assert written.dtype == np.float64
    np.testing.assert_allclose(written, [2, 0, 1, 1])


@pytest.mark.parametrize("value", [0.0, NAN])
def test_weights_where_nothing_is_known_are_all_one(
    tmp_path: Path,
    judged: list[Verdict],
    value: float,
) -> None:
    judged[0] = replace(BY_HARDNESS, hardness=np.full(4, 1 - value))
    assert sample_weight(four_rows(tmp_path / "run")).tolist() == [1, 1, 1, 1]


@given(arrays.arrays(np.float64, st.integers(1, 9), elements=st.sampled_from([0, 0.25, 1, NAN])))
def test_weights_are_finite_with_mean_1(quality: np.ndarray) -> None:
    found = sample_weights._scale_to_mean_1(quality)
    assert found.mean() == pytest.approx(1)
    assert (found >= 0).all()
    known = np.isfinite(quality)
    assert (found[~known] == 1).all()
    order = np.argsort(quality[known], kind="stable")
    assert (np.diff(found[known][order]) >= 0).all()


def test_weights_help_scikit_learn(tmp_path: Path, actual: None) -> None:
    """Digits of which a third is mislabelled: in the order of the data, and in no other."""
    inputs, shown = load_digits(return_X_y=True)
    count, rng = 900, np.random.default_rng(0)
    flipped = rng.random(count) < 1 / 3
    labels = np.where(flipped, (shown[:count] + rng.integers(1, 10, count)) % 10, shown[:count])
    judge = KNeighborsClassifier(15)
    seen = np.asarray(
        cross_val_predict(judge, inputs[:count], labels, cv=3, method="predict_proba")
    )
    given = np.eye(10, dtype=bool)[labels]
    margins = seen[given] - np.where(given, 0, seen).max(axis=1)
    run = write_run(tmp_path / "run", {"aum@all": margins}, labels, seen.argmax(axis=1), "easier")

    def accuracy(weight: np.ndarray | None) -> float:
        model = GaussianNB(var_smoothing=0.1)
        model.fit(inputs[:count] / 16, labels, sample_weight=weight)
        return float(np.mean(model.predict(inputs[count:] / 16) == shown[count:]))

    plain = accuracy(None)
    weight = sample_weight(run, "aum@all")
    assert weight[~flipped].mean() > 2 * weight[flipped].mean()
    assert accuracy(weight) > plain + 0.01
    assert accuracy(weight) > accuracy(weight[::-1]) + 0.01
    with pytest.raises(ResultError, match="has no score confidence"):
        sample_weight(run)
