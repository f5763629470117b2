"""`vog analyze --against`: whether a run is out of distribution, and which runs can be compared."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve

import vog
import world
from command_line import Cli
from runs import EASIER, write_run
from vog.analysis.detection.out_of_distribution import OodMetrics, ood_detection, ood_metrics
from vog.errors import ResultError
from vog.result import Run

NAN, INF = float("nan"), float("inf")
FINITE = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=30).map(np.array)
COLUMN = st.lists(st.sampled_from([-INF, -1.0, 0.0, 2.0, INF]), min_size=1, max_size=30).map(
    np.array
)
QUESTION = {
    "checkpoints": [{"step": 1, "sha256": "a" * 64}, {"step": 2, "sha256": "b" * 64}],
    "stages": {"early": [0, 1], "all": [0, 2]},
    "target": "predicted",
    "scores": [{"name": "vog", "channels": "mean"}, {"name": "aum"}],
}


def run_of(
    folder: Path, scores: dict[str, list[float]], changes: Mapping[str, Any] | None = None
) -> Run:
    """A run with just these columns, of this question; small values of `aum` are hard."""
    asked = QUESTION | dict(changes or {})
    ids = [str(row) for row in range(len(next(iter(scores.values()))))]
    return write_run(folder, scores, None, None, EASIER, ids=ids, **asked)


def test_by_hand() -> None:
    """Reference 1, 2, 3, 4; outside 2.5 and 5: of 8 pairs 6 are in order.

    Of both outside both are found only with a cut at 2.5, which takes 3 and 4 along: half of the
    reference. From above, precision is 1 up to a recall of 1/2, falls there to 1/3 and rises to
    2/4 at 1: 1/2 + 1/2 (1/3 + 1/2) / 2 = 17/24. From below it is 1 up to 2/4, falls there to 2/3,
    and is 3/4 at 3/4 and 4/5 at 1: 1/2 + 1/4 (2/3 + 3/4) / 2 + 1/4 (3/4 + 4/5) / 2 = 209/240.
    """
    found = ood_metrics(np.array([2.5, 5]), np.array([1.0, 2, 3, 4]))
    assert (found.auroc, found.fpr95) == (6 / 8, 2 / 4)
    assert (found.aupr_out, found.aupr_in) == pytest.approx((17 / 24, 209 / 240))


def test_a_cut_between_two_points_of_a_line() -> None:
    """20 outside, of which 19 are at 1 with one of three of the reference: 95 % at 1 / 3.

    The points of the curve are (0, 0), (1/3, 19/20), (2/3, 1), (1, 1).
    """
    outside = np.array([1.0] * 19 + [0.5])
    assert ood_metrics(outside, np.array([1.0, 0.5, 0.0])).fpr95 == pytest.approx(1 / 3)
    # (1/2, 1/2) and (1, 1) are on a line from (0, 0), and so is (39/40, 39/40) between them.
    steps = np.arange(40.0)
    assert ood_metrics(steps, steps).fpr95 == 38 / 40


def test_chance() -> None:
    """Constant: everything is taken for outside as soon as anything is.

    The line from a precision of 1 to one of 1/4, or of 3/4, has the area (1 + 1/4) / 2 below it.
    """
    assert ood_metrics(np.ones(1), np.ones(3)) == OodMetrics(0.5, 0.625, 0.875, 1.0)


def test_nothing_to_compare() -> None:
    for one, other in (([NAN], [1.0]), ([1.0], []), ([], [NAN])):
        found = ood_metrics(np.array(one, float), np.array(other, float))
        assert np.isnan([found.auroc, found.aupr_out, found.aupr_in, found.fpr95]).all()


@pytest.mark.slow
@given(FINITE, FINITE)
def test_numbers_are_those_of_scikit_learn(outside: np.ndarray, reference: np.ndarray) -> None:
    truth = np.repeat([1, 0], [len(outside), len(reference)])
    scores = np.concatenate([outside, reference])
    found = ood_metrics(outside, reference)
    assert found.auroc == pytest.approx(roc_auc_score(truth, scores))
    for positive, high, area in (
        (truth, scores, found.aupr_out),
        (1 - truth, -scores, found.aupr_in),
    ):
        precision, recall, _ = precision_recall_curve(positive, high)
        assert area == pytest.approx(auc(recall, precision))
    cuts = [cut for cut in np.unique(scores) if (outside >= cut).mean() >= 0.95]
    assert found.fpr95 == pytest.approx((reference >= max(cuts)).mean())
    assert found.fpr95 <= roc_curve(truth, scores)[0][-1]


@pytest.mark.slow
@given(COLUMN, COLUMN)
def test_laws(outside: np.ndarray, reference: np.ndarray) -> None:
    found = ood_metrics(outside, reference)
    turned = ood_metrics(reference, outside)
    assert turned.auroc == pytest.approx(1 - found.auroc)
    back = ood_metrics(-reference, -outside)
    assert (back.auroc, back.aupr_in) == pytest.approx((found.auroc, found.aupr_out))
    assert ood_metrics(np.arctan(outside), np.arctan(reference)) == found, "only the order counts"
    assert ood_metrics(outside[::-1], reference[::-1]) == found
    assert ood_metrics(np.append(outside, NAN), np.append(NAN, reference)) == found


def test_columns(tmp_path: Path) -> None:
    """Raw values, and not the ranks of each run, which are 0.5 on average in both."""
    strange = run_of(
        tmp_path / "a",
        {
            "vog@early": [1, 1],
            "vog@all": [5.0, 6.0],
            "aum@all": [1.0, NAN],
            "entropy@all": [0, 2.0],
        },
    )
    usual = run_of(
        tmp_path / "b",
        {"vog@all": [1.0, 2.0, 3.0], "aum@all": [2.0, 3.0, 0.5], "entropy@all": [1.0, NAN, 1]},
    )
    found = ood_detection(strange, usual)
    assert [(one.score, one.stage) for one in found.columns] == [
        ("vog", "all"),
        ("entropy", "all"),
        ("aum", "all"),
    ], "what uses no label first"
    by = {one.score: one for one in found.columns}
    assert by["vog"].metrics == OodMetrics(1.0, 1.0, 1.0, 0.0)
    assert by["entropy"].metrics.auroc == 0.5
    assert by["aum"].metrics.auroc == pytest.approx(2 / 3), "small is hard"
    counts = (by["aum"].outside, by["aum"].reference, by["aum"].left_out)
    assert counts == (1, 3, 1)
    assert (by["entropy"].reference, by["entropy"].left_out) == (2, 1)
    assert [by[name].uses_label for name in ("vog", "entropy", "aum")] == [False, False, True]
    assert found.warning == (
        "labels influence aum. Outside examples have no right label, so these scores measure how "
        "badly their labels fit, and not whether the examples are outside."
    )
    only = ood_detection(strange, usual, "vog")
    assert (len(only.columns), only.warning) == (1, None)
    assert found.rows()[0] == {
        "score": "vog",
        "stage": "all",
        "uses_label": False,
        "outside": 2,
        "reference": 3,
        "left_out": 0,
        "auroc": 1.0,
        "aupr_out": 1.0,
        "aupr_in": 1.0,
        "fpr95": 0.0,
    }


def test_a_column_without_values_comes_last(tmp_path: Path) -> None:
    strange = run_of(tmp_path / "a", {"vog@early": [NAN], "vog@all": [0.0]})
    usual = run_of(tmp_path / "b", {"vog@early": [1.0], "vog@all": [1.0]})
    first, last = ood_detection(strange, usual).columns
    assert (first.stage, first.metrics.auroc, last.stage) == ("all", 0.0, "early")
    assert np.isnan(last.metrics.auroc)


def test_a_target_at_the_label(tmp_path: Path) -> None:
    one, other = (
        run_of(tmp_path / name, {"vog@all": [1.0, 2.0]}, {"target": "logit"}) for name in "ab"
    )
    found = ood_detection(one, other)
    assert found.columns[0].uses_label
    assert found.warning is not None
    assert found.warning.endswith(
        "The target is logit, at the label. Score both runs with target='predicted': then vog and "
        "grad_norm use no label."
    )


OTHERS: Mapping[str, dict[str, Any]] = {
    r"target: predicted in .*a, logit in .*b": {"target": "logit"},
    r"number of checkpoints: 2 in .*a, 1 in": {"checkpoints": QUESTION["checkpoints"][:1]},
    r"weights of 1 of 2 checkpoints: step 2 \(SHA-256 bbbbbbbbbbbb\) in .*a, "
    r"step 3 \(SHA-256 cccccccccccc\) in": {
        "checkpoints": [QUESTION["checkpoints"][0], {"step": 3, "sha256": "c" * 64}]
    },
    r"stage early: \[0, 1\] in .*a, \[1, 2\] in": {"stages": {"early": [1, 2], "all": [0, 2]}},
    r"settings of vog: .*mean.* in .*a, .*keep.* in": {
        "scores": [{"name": "vog", "channels": "keep"}, {"name": "aum"}]
    },
    r"args of the model: None in .*a, {'depth': 2} in": {"model": {"args": {"depth": 2}}},
    r"b does not say which weights": {"checkpoints": [{"step": 1}, {"step": 2}]},
}


@pytest.mark.parametrize(("said", "changes"), OTHERS.items(), ids=range(len(OTHERS)))
def test_runs_that_were_scored_differently(
    said: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    usual = run_of(tmp_path / "a", {"vog@all": [1.0]})
    other = run_of(tmp_path / "b", {"vog@all": [1.0]}, changes)
    with pytest.raises(ResultError, match=said):
        ood_detection(usual, other)


def test_what_may_differ(tmp_path: Path) -> None:
    """Names of steps, stages that only one has, settings of a score that only one has."""
    one = run_of(tmp_path / "a", {"vog@all": [1.0]})
    changes = {
        "checkpoints": [{"step": 7, "sha256": "a" * 64}, {"step": 9, "sha256": "b" * 64}],
        "stages": {"late": [1, 2], "all": [0, 2]},
        "scores": [{"name": "vog", "channels": "mean"}, {"name": "own", "code": "c"}],
    }
    other = run_of(tmp_path / "b", {"vog@all": [2.0], "own@all": [1.0]}, changes)
    assert ood_detection(other, one).columns[0].metrics.auroc == 1


def test_inputs_that_were_made_differently(tmp_path: Path) -> None:
    """Other data may need it, so it is not refused; nor the precision, which `auto` chooses."""
    one, other = (
        run_of(tmp_path / name, {"vog@all": [1.0]}, {"data": {"examples": 1, "transform": way}})
        for name, way in (("a", "imagenet"), ("b", "none"))
    )
    a, b, c = (tmp_path / name for name in "abc")
    assert ood_detection(one, other).warning == (
        f"the inputs of the two runs were prepared differently (transform imagenet in {a}, none in "
        f"{b}). Scores may separate the runs by that and not by the data."
    )
    low = run_of(c, {"vog@all": [1.0]}, one.question | {"precision": "bfloat16"})
    warning = ood_detection(low, other).warning
    assert warning is not None
    assert f"imagenet in {c}, none in {b}; precision bfloat16 in {c}, None in {b})" in warning
    same = run_of(tmp_path / "d", {"vog@all": [1.0]}, one.question)
    assert ood_detection(one, same).warning is None


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    one = run_of(tmp_path / "a", {"vog@all": [1.0]})
    other = run_of(tmp_path / "b", {"aum@all": [1.0]})
    with pytest.raises(ResultError, match="vog@all, .*b has aum@all: no score in common"):
        ood_detection(one, other)
    with pytest.raises(ResultError, match="a' is the run itself. Name a run of other data"):
        ood_detection(one, vog.open(tmp_path / "b" / ".." / "a"))
    more = run_of(tmp_path / "c", {"vog@all": [1.0], "aum@all": [1.0]})
    with pytest.raises(ResultError, match="no score 'vgo'. Did you mean 'vog'"):
        ood_detection(one, more, "vgo")
    with pytest.raises(ResultError, match="score='vog:class': .* give score='vog'"):
        ood_detection(one, more, "vog:class")
    with pytest.raises(ResultError, match=r"a has no score 'aum'"):
        ood_detection(one, more, "aum")


@pytest.mark.slow
def test_the_command(checkpoints: Path, tmp_path: Path, cli: Cli) -> None:
    """Images of ten times the contrast, under the same network."""
    inputs, labels = world.inputs_and_labels(40)
    runs = [
        vog.score(world.build, checkpoints, data, name, target="predicted", quiet=True)
        for name, data in (("test", (inputs, labels)), ("strange", (10 * inputs[:30], labels[:30])))
    ]
    found = ood_detection(runs[1], runs[0])
    code, out, err = cli("analyze", "strange", "--against", "test")
    assert code == 0
    assert "Warning: labels influence " in err
    assert (
        "30 examples of strange, taken as out of distribution where hard, against 40 of test" in out
    )
    assert "AUPR-OUT 0.429, AUPR-IN 0.571, FPR95 0.95" in out
    lines = [line.split() for line in out.splitlines()]
    first = found.columns[0]
    told = f"{first.score} {first.stage} {first.metrics.auroc:.3f} {first.metrics.aupr_out:.3f}"
    assert lines[4][:4] == told.split()
    assert lines[4][-1] == "-"
    assert "without value" not in out
    code, out, err = cli("analyze", "strange", "--against", "test", "--score", "vog")
    assert (code, err) == (0, "")
    code, out, _ = cli("analyze", "strange", "--against", "test", "--format", "json")
    assert json.loads(out) == found.rows()
    code, out, _ = cli("analyze", "strange", "--against", "test", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (len(rows), rows[0]["auroc"]) == (len(found.columns), str(first.metrics.auroc))
    code, out, err = cli("analyze", "strange", "--against", "strange")
    assert (code, out) == (1, "")
    assert "--against strange is the run itself" in err
    code, _, err = cli("analyze", "strange", "--against", "test", "--out", "a")
    assert (code, "--out does not go with --against" in err) == (2, True)
    code, _, err = cli("analyze", "strange", "--against", "test", "--classes", "nothere.txt")
    assert (code, "--classes does not go with --against" in err) == (2, True)
