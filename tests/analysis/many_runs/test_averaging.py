"""`vog combine`: means over runs by hand, what is refused, and how many runs are enough."""

import csv
import io
import itertools
import json
import math
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, sem, spearmanr

import vog
import world
from command_line import Cli, score
from random_columns import Make, columns, noisy, statistic
from runs import INF, NAN
from vog.analysis.many_runs.alignment import align_runs
from vog.analysis.many_runs.averaging import combine
from vog.analysis.many_runs.ensemble_size import (
    EnsembleSizeCurve,
    Measurement,
    _agreement_interval,
    _runs_needed,
    ensemble_size_curve,
)
from vog.analysis.one_run.stability import spearman_brown
from vog.errors import DifferentQuestionError, ResultError
from vog.figures import charts, example_reader
from vog.figures.charts.ensemble_size_chart import ensemble_size_chart as drawn
from vog.result import Run, combined_run
from vog.result.derived_columns import class_z_score


def numbers(run: Run, *names: str) -> list[list[float]]:
    return [run.table([name]).column(0).to_pylist() for name in names]


def test_means_by_hand(make: Make, tmp_path: Path) -> None:
    """Two runs of cats a, c and dogs b, d.

    a: 1 and 3, mean 2; ranks 0 and 2/3, mean 1/3, deviations 1/3, so ddof 1 gives sqrt(2)/3 and
    the standard error 1/3. Within cats 1, 3 and 3, 1: z -1 and 1, mean 0 and standard error 1.
    b: 2 and 2; ranks 1/3 twice; dogs 2, 4 and 2, 4: z -1 twice.
    """
    runs = [
        make("one", {"vog@all": [1, 2, 3, 4]}),
        make("two", {"vog@all": [3, 2, 1, 4]}),
    ]
    out = combine(runs, tmp_path / "mean")
    assert out.columns == [
        *("index", "id", "label", "label_name", "prediction@all", "vog@all", "vog_rank@all"),
        *("vog_rank_se@all", "vog_z@all", "vog_z_se@all", "problem"),
    ]
    third = pytest.approx
    assert numbers(out, "vog@all", "vog_rank@all", "vog_rank_se@all") == [
        [2, 2, 2, 4],
        third([1 / 3, 1 / 3, 1 / 3, 1]),
        third([1 / 3, 0, 1 / 3, 0]),
    ]
    assert numbers(out, "vog_z@all", "vog_z_se@all") == [[0, -1, 0, 1], [1, 0, 1, 0]]
    assert numbers(out, "index", "id", "label", "label_name", "problem") == [
        [0, 1, 2, 3],
        list("abcd"),
        [0, 1, 0, 1],
        ["cat", "dog", "cat", "dog"],
        [None] * 4,
    ]


def test_means_are_those_of_the_derived_columns(make: Make, tmp_path: Path) -> None:
    runs = [make(f"run{i}", one) for i, one in enumerate(columns(1, 2, 3))]
    out = combine(runs, tmp_path / "mean")
    for column in runs[0].score_columns:
        name, _, stage = column.partition("@")
        for view, derived in (("rank", "rank"), ("z", "class")):
            of = np.stack([run.values(f"{column}:{derived}") for run in runs])
            mean, error = (out.values(f"{name}_{view}{which}@{stage}") for which in ("", "_se"))
            np.testing.assert_allclose(mean, of.mean(0), atol=1e-6)
            np.testing.assert_allclose(error, sem(of), atol=1e-6)  # ddof 1 by default
    assert out.score_columns == runs[0].score_columns


def test_columns_say_what_they_are(make: Make, tmp_path: Path) -> None:
    runs = [make(f"run{i}", {"aum@all": [1, 2, 3]}, higher="easier") for i in range(2)]
    out = combine(runs, tmp_path / "mean")
    told = {name: out.schema.field(name).metadata for name in out.columns}
    assert told["aum@all"] == runs[0].schema.field("aum@all").metadata
    assert told["aum_rank@all"] == {
        b"score": b"aum_rank",
        b"higher_means": b"easier",
        b"range": b"[0, 1]",
        b"unit": b"mean rank over 2 runs",
        b"source": b"source",
        b"of": b"aum@all",
    }
    assert told["aum_z@all"][b"range"] == b"[-inf, inf]"
    assert told["aum_z@all"][b"of"] == b"aum@all"
    assert told["aum_z_se@all"] == {
        b"unit": b"standard error of the mean z within the class over 2 runs",
        b"source": b"source",
    }
    assert out.top(1, by="aum_rank@all")["id"].to_pylist() == ["a"]
    with pytest.raises(ResultError, match="'aum_rank_se@all' is no score"):
        out.top(by="aum_rank_se@all")


def test_predictions_are_what_most_say(make: Make, tmp_path: Path) -> None:
    """a: 1 twice. b: 2 and 1 twice each, 2 said first. c: four classes. d: one run is silent."""
    said = ([0, 2, 3, 1], [1, 1, 0, 1], [1, 1, 1, -1], [2, 2, 2, 1])
    runs = [
        make(f"run{i}", {"vog@all": [1, 2, 3, 4]}, predictions=one) for i, one in enumerate(said)
    ]
    out = combine(runs, tmp_path / "mean")
    assert numbers(out, "prediction@all") == [[1, 2, 3, None]]
    turned = combine(runs[::-1], tmp_path / "turned")
    assert numbers(turned, "prediction@all") == [[1, 2, 2, None]]


def test_what_a_run_lacks_is_missing_and_told(make: Make, tmp_path: Path) -> None:
    """b was unreadable in one; c has no late score in two, and d has none anywhere."""
    runs = [
        make(
            "one",
            {"vog@all": [1, NAN, 3, 4], "vog@late": [1, NAN, 3, NAN]},
            problems={1: "unreadable"},
        ),
        make("two", {"vog@all": [3, 2, 1, 4], "vog@late": [1, 2, NAN, NAN]}),
        make("three", {"vog@all": [3, NAN, 1, 4], "vog@late": [1, 2, 3, NAN]}),
    ]
    out = combine(runs, tmp_path / "mean")
    views = ("vog", "vog_rank", "vog_rank_se", "vog_z", "vog_z_se")
    for name in views:
        of_all, late = numbers(out, f"{name}@all", f"{name}@late")
        assert [value is None for value in of_all] == [False, True, False, False]
        assert [value is None for value in late] == [False, True, True, True]
    assert numbers(out, "problem") == [
        [None, "one: unreadable; three: no vog@all", "two: no vog@late", None]
    ]
    again = [make(f"same{i}", {"vog@all": [1, NAN]}, problems={1: "torn"}) for i in range(2)]
    both = combine(again, tmp_path / "both")
    assert numbers(both, "problem") == [[None, "same0, same1: torn"]]


def test_infinities_stay(make: Make, tmp_path: Path) -> None:
    runs = [
        make("one", {"forgetting@all": [INF, INF, -INF, 1, 2]}, labels=[0] * 5),
        make("two", {"forgetting@all": [INF, 1, INF, 1, 2]}, labels=[0] * 5),
    ]
    out = combine(runs, tmp_path / "mean")
    assert numbers(out, "forgetting@all", "forgetting_z@all")[0] == [INF, INF, None, 1, 2]
    z, error = numbers(out, "forgetting_z@all", "forgetting_z_se@all")
    assert z[:3] == [INF, INF, None]
    assert error[:3] == [None, None, None]
    assert None not in numbers(out, "forgetting_rank@all")[0]


def test_sets_that_differ(make: Make, tmp_path: Path) -> None:
    """b, c, d are shared; ranks and classes are among them, in the order of the first."""
    where = {"data": "photos", "model": "net.py:build", "root": None}
    data = {"examples": 4, "digest": "x", "transform": "none"}
    one = make("one", {"vog@all": [9, 1, 2, 5]}, ids=["a", "b", "c", "d"], where=where, data=data)
    two = make(
        "two",
        {"vog@all": [4, 0, 8, 9]},
        ids=["d", "x", "b", "c"],
        labels=[1, 0, 1, 0],
        problems={1: "torn", 3: "dim"},
        where=where,
    )
    out = combine([one, two], tmp_path / "mean")
    assert numbers(out, "index", "id", "label") == [[0, 1, 2], ["b", "c", "d"], [1, 0, 1]]
    assert numbers(out, "vog@all", "vog_rank@all") == [[4.5, 5.5, 4.5], [0.25, 0.75, 0.5]]
    z = np.stack(
        [class_z_score(np.array(of), np.array([1, 0, 1])) for of in ([1.0, 2, 5], [8.0, 9, 4])]
    )
    np.testing.assert_allclose(out.values("vog_z@all"), z.mean(0))
    assert numbers(out, "problem") == [[None, "two: dim", None]]
    kept = {"data": "photos", "root": None, "combined": ["one", "two"]}
    assert out.question["where"] == kept, "files are found by their ids"
    assert out.question["data"] == {"examples": 3, "transform": "none", "part": True}
    with pytest.raises(ResultError, match="only a part of the rows of its data"):
        out.require_row_numbers()


@pytest.mark.parametrize(
    "where",
    [{"data": "x.npz"}, {"data": "net.py:data"}, {"data": None}, {"gradients": "maps"}, {}],
    ids=str,
)
def test_a_part_of_what_is_found_by_number(
    make: Make,
    tmp_path: Path,
    where: dict[str, str],
) -> None:
    """Its numbers are those of the part, and would lead to other rows."""
    one = make("one", {"vog@all": [1, 2, 3]}, where=where)
    two = make("two", {"vog@all": [1, 2]}, ids=["b", "c"], labels=[1, 0], where=where)
    question = combine([one, two], tmp_path / "mean").question
    assert question["where"] == {"combined": ["one", "two"]}


def test_the_question_of_a_combined_run(make: Make, tmp_path: Path) -> None:
    asked = {
        "checkpoints": [{"step": 1, "sha256": "x"}, {"step": 2, "sha256": "y"}],
        "stages": {"all": [0, 2]},
        "target": "logit",
        "scores": [{"name": "vog", "channels": "mean"}, {"name": "aum"}],
        "where": {"data": "photos", "model": "net.py:build", "root": "r", "checkpoints": ["a"]},
    }
    one = make("one", {"vog@all": [1, 2], "aum@all": [1, 2]}, **asked)
    other = [{"step": 1, "sha256": "v"}, {"step": 2, "sha256": "w"}]
    two = make("two", {"vog@all": [1, 2]}, **asked | {"checkpoints": other})
    question = combine([one, two], tmp_path / "mean").question
    first, second = (entry.pop("question") for entry in question["combined"])
    assert len({first, second, combined_run._run_digest({})}) == 3
    assert question == {
        "vog": question["vog"],
        "combined": [{}, {}],
        "checkpoints": [{"step": 1}, {"step": 2}],
        "stages": {"all": [0, 2]},
        "data": {"examples": 2, "label_names": ["cat", "dog"]},
        "target": "logit",
        "scores": [{"name": "vog", "channels": "mean"}],
        "rows_per_part": combined_run._ROWS_PER_PART,
        "where": {"data": "photos", "root": "r", "combined": ["one", "two"]},
    }
    third = make("three", {"vog@all": [1, 2]}, **asked | {"checkpoints": [{"step": 7}]})
    question = combine([one, third], tmp_path / "with three").question
    assert (question["checkpoints"], question["stages"]) == ([], {})


def test_the_same_again_is_there_already(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parts of two rows; one that is lost is written again, and the others are not touched."""
    monkeypatch.setattr(combined_run, "_ROWS_PER_PART", 2)
    runs = [make(f"run{i}", {"vog@all": [i, 1, 2, 3, 4]}, target=f"t{0}") for i in range(3)]
    out = combine(runs, tmp_path / "mean")
    before = out.table()
    files = {path: path.stat().st_mtime_ns for path in out.part_files}
    assert [path.name[-10:] for path in files] == [f"{n}.parquet" for n in ("-2", "-2", "-1")]
    assert combine(runs, tmp_path / "mean").part_files == list(files)
    lost = out.part_files[1]
    lost.unlink()
    again = combine(runs, tmp_path / "mean")
    assert again.table().equals(before)
    assert {path: path.stat().st_mtime_ns for path in files if path != lost} == {
        path: time for path, time in files.items() if path != lost
    }
    with pytest.raises(DifferentQuestionError, match="combined"):
        combine(runs[:2], tmp_path / "mean")
    assert combine(runs[:2], tmp_path / "mean", overwrite=True).values("vog@all")[0] == 0.5


def test_problems_stay_with_their_rows(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(combined_run, "_ROWS_PER_PART", 2)
    runs = [make(f"run{i}", {"vog@all": [1, 2, 3, NAN, 5]}, problems={3: "p"}) for i in range(2)]
    out = combine(runs, tmp_path / "mean")
    assert [value is None for value in numbers(out, "problem")[0]] == [True] * 3 + [False, True]
    assert numbers(out, "id") == [list("abcde")]


def test_runs_that_cannot_be_combined(make: Make, tmp_path: Path) -> None:
    same = {"target": "logit", "scores": [{"name": "vog"}]}
    one = make("one", {"vog@all": [1, 2, 3]}, **same)
    other = make("labels", {"vog@all": [1, 2, 3]}, labels=[0, 0, 1], target="logit")
    out, scores = tmp_path / "out", [{"name": "vog", "channels": "keep"}]
    keep = make("keep", {"vog@all": [1, 2, 3]}, target="logit", scores=scores)
    with pytest.raises(ResultError, match="out='.*one' is one of the runs. Give another"):
        combine([one, make("same", {"vog@all": [1, 2, 3]})], tmp_path / "x" / ".." / "one")
    with pytest.raises(ResultError, match=r"labels of 2 of 3 .* differ: b, c\. Combine runs"):
        combine([one, make("l2", {"vog@all": [1, 2, 3]}, labels=[0, 0, 1], **same)], out)
    with pytest.raises(ResultError, match="the target of .*loss is 'loss', that of .*one 'logit'"):
        combine([one, make("loss", {"vog@all": [1, 2, 3]}, target="loss")], out)
    with pytest.raises(ResultError, match="vog is not the same score in all runs: {'name': 'vog'}"):
        combine([one, keep], out)
    with pytest.raises(ResultError, match="vog is not the same score in all runs"):
        combine(
            [other, make("turned", {"vog@all": [1, 2, 3]}, higher="easier", target="logit")], out
        )
    short = make("short", {"vog@all": [1, 2, 3]}, data={"examples": 5})
    with pytest.raises(ResultError, match=r"short has 3 rows, and 2 are missing\. Call `vog"):
        combine([one, short], out)
    with pytest.raises(ResultError, match="1 run given"):
        combine([one], out)
    assert not out.exists()


def asked(weights: str, **more: Any) -> dict[str, Any]:
    steps = [{"step": step, "sha256": f"{weights}{step}"} for step in (1, 2, 3)]
    return {"checkpoints": steps, "stages": {"early": [0, 2], "all": [0, 3]}} | more


@pytest.mark.slow
def test_runs_whose_means_would_mislead(make: Make, tmp_path: Path) -> None:
    values, out = {"vog@all": [1, 2], "vog@early": [1, 2]}, tmp_path / "out"
    one, two = make("one", values, **asked("a")), make("two", values, **asked("b"))
    with pytest.raises(ResultError, match="one and .*copy were scored under the same weights"):
        combine([one, two, make("copy", values, **asked("a"))], out)
    mean = combine([one, two], tmp_path / "mean")
    with pytest.raises(
        ResultError, match="mean is itself .* over 2 runs.*runs at once: it was made from one, two."
    ):
        combine([mean, make("three", values, **asked("c"))], out)
    unnamed = make("unnamed", values, combined=[{}, {}])
    with pytest.raises(ResultError, match=r"Combine all single runs at once\.$"):
        combine([one, unnamed], out)
    spans = asked("c", stages={"early": [0, 1], "all": [0, 3]})
    with pytest.raises(
        ResultError, match=r"early has the checkpoints \[0, 2\] in .*one and \[0, 1"
    ):
        combine([one, make("spans", values, **spans)], out)
    spans["checkpoints"] = [one | {"step": 7 * one["step"]} for one in spans["checkpoints"]]
    with pytest.raises(
        ResultError, match=r"early has the checkpoints \[0, 2\] in .*one and \[0, 1"
    ):
        combine([one, make("other steps", values, **spans)], out)
    longer = asked("c", stages={"early": [0, 3], "all": [0, 4]})
    longer["checkpoints"].append({"step": 4, "sha256": "c4"})
    assert combine([one, make("longer", values, **longer)], tmp_path / "both").rows == 2
    ways = [{"examples": 2, "transform": way, "label_names": ["cat", "dog"]} for way in "xy"]
    shown = [make(f"way{i}", values, **asked(f"w{i}", data=way)) for i, way in enumerate(ways)]
    with pytest.raises(ResultError, match="transform of .*way1 is 'y', that of .*way0 'x'"):
        combine(shown, out)
    names = asked("c", data={"examples": 2, "label_names": ["dog", "cat"]})
    with pytest.raises(ResultError, match="class 0 is 'cat' in .*one and 'dog' in .*names, so"):
        combine([one, make("names", values, **names)], out)
    taken = [make(f"own{i}", {"vog@all": [1, 2], "vog_rank@all": [1, 2]}) for i in range(2)]
    with pytest.raises(ResultError, match="have a score vog_rank, which is the name of a column"):
        combine(taken, out)
    assert not out.exists()


def test_all_rows_of_the_first_are_still_its_data(make: Make, tmp_path: Path) -> None:
    data = {"examples": 2, "digest": "x"}
    few = make("few", {"vog@all": [1, 2]}, data=data, where={"data": "photos"})
    more = make("more", {"vog@all": [1, 2, 3]})
    question = combine([few, more], tmp_path / "mean").question
    assert question["data"] == data
    assert question["where"] == {"data": "photos", "combined": ["few", "more"]}
    moved = [
        vog.open(one.folder.rename(tmp_path / f"moved {one.folder.name}")) for one in (few, more)
    ]
    assert combine(moved, tmp_path / "mean").rows == 2, "names are not asked for"


def test_a_combined_run_is_sorted_by_its_mean_z(make: Make, tmp_path: Path) -> None:
    """The gradients of the one are a hundred times as large, which a mean of values would show."""
    one = make("one", {"vog@all": [100, 200, 300, 400]}, labels=[0] * 4)
    two = make("two", {"vog@all": [4, 1, 2, 3]}, labels=[0] * 4)
    mean = combine([one, two], tmp_path / "mean")
    assert mean.default_column == "vog_z@all"
    assert mean.top(4)["id"].to_pylist() == ["d", "a", "c", "b"], "a and c are equal"
    assert mean.top(4, by="vog@all")["id"].to_pylist() == ["d", "c", "b", "a"]
    assert one.default_column == "vog@all:class"
    three = make("three", {"vog@all": [4, 3, 1, 2]}, labels=[0] * 4)
    other = combine([two, three], tmp_path / "other")
    found = vog.compare([mean, other], scores=["vog_z"])
    assert [of.column for of in found.mean_agreements] == ["vog_z@all"]
    assert vog.compare([mean, other]).main_column == "vog_z@all"
    assert vog.compare([mean, other], scores=["vog_rank"]).main_column == "vog_rank@all"
    for runs in ([mean, one], [one, mean]):
        assert vog.compare(runs).main_column == "vog@all:class", "single runs have no view"


def test_where_most_are_alone_in_their_class_the_mean_rank_decides(
    make: Make,
    tmp_path: Path,
) -> None:
    runs = [make(f"run{i}", {"vog@all": [1, 2, 3]}, labels=[0, 1, 2]) for i in range(2)]
    assert runs[0].default_column == "vog@all"
    assert combine(runs, tmp_path / "mean").default_column == "vog_rank@all"
    own = make("own", {"vog@all": [1, 2, 3, 4], "vog_z@all": [1, 2, 3, 4]})
    assert own.default_column == "vog@all:class", "a score of the user's own is no mean z"


def test_the_data_that_are_others(make: Make) -> None:
    """Told where rows are matched by number, of the runs that say what their data are."""
    ids, digests = ["0", "1"], ("x", "x", None, "y")
    runs = [
        make(f"run{i}", {"vog@all": [1, 2]}, ids=ids, data={"examples": 2, "digest": digest})
        for i, digest in enumerate(digests)
    ]
    assert align_runs(runs).runs_of_other_data == ("run3",)
    assert align_runs(runs[:3]).runs_of_other_data == ()
    assert align_runs(runs[2:]).runs_of_other_data == (), "the first does not say"
    named = [
        make(f"named{i}", {"vog@all": [1, 2]}, data={"examples": 2, "digest": str(i)})
        for i in range(2)
    ]
    assert align_runs(named).runs_of_other_data == ()


def curve_by_hand(ranks: np.ndarray, size: int) -> list[float]:
    """Every two disjoint sets, each pair counted in both orders."""
    sets = list(itertools.combinations(range(len(ranks)), size))
    return [
        statistic(spearmanr, *(ranks[list(of)].mean(0).round(9) for of in (a, b)))
        for a in sets
        for b in sets
        if not set(a) & set(b)
    ]


def test_the_curve_against_a_loop(make: Make) -> None:
    """Five runs; c lacks a value in one and is left out of all."""
    values = np.stack([noisy(26, seed) for seed in range(5)])
    values[1, 2] = NAN
    runs = [
        make(f"run{i}", {"aum@all": of}, higher="easier") for i, of in enumerate(values.tolist())
    ]
    found = ensemble_size_curve(runs, "aum@all")
    kept = np.delete(np.float32(values), 2, axis=1)
    ranks = np.stack([rankdata(of) for of in kept])
    assert (found.runs, found.examples) == (5, 25)
    assert [(one.runs, one.pairs) for one in found.measured] == [(1, 10), (2, 15)]
    for one in found.measured:
        expected = curve_by_hand(ranks, one.runs)
        assert len(expected) == 2 * one.pairs
        assert (one.mean, one.low, one.high) == pytest.approx(
            (np.mean(expected), min(expected), max(expected))
        )
    assert [one.runs for one in found.predicted] == list(range(1, 11))
    assert found.predicted[0].value == pytest.approx(found.measured[0].mean)
    assert found.predicted[2].value == pytest.approx(spearman_brown(found.measured[0].mean, 3))
    assert ensemble_size_curve(runs).column == "aum@all"
    both = make("both", {"vog@all": [1, 2], "vog@late": [1, 2], "aum@all": [1, 2]})
    other = make("other", {"vog@late": [1, 2], "aum@all": [1, 2]})
    assert ensemble_size_curve([both, other]).column == "aum@all", "the other lacks the usual one"


def test_many_pairs_are_drawn_the_same_each_time(make: Make) -> None:
    """Of 8 runs, 28 pairs of one and 28 x 15 / 2 = 210 of two, of which 50 are taken."""
    runs = [make(f"run{i}", {"aum@all": noisy(26, i)}) for i in range(8)]
    found = ensemble_size_curve(runs, "aum@all")
    assert [(one.runs, one.pairs) for one in found.measured] == [(1, 28), (2, 50), (3, 50), (4, 35)]
    assert ensemble_size_curve(runs, "aum@all") == found
    ranks = np.stack([rankdata(run.values("aum@all")) for run in runs])
    assert found.measured[1].mean == pytest.approx(np.mean(curve_by_hand(ranks, 2)), abs=0.03)
    assert found.measured[3].mean == pytest.approx(np.mean(curve_by_hand(ranks, 4)))


def test_predictions_by_hand() -> None:
    """r = 1/2: 2 r / (1 + r) = 2/3, 9 r / (1 + 8 r) = 9/10; so 9 runs are enough."""
    assert spearman_brown(0.5, 1) == 0.5
    assert spearman_brown(0.5, 2) == pytest.approx(2 / 3)
    assert spearman_brown(0.5, 9) == pytest.approx(0.9)
    assert spearman_brown(0.0, 5) == 0
    assert math.isnan(spearman_brown(-0.1, 11))


@given(st.floats(0, 1), st.integers(1, 20), st.integers(1, 20))
def test_a_mean_of_means_is_a_mean(alone: float, first: int, second: int) -> None:
    """Groups of groups are predicted as one group of all."""
    whole = spearman_brown(alone, first * second)
    assert spearman_brown(spearman_brown(alone, first), second) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([1, 1, 1], "in at least one of the runs the 3 examples that have a value in all of them"),
        ([NAN, NAN, 1], "one example has a value in all of the runs."),
        ([NAN, NAN, NAN], "no example has a value in all of the runs."),
    ],
)
def test_nothing_to_tell_and_why(make: Make, values: list[float], why: str) -> None:
    runs = [make("one", {"aum@all": [1, 2, 3]}), make("two", {"aum@all": values})]
    curve = ensemble_size_curve(runs)
    assert curve.summary.startswith(f"Agreement by aum@all is not defined: {why}")
    assert json.loads(json.dumps(drawn(curve).to_dict(), allow_nan=False))


def found(monkeypatch: pytest.MonkeyPatch, make: Make, value: float) -> EnsembleSizeCurve:
    """The curve where single runs agree at this value."""
    monkeypatch.setattr("vog.analysis.many_runs.ensemble_size.spearman", lambda one, other: value)
    runs = [make(f"run{i}", {"aum@all": [1, 2, 3]}) for i in range(2)]
    return ensemble_size_curve(runs)


@pytest.mark.parametrize(
    ("alone", "enough", "said", "title"),
    [
        (
            0.5,
            9,
            "0.67; 0.9 needs about 9 (predicted; two runs give",
            "0.5; 0.9 would need means of about 9",
        ),
        (0.95, 1, "0.97; 0.9 needs about 1 (predicted; two runs give", "0.95: one is enough"),
        (0.1, None, "0.18; 0.9 needs more than 50", "0.1; 0.9 would need means of over 50"),
        (9 / 59, 50, "needs about 50 (", "means of about 50"),
        (-0.2, None, "single runs do not agree", "Single runs do not agree on what is hard"),
        (NAN, None, "is not defined: in", "Nothing can be told: not every run ranks"),
    ],
)
def test_how_many_are_enough(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    alone: float,
    enough: int | None,
    said: str,
    title: str,
) -> None:
    curve = found(monkeypatch, make, alone)
    assert curve.enough == enough
    assert said in curve.summary
    spec = drawn(curve).to_dict()
    shown = spec["title"]["text"]
    assert title in (shown if isinstance(shown, str) else " ".join(shown))
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


def test_the_table_says_what_was_measured(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = found(monkeypatch, make, 0.5).rows()
    assert [row["runs averaged"] for row in rows] == list(range(1, 11))
    assert (rows[0]["measured"], rows[0]["lowest"], rows[0]["highest"]) == (0.5, 0.5, 0.5)
    assert rows[0]["pairs"] == 1
    assert {rows[1][name] for name in ("measured", "lowest", "highest", "pairs")} == {None}
    assert rows[1]["predicted"] == pytest.approx(2 / 3)


MEASURED = (Measurement(1, 1, -0.1, -0.3, 0.2),)


def test_what_the_chart_holds() -> None:
    curve = EnsembleSizeCurve(
        "vog@all", 2, 9, (Measurement(1, 1, -0.1, -0.3, 0.2),), (), 0.9, None, None, None
    )
    spec = drawn(curve).to_dict()
    rows = [row for layer in spec["layer"] for row in layer["data"]["values"]]
    assert {"runs": 1, "value": -0.1, "low": -0.3, "high": 0.2}.items() <= rows[-1].items()
    assert "measured" in rows[-1]["kind"]
    assert spec["layer"][-1]["encoding"]["y"]["scale"]["domain"] == [-0.3, 1]
    assert "2 runs, 9 examples ranked by vog@all" in " ".join(spec["title"]["subtitle"])


@pytest.mark.slow
def test_a_combined_run_does_what_others_do(cli: Cli) -> None:
    """Two seeds that are scored and combined; then every command that reads a run."""
    world.save_checkpoints(Path("d"), 3, seed=5)
    score(cli, out="one")
    score(cli, out="two", checkpoints="d/*.pt")
    code, out, err = cli("combine", "one", "two", "--out", "mean", "--chart", "seeds.svg")
    assert code == 0
    assert out.startswith("mean: 20 rows, means over 2 runs\n")
    assert ensemble_size_curve([vog.open("one"), vog.open("two")]).summary in out
    assert "With 2 runs only single runs can be compared" in err
    assert "<svg" in Path("seeds.svg").read_text()
    code, out, err = cli("top", "mean", "--by", "vog_rank@all", "--count", "3", "--format", "json")
    # These networks are random, and do not know the labels.
    assert (code, err.partition(" agree with ")[0]) == (0, "warning: most last checkpoints")
    first = json.loads(out)[0]
    mean = vog.open("mean").values("vog_rank@all")
    assert first["vog_rank@all"] == mean.max()
    assert first["id"] == str(mean.argmax())
    for words in (
        "analyze mean",
        "report mean --quiet",
        "export mean --out mean.csv",
        "compare mean one --scores vog",
    ):
        code, _, err = cli(*words.split())
        assert (code, err) == (0, ""), words
    assert Path("report.html").is_file()


def test_the_command_for_programs_and_mistakes(cli: Cli, make: Make) -> None:
    for i in range(4):
        make(f"run{i}", {"aum@all": noisy(26, i)})
    runs = [f"run{i}" for i in range(4)]
    code, _, err = cli("combine", *runs, "--out", "mean", "--chart", "seeds.gif")
    assert (code, err) == (
        1,
        "Error: seeds.gif: a chart is saved as .png, .svg, .html, .json.\n",
    )
    code, _, err = cli("combine", *runs, "--out", "mean", "--by", "vog@all")
    assert (code, "run0 has no column 'vog@all'" in err) == (1, True)
    assert not Path("mean").exists()
    code, _, err = cli("combine", *runs, "--out", "mean", "--chart", "no/where/c.png")
    assert (code, "there is no folder no/where" in err) == (2, True)
    assert not Path("mean").exists()
    code, out, err = cli("combine", *runs, "--out", "mean", "--format", "csv", "--chart", "c.png")
    assert (code, err) == (0, "mean: 26 rows, means over 4 runs\nc.png\n")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["pairs"] for row in rows[:3]] == ["6", "3", ""]
    code, _, err = cli("combine", *runs[:2], "--out", "mean")
    assert (code, "combined" in err) == (1, True)
    code, out, _ = cli("combine", *runs[:2], "--out", "mean", "--overwrite", "--format", "json")
    assert (code, json.loads(out)[0]["runs averaged"]) == (0, 1)
    assert charts.FORMATS[0] == "png"


def test_the_command_says_what_it_matched(cli: Cli, make: Make) -> None:
    ids = ["0", "1", "2"]
    make("one", {"vog@all": [1, 2, 3]}, ids=ids, data={"examples": 3, "digest": "x"})
    make("two", {"vog@all": [1, 2]}, ids=ids[:2], data={"examples": 2, "digest": "y"})
    code, _, err = cli("combine", "one", "two", "--out", "mean")
    assert code == 0
    assert "Warning: the data of two are not those of the first run, and rows were matched" in err
    assert "one has 1 rows that are not in all runs. They are left out." in err
    _, _, err = cli("compare", "one", "two", "--format", "csv")
    assert err == "one has 1 rows that are not in all runs. They are left out.\n"
    for name in ("a", "b"):
        make(name, {"vog@all": [1, 2]}, data={"examples": 2, "digest": name})
    assert "Warning" not in cli("combine", "a", "b", "--out", "names")[2], "ids of their own"


def test_rows_of_a_part_are_not_looked_up_by_number(make: Make, tmp_path: Path) -> None:
    """Row 0 of the part is b, whose picture is the second of the file."""
    np.savez(tmp_path / "d.npz", images=np.zeros((3, 4, 4), np.uint8), labels=np.zeros(3, int))
    few = make("few", {"vog@all": [1, 2]}, ids=["b", "c"], labels=[0, 0])
    all_ = make("all", {"vog@all": [1, 2, 3]}, labels=[0, 0, 0])
    part = combine([all_, few], tmp_path / "part")
    for where in ({"root": tmp_path / "d.npz"}, {"data": np.zeros((3, 4, 4))}):
        with pytest.raises(ResultError, match="only a part of the rows of its data"):
            example_reader.reader(part, **where)  # type: ignore[arg-type]


def test_the_range_of_how_many_by_hand() -> None:
    """Three runs whose pairs agree at tanh 0.3, 0.4 and 0.5: left out singly, each pair stands.

    Their mean is 0.4, the jackknife's error sqrt(2 / 3 * 0.02), and t(0.95, 2) is 2.919986.
    """
    error = 2.919986 * (2 / 3 * 0.02) ** 0.5
    values = {(0, 1): 0.3, (0, 2): 0.4, (1, 2): 0.5}
    rows = np.arange(6).reshape(3, 2).astype(float)

    def agree(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.tanh(values[int(one[0]) // 2, int(other[0]) // 2]))

    with patch("vog.analysis.many_runs.ensemble_size.spearman", agree):
        low, high = _agreement_interval(rows)
    assert (low, high) == pytest.approx((np.tanh(0.4 - error), np.tanh(0.4 + error)), rel=1e-6)
    assert _runs_needed(0.95) == 1
    assert _runs_needed(0.5) == 9
    assert _runs_needed(0.1) is None


def test_the_range_of_how_many_covers() -> None:
    """Runs that share 3/8 of their variance: by Spearman 16 are needed, and three runs are had."""
    rng, inside = np.random.default_rng(0), []
    for _ in range(60):
        shared = np.sqrt(0.375 / 0.625) * rng.normal(size=300)
        ranks = (shared + rng.normal(size=(3, 300))).argsort(axis=1).argsort(axis=1)
        low, high = _agreement_interval(ranks.astype(float))
        most = _runs_needed(low)
        inside.append((_runs_needed(high) or 99) <= 16 <= (most or 99))
    assert np.mean(inside) >= 0.8
