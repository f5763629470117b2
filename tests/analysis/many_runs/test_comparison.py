"""`vog compare`: agreement against SciPy and by hand, whatever the order of the rows."""

import csv
import io
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata, spearmanr

import vog
from command_line import Cli
from random_columns import Make, columns, statistic
from vog.analysis.many_runs.alignment import align_runs
from vog.analysis.many_runs.comparison import compare
from vog.analysis.many_runs.question_diff import question_differences
from vog.analysis.many_runs.top_overlap import overlap
from vog.errors import ResultError
from vog.result import Run

INF, NAN = float("inf"), float("nan")


def test_correlations_are_those_of_scipy(make: Make) -> None:
    one, other = columns(1, 2)
    other["vog@late"][3], one["vog@late"][4], one["vog@late"][5] = NAN, INF, -INF
    found = compare([make("one", one), make("two", other)])
    assert [agreement.column for agreement in found.agreements] == [
        "vog@all:class",
        "vog@all",
        "vog@late",
        "aum@all",
    ]
    for agreement in found.agreements[1:]:
        pair = np.array([one[agreement.column], other[agreement.column]])
        a, b = pair[:, ~np.isnan(pair).any(axis=0)]
        assert agreement.examples == len(a) == (25 if agreement.column == "vog@late" else 26)
        assert agreement.spearman == pytest.approx(statistic(spearmanr, rankdata(a), rankdata(b)))
        assert agreement.kendall == pytest.approx(statistic(kendalltau, a, b))
        assert agreement.pair == ("one", "two")
    assert found.mean_agreements[0].pair is None
    assert found.mean_agreements[1].spearman == found.agreements[1].spearman


def test_infinities_are_ranked_before_scipy_sees_them(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SciPy 1.11 has no tau of values that hold both."""
    seen: list[np.ndarray] = []

    def tau(one: np.ndarray, other: np.ndarray) -> Any:
        seen.extend((one, other))
        return kendalltau(one, other)

    monkeypatch.setattr("vog.analysis.many_runs.comparison.kendalltau", tau)
    runs = [
        make("one", {"aum@all": [INF, 1, -INF, 2]}),
        make("two", {"aum@all": [3, -INF, 1, INF]}),
    ]
    # Ranks 3, 1, 0, 2 and 2, 0, 1, 3: of 6 pairs 4 are in the same order.
    assert compare(runs).agreements[0].kendall == pytest.approx((4 - 2) / 6)
    assert np.isfinite(seen).all()


def test_the_mean_is_over_pairs(make: Make) -> None:
    first, *others = columns(1, 2, 3)
    first["aum@all"][0] = NAN
    runs = [make(f"run{i}", one) for i, one in enumerate([first, *others])]
    found = compare(runs, ["aum"])
    assert [one.examples for one in (*found.agreements, *found.mean_agreements)] == [25, 25, 26, 25]
    assert found.main_column == "aum@all"
    assert [one.pair for one in found.agreements] == [
        ("run0", "run1"),
        ("run0", "run2"),
        ("run1", "run2"),
    ]
    for name in ("spearman", "kendall"):
        mean = np.mean([getattr(one, name) for one in found.agreements])
        assert getattr(found.mean_agreements[0], name) == pytest.approx(mean)
    ends = [one.overlaps[2].overlap for one in found.agreements]
    assert found.mean_agreements[0].overlaps[2].overlap == pytest.approx(np.mean(ends))
    assert "on average over 3 pairs" in found.summary


def test_a_small_value_may_be_the_hard_one(make: Make) -> None:
    """By aum 1, the smallest, is the hardest; by the run that turned it over, 3."""
    low = make("low", {"aum@all": [1, 2, 3]}, higher="easier")
    same = make("same", {"aum@all": [5, 6, 7]}, higher="easier")
    turned = make("turned", {"aum@all": [3, 2, 1]})
    found = compare([low, same, turned])
    assert [one.spearman for one in found.agreements] == pytest.approx([1, 1, 1])
    assert [one.overlaps[0].overlap for one in found.agreements] == [1, 1, 1]
    other = compare([low, make("other", {"aum@all": [7, 6, 5]}, higher="easier")])
    assert other.agreements[0].overlaps[0].overlap == 0
    assert [(one.id, one.ranks) for one in other.moved_examples] == [("a", (1, 0)), ("c", (0, 1))]


@pytest.mark.parametrize(
    ("one", "other"),
    [([1.0, 1, 1], [1.0, 2, 3]), ([NAN, NAN, 1], [1.0, 2, 3]), ([NAN] * 3, [NAN, 1, 2])],
)
def test_what_cannot_be_ranked_is_nan(make: Make, one: list[float], other: list[float]) -> None:
    found = compare([make("one", {"vog@all": one}), make("two", {"vog@all": other})], by="vog@all")
    assert np.isnan([found.agreements[0].spearman, found.agreements[0].kendall]).all()
    assert "vog@all cannot be compared by rank" in found.summary
    json.dumps(found.as_dict())


def test_an_overlap_by_hand() -> None:
    """Of 10 the hardest 20 % are 2; by the first 9 and 8, by the second 9 and one of three.

    Above the cut of the second is 9; 6, 7 and 8 are at it and in with 1/3 each, so that 1 + 1/3 of
    the 2 are expected.
    """
    first = np.arange(10.0)
    second = np.array([0, 0, 0, 0, 0, 0, 5, 5, 5, 7.0])
    found = overlap(first, second, 0.2)
    assert (found.count, found.chance) == (2, 0.2)
    assert found.overlap == pytest.approx((1 + 1 / 3) / 2)
    assert overlap(second, first, 0.2) == found
    assert overlap(first, first, 0.2).overlap == 1
    assert overlap(first, -first, 0.2).overlap == 0
    # Both straddle: 9 is above in both, and each of 6, 7, 8 is in both with 1/9.
    assert overlap(second, second, 0.2).overlap == pytest.approx((1 + 3 / 9) / 2)
    # 9 is above in both, and 6, above in the third, is at the cut of the second: 1 + 1/3.
    third = np.array([0, 0, 0, 0, 0, 0, 9, 0, 0, 4.0])
    assert overlap(second, third, 0.2).overlap == pytest.approx((1 + 1 / 3) / 2)


def test_the_hard_end_has_one_example_at_least_and_infinities() -> None:
    values = np.array([1, 2, INF, -INF])
    found = overlap(values, np.array([0, 0, 1.0, 0]), 0.01)
    assert (found.count, found.overlap, found.chance) == (1, 1, 0.25)
    empty = overlap(values[:0], values[:0], 0.05)
    assert empty.count == 0
    assert np.isnan([empty.overlap, empty.chance]).all()


@given(st.lists(st.sampled_from([0.0, 1, 2, INF]), min_size=1, max_size=30))
def test_a_constant_shares_what_chance_gives(values: list[float]) -> None:
    found = overlap(np.array(values, np.float64), np.ones(len(values)), 0.1)
    assert found.overlap == pytest.approx(found.chance)


@given(st.data())
def test_the_overlap_is_what_drawing_gives_on_average(data: st.DataObject) -> None:
    """All ways to break the ties of four examples, in each of two rankings by itself."""
    few = st.lists(st.integers(0, 2), min_size=4, max_size=4)
    one, other = (np.array(data.draw(few), np.float64) for _ in range(2))

    def tops(values: np.ndarray) -> list[set[int]]:
        orders = itertools.permutations(range(4))
        return [set(sorted(order, key=lambda i: -values[i])[:2]) for order in orders]

    mean = np.mean([len(a & b) / 2 for a in tops(one) for b in tops(other)])
    assert overlap(one, other, 0.5).overlap == pytest.approx(mean)


def test_the_order_of_the_rows_changes_nothing(make: Make) -> None:
    """Ties everywhere: also at the cuts, and among those that moved."""
    one, other = columns(3, 4)
    ids = list("abcdefghijklmnopqrstuvwxyz")
    for scores in (one, other):
        scores["aum@all"] = [round(value) for value in scores["aum@all"]]
    order = np.random.default_rng(0).permutation(26)
    turned = make(
        "turned",
        {name: [of[i] for i in order] for name, of in other.items()},
        ids=[ids[i] for i in order],
        labels=[int(i) % 2 for i in order],
    )
    first = make("one", one)
    for by in ("aum@all", "vog@all:class"):
        a = compare([first, make(f"two-{by[:3]}", other)], by=by)
        for b in (compare([first, turned], by=by), compare([turned, first], by=by)):
            assert b.shared == 26
            for mine, its in zip(a.mean_agreements, b.mean_agreements, strict=True):
                assert its.spearman == pytest.approx(mine.spearman)
                assert its.overlaps == mine.overlaps
            assert [m.id for m in b.moved_examples] == [m.id for m in a.moved_examples]
            assert b.differing_labels == 0


def test_examples_that_moved_by_hand(make: Make) -> None:
    """Ranks a, b, c, d: 0, 1/3, 2/3, 1 and 2/3, 1/3, 0, 1 and 2/3, 0, 1/3, 1; e has no value."""
    ids = list("eabcd")
    runs = [
        make("one", {"vog@all": [9, 1, 2, 3, 4]}, ids=ids, labels=[1, 0, 1, 0, -1]),
        make("two", {"vog@all": [NAN, 3, 2, 1, 4]}, ids=ids, labels=[1, 0, 1, 1, -1]),
        make("three", {"vog@all": [9, 3, 1, 2, 4]}, ids=ids, labels=[1, 0, 1, 0, -1]),
    ]
    found = compare(runs, by="vog@all")
    assert [one.id for one in found.moved_examples] == ["a", "c", "b"], (
        "equal ones by id, and not d"
    )
    a, c, b = found.moved_examples
    assert (a.label, a.label_name, b.label, b.label_name) == (0, "cat", 1, "dog")
    assert a.ranks == pytest.approx((0, 2 / 3, 2 / 3))
    assert c.ranks == pytest.approx((2 / 3, 0, 1 / 3))
    assert [one.difference for one in found.moved_examples] == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert found.differing_labels == 1
    assert [one.id for one in compare(runs, by="vog@all", count=1).moved_examples] == ["a"]
    last = make("four", {"vog@all": [0, 3, 2, 4, 1]}, ids=ids, labels=[1, 0, 1, 0, -1])
    moved = compare([runs[0], last], by="vog@all").moved_examples
    assert {one.id: one.label for one in moved}["d"] is None


def test_equal_changes_are_not_told_apart_by_rounding(make: Make) -> None:
    """Four change by two of ten steps: 0.3 - 0.1 is less than 0.2 - 0 in floating point."""
    rest = [4, 5, 6, 7, 8, 9, 10]
    runs = [
        make("one", {"vog@all": [1, 3, 0, 2, *rest]}),
        make("two", {"vog@all": [3, 1, 2, 0, *rest]}),
    ]
    assert [one.id for one in compare(runs, by="vog@all").moved_examples] == ["a", "b", "c", "d"]


def test_sets_that_differ(make: Make) -> None:
    """b and c are shared: 1 < 2 in the one, 8 > 7 in the other; what is left out has no rank."""
    one = make("one", {"vog@all": [5, 1, 2]}, ids=["a", "b", "c"])
    two = make("two", {"vog@all": [7, 0, 8, 9]}, ids=["c", "x", "b", "y"], labels=[0, 0, 1, 0])
    joined = align_runs([one, two])
    assert joined.ids.to_pylist() == ["b", "c"]
    assert [place.tolist() for place in joined.positions] == [[1, 2], [2, 0]]
    assert not joined.covers_first_run
    assert align_runs([make("few", {"vog@all": [1]}, ids=["x"]), two]).covers_first_run
    found = compare([one, two], by="vog@all")
    assert (found.shared, found.unshared, found.differing_labels) == (2, (1, 2), 0)
    assert found.agreements[0].spearman == pytest.approx(-1)
    assert [one.ranks for one in found.moved_examples] == [(0, 1), (1, 0)]


def test_scores_may_be_named_in_three_ways(make: Make) -> None:
    runs = [make(f"run{i}", one) for i, one in enumerate(columns(1, 2))]

    def found(*names: str) -> list[str]:
        return [one.column for one in compare(runs, names).mean_agreements]

    assert found("vog@late") == ["vog@late"]
    assert found("vog", "aum") == ["vog@all:class", "vog@all", "vog@late", "aum@all"]
    assert found("aum:class") == ["aum@all:class"]
    assert found("aum", "aum@all") == ["aum@all"]


def one_more(make: Make) -> Run:
    return make("more", {"vog@all": [1, 2, 3], "aum@all": [1, 2, 3]})


def test_only_what_all_runs_have_is_compared(make: Make) -> None:
    one = make("one", {"aum@all": [1, 2, 3], "vog@all": [1, 2, 3]})
    two = make("two", {"el2n@all": [1, 2, 3], "aum@all": [1, 2, 3]})
    for runs in ([one, two], [one, one_more(make), two]):
        found = compare(runs)
        assert ([m.column for m in found.mean_agreements], found.main_column) == (
            ["aum@all"],
            "aum@all",
        )


def test_runs_of_the_same_name_are_told_apart(make: Make, tmp_path: Path) -> None:
    runs = [make(f"{name}/run", {"vog@all": [1, 2]}) for name in ("a", "b")]
    assert compare(runs).runs == (f"{tmp_path}/a/run", f"{tmp_path}/b/run")


def said(values: list[float], other: list[float], make: Make) -> str:
    runs = [make("one", {"aum@all": values}), make("two", {"aum@all": other})]
    return compare(runs).summary


def test_what_is_said(make: Make) -> None:
    assert said([1, 2, 3, 4], [1, 2, 3, 4], make) == (
        "By aum@all the runs rank 4 examples nearly alike (Spearman 1.00). Of the 1 hardest (5%), "
        "100% are the same; by chance it would be 25%."
    )


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ([1, 2, 3, 5, 4], "nearly alike (Spearman 0.90)"),
        ([1, 2, 5, 3, 4], "much alike (Spearman 0.70)"),
        ([1, 4, 2, 5, 3], "somewhat alike (Spearman 0.50)"),
        ([3, 5, 1, 2, 4], "independently of each other (Spearman -0.10)"),
        ([5, 4, 3, 2, 1], "against each other (Spearman -1.00)"),
    ],
)
def test_words_for_correlations(make: Make, other: list[float], words: str) -> None:
    assert words in said([1, 2, 3, 4, 5], other, make)


def question(steps: Sequence[int], weights: str, **more: Any) -> dict[str, Any]:
    checkpoints = [{"step": step, "sha256": f"{weights}{step}"} for step in steps]
    return {"checkpoints": checkpoints, "where": {"data": weights}, "target": "logit"} | more


def test_what_was_asked_differently() -> None:
    asked = [
        question([1, 2], "a", model={"args": {}, "code": "x"}, scores=[{"name": "vog"}]),
        question([1, 2], "b", model={"args": {"depth": 2}, "code": "x"}, scores=["vog", "aum"]),
        question([1, 2, 3], "c", model={"args": {}, "code": "x"}, target="loss", scores=["vog"]),
        question([1, 2], "a", scores=[{"name": "vog", "channels": "keep"}]),
    ]
    found = {one.key: one.values for one in question_differences(asked)}
    assert found == {
        "checkpoints": (
            "2, step 1 to 2",
            "2 of 2 have different weights, same steps",
            "3, step 1 to 3",
            "2, step 1 to 2",
        ),
        "target": ("logit", "logit", "loss", "logit"),
        "model.args": ("{}", "nothing", "{}", "nothing"),
        "model.args.depth": ("nothing", "2", "nothing", "nothing"),
        "model.code": ("x", "x", "x", "nothing"),
        "scores": ("vog", "vog, aum", "vog", "vog (channels=keep)"),
    }
    assert question_differences([asked[0], asked[0] | {"where": {}}]) == ()
    without = question_differences([{"checkpoints": []}, {"checkpoints": [{"step": 1}]}])
    assert without[0].values == ("none", "1, step 1 to 1")
    steps = question_differences([question([1, 2, 4], "a"), question([1, 3, 4], "b")])
    assert steps[0].values == ("3, step 1 to 4", "1 of 3 steps differ")


def test_weights_that_are_not_known() -> None:
    """Those of a combined run: in the first run, in another, in both."""
    mean, one = {"checkpoints": [{"step": 1}, {"step": 2}]}, question([1, 2], "a")
    del one["target"]
    said, told = "2, step 1 to 2, weights not known", "2, step 1 to 2"
    assert [found.values for found in question_differences([mean, one])] == [(said, told)]
    assert [found.values for found in question_differences([one, mean])] == [(told, said)]
    assert question_differences([mean, mean | {"where": {}}]) == ()


def test_long_lists_that_differ_are_counted() -> None:
    """Twelve names, ten of which are others."""
    names = [f"class {i}" for i in range(12)]
    others = [*names[:2], *(f"kind {i}" for i in range(10))]
    found = question_differences(
        [{"data": {"label_names": of, "draft": False}} for of in (names, others)]
    )
    assert [(one.key, one.values) for one in found] == [
        ("data.label_names", ("10 entries", "10 of 10 differ"))
    ]
    few = question_differences([{"data": {"label_names": of}} for of in (["a"], ["b"])])
    assert few[0].key == "data.label_names[0]"


def test_runs_that_cannot_be_compared(make: Make, tmp_path: Path) -> None:
    one = make("one", {"vog@all": [1, 2, 3]}, where={"data": "photos"})
    with pytest.raises(ResultError, match="1 run given, and 2 or more are needed"):
        compare([one])
    with pytest.raises(ResultError, match="one is given twice"):
        compare([one, Run(tmp_path / "x" / ".." / "one", one.question)])
    other = make("other", {"vog@all": [1, 2, 3, 4]}, ids=["x", "y", "z", "w"])
    with pytest.raises(ResultError) as error:
        compare([one, other])
    assert "one: ids of photos: a, b, c\n" in str(error.value)
    assert "other: ids of data without a name: x, y, z and 1 more" in str(error.value)
    scored = make("scored", {"aum@all": [1, 2, 3]})
    with pytest.raises(ResultError, match="no score is in all of the runs:\n.*one: vog@all\n"):
        compare([one, scored])
    repeated = make("repeated", {"vog@all": [1, 2, 3]}, ids=["a", "b", "a"])
    with pytest.raises(ResultError, match="more than one row with the id a, so"):
        compare([one, repeated])


def test_columns_that_are_not_there(make: Make) -> None:
    runs = [make(f"run{i}", one) for i, one in enumerate(columns(1, 2))]
    with pytest.raises(ResultError, match="the runs share no score 'vogg'. Did you mean 'vog'"):
        compare(runs, ["vogg"])
    with pytest.raises(ResultError, match="run0 has no column 'vog@latest'"):
        compare(runs, ["vog@latest"])
    with pytest.raises(ResultError, match="'label' is no score"):
        compare(runs, by="label")


def test_the_command_prints_a_comparison(cli: Cli, make: Make) -> None:
    one, other = columns(1, 2)
    make("one", one)
    make("two", other, labels=[0] * 26, target="loss")
    code, out, err = cli("compare", "one", "two", "--count", "3")
    assert (code, err) == (0, "")
    assert out.startswith("26 examples are in all of one, two.\n13 of them do not have the same l")
    assert "vog@all:class" in out
    assert "target  nothing  loss" in out
    assert compare([vog.open("one"), vog.open("two")]).summary in out
    assert "The examples that moved most by vog@all:class" in out
    _, out, _ = cli("compare", "one", "two", "--scores", "aum, vog@late", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["column"], row["runs"]) for row in rows] == [
        ("aum@all", "one two"),
        ("vog@late", "one two"),
    ]
    assert float(rows[0]["spearman"]) == pytest.approx(
        statistic(spearmanr, one["aum@all"], other["aum@all"])
    )
    _, out, _ = cli("compare", "one", "two", "--by", "aum@all", "--format", "json")
    assert (
        json.loads(out)["moved"][0]["id"]
        == compare([vog.open("one"), vog.open("two")], by="aum@all").moved_examples[0].id
    )


def test_the_command_says_what_is_left_out(cli: Cli, make: Make) -> None:
    make("one", {"vog@all": [1, 1, 1]})
    make("two", {"vog@all": [1, 1, 1, 4]}, ids=["a", "b", "c", "z"])
    make("three", {"vog@all": [1, 1, 1]})
    code, out, err = cli("compare", "one", "two", "three", "--by", "vog@all")
    assert (code, err) == (0, "")
    assert "two has 1 rows that are not in all runs. They are left out." in out
    assert "one has" not in out
    assert "mean over pairs of runs" in out
    assert "By vog@all, pair by pair" in out
    assert "moved most" not in out
    _, out, _ = cli("compare", "one", "two", "three", "--format", "csv")
    assert [row["runs"] for row in csv.DictReader(io.StringIO(out))].count("mean") == 2
    code, _, err = cli("compare", "one")
    assert (code, err.startswith("Error: 1 run given")) == (1, True)
