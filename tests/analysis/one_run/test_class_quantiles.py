"""Quantiles of a score in each class, by hand and against NumPy."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from runs import write_run
from vog.analysis.one_run.class_quantiles import ClassSpread, class_spread

NAN, INF = float("nan"), float("inf")


def test_quantiles_by_hand(tmp_path: Path) -> None:
    """Cats 0 to 4: 5 % of four steps is 0.2. One dog is finite, no owl; one row has no class."""
    labels = [0, 1, 0, 0, 0, 0, 2, -1, 1]
    scores = {"vog@all": [3.0, 9.0, 1.0, 0.0, 4.0, 2.0, NAN, 100.0, INF]}
    found = class_spread(write_run(tmp_path / "run", scores, labels, labels), "vog@all")
    assert found[0] == ClassSpread(1, "dog", 1, 9.0, 9.0, 9.0, 9.0, 9.0)
    assert astuple(found[1])[:3] == (0, "cat", 5)
    assert astuple(found[1])[3:] == pytest.approx((0.2, 1, 2, 3, 3.8))
    easier = write_run(tmp_path / "easier", scores, labels, labels, "easier")
    assert [one.label_name for one in class_spread(easier, "vog@all")] == ["cat", "dog"]


def test_quantiles_against_numpy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, values = rng.choice([0, 1, 2, 3, 700], 300), rng.normal(size=300).round(1)
    values[::17], values[::31] = NAN, -INF
    made_of = ({"aum@all": values.tolist()}, labels.tolist(), labels.tolist(), "easier")
    found = class_spread(write_run(tmp_path / "run", *made_of), "aum@all")
    assert {one.label for one in found} == {0, 1, 2, 3, 700}
    for one in found:
        own = values[(labels == one.label) & np.isfinite(values)].astype(np.float32)
        quantiles = (one.low, one.quarter, one.median, one.three_quarters, one.high)
        assert quantiles == pytest.approx(np.percentile(own, [5, 25, 50, 75, 95]))
        assert (one.examples, one.label_name is None) == (len(own), one.label > 2)
    medians = [one.median for one in found]
    assert medians == sorted(medians), "the lowest is the hardest"


@pytest.mark.parametrize("values", [[NAN, NAN], [INF, -INF]])
def test_no_quantiles_of_nothing(tmp_path: Path, values: list[float]) -> None:
    assert (
        class_spread(write_run(tmp_path / "a", {"vog@all": values}, [0, 1], [0, 1]), "vog@all")
        == ()
    )
    nobody = write_run(tmp_path / "b", {"vog@all": [1.0, 2.0]}, [-1, -1], [0, 1])
    assert class_spread(nobody, "vog@all") == ()
