"""Correlations of scores against SciPy, and rows that the scores rank differently."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from runs import write_run
from vog.analysis.one_run import correlation
from vog.errors import ResultError
from vog.result import Run

NAN, INF = float("nan"), float("inf")


def test_matrix_against_scipy(tmp_path: Path) -> None:
    """With equal values, infinities, and rows that only one of the columns lacks."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 9, (3, 80)).astype(float)
    values[1] += values[0]
    values[0, :9], values[1, 4:20], values[2, 70:] = INF, NAN, -INF
    scores = {f"{name}@all": row.tolist() for name, row in zip("abc", values, strict=True)}
    columns = [*scores]
    whole = ~np.isnan(values).any(axis=0)
    expected = np.asarray(spearmanr(values[:, whole], axis=1))[0]
    for kind in ("harder", "easier"):
        labels = [0] * 80
        found = correlation.correlation_matrix(
            write_run(tmp_path / kind, scores, labels, labels, kind), columns
        )
        assert [*found] == columns
        assert [[*row.values()] for row in found.values()] == pytest.approx(expected)
        assert [[*row] for row in found.values()] == [columns] * 3
    a, b = values[:2, whole]
    assert correlation.spearman(a, b) == pytest.approx(expected[0, 1])


@pytest.mark.slow
def test_agreement_is_of_hardness(run: Run) -> None:
    """Large loss is hard and small confidence is: the raw values go against each other."""
    columns = ["loss@all", "confidence@all"]
    found = correlation.correlation_matrix(run, columns)
    raw = float(np.asarray(spearmanr(run.values("loss@all"), run.values("confidence@all")))[0])
    assert found["loss@all"]["confidence@all"] == pytest.approx(-raw)
    assert found["loss@all"]["loss@all"] == pytest.approx(1)
    assert raw < -0.5


def test_matrix_of_what_cannot_be_ranked(tmp_path: Path) -> None:
    scores = {"a@all": [1.0, 1.0, 1.0], "b@all": [1.0, 2.0, 3.0], "c@all": [NAN, NAN, 3.0]}
    small = write_run(tmp_path / "run", scores, [0] * 3, [0] * 3)
    found = correlation.correlation_matrix(small, ["a@all", "b@all"])
    assert np.isnan(
        [found["a@all"]["a@all"], found["a@all"]["b@all"], found["b@all"]["a@all"]]
    ).all()
    assert found["b@all"]["b@all"] == pytest.approx(1)
    one_row = correlation.correlation_matrix(small, ["b@all", "c@all"])
    assert all(np.isnan(value) for row in one_row.values() for value in row.values())
    with pytest.raises(ResultError, match="has no column 'd@all'"):
        correlation.correlation_matrix(small, ["d@all"])


def test_disputed_by_hand(tmp_path: Path) -> None:
    """Ranks by a 0 1/4 1/2 3/4 1 and by b 1 1/4 1/2 3/4 0: both differ at the ends alone."""
    scores = {"a@late": [1.0, 2.0, 3.0, 4.0, 5.0], "b@late": [5.0, 2.0, 3.0, 4.0, 1.0]}
    small = write_run(tmp_path / "run", scores, [0, 1, 0, 0, -1], [1, 1, 0, 0, -1])
    first, last = correlation.disputed_examples(small, ["a@late", "b@late"])
    assert (first.index, first.id, first.label, first.prediction) == (0, "e0", 0, 1)
    assert (first.spread, first.hardest_by, first.hardest) == (0.5, "b@late", 1.0)
    assert (first.easiest_by, first.easiest) == ("a@late", 0.0)
    assert (last.index, last.label, last.prediction, last.hardest_by) == (4, None, None, "a@late")
    assert correlation.disputed_examples(small, ["a@late", "b@late"], count=1) == (first,)
    assert correlation.disputed_examples(small, ["a@late"]) == (), (
        "a score does not dispute with itself"
    )


@pytest.mark.slow
def test_disputed_against_a_loop(run: Run) -> None:
    columns = ["vog@late", "aum@late", "entropy@late"]
    ranks = {name: run.hardness(name) for name in columns}
    spread = [float(np.std([ranks[name][row] for name in columns])) for row in range(run.rows)]
    found = correlation.disputed_examples(run, columns)
    assert [one.index for one in found] == sorted(range(run.rows), key=lambda r: -spread[r])[:12]
    for one in found:
        own = {name: ranks[name][one.index] for name in columns}
        assert one.spread == pytest.approx(spread[one.index])
        assert (one.hardest_by, one.easiest_by) == (
            max(own, key=own.__getitem__),
            min(own, key=own.__getitem__),
        )
        assert (one.hardest, one.easiest) == (max(own.values()), min(own.values()))


def test_rows_that_lack_a_score_are_not_disputed(tmp_path: Path) -> None:
    """The others are ranked 1/2 and 1 by a, 1 and 0 by b."""
    scores = {"a@all": [1.0, 2.0, 3.0], "b@all": [NAN, 9.0, 3.0]}
    small = write_run(tmp_path / "run", scores, [0] * 3, [0] * 3)
    assert [one.index for one in correlation.disputed_examples(small, [*scores])] == [2, 1]
