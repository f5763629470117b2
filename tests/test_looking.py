"""What a report looks at: pure functions of a run, against pencil work, numpy, scipy and laws."""

from dataclasses import astuple, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

import vog
from test_analyze import made, run  # noqa: F401 (a fixture)
from vog.analysis.label_errors.suspect_list import likely_label_errors
from vog.analysis.one_run import correlation
from vog.analysis.one_run.class_quantiles import ClassSpread, class_spread
from vog.analysis.one_run.data_map import Point, data_map
from vog.analysis.one_run.density_grid import Density, density
from vog.analysis.one_run.stage_shift import StageShift, stage_shift
from vog.errors import ResultError
from vog.result import Run

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


def test_a_data_map_by_hand(tmp_path: Path) -> None:
    """The second example has no correctness and so no place; stages are told apart."""
    values = {"confidence": [0.75, 0.9, 0.5], "variability": [0.25, 0.5, 0.125]}
    scores = {f"{name}@{s}": v for name, v in values.items() for s in ("late", "all")}
    scores |= {"correctness@late": [1.0, 1.0, 0.5], "correctness@all": [0.5, NAN, 0.0]}
    small = made(tmp_path / "run", [0, 0, 1], [0, 0, 1], scores)
    found = data_map(small)
    assert (found.stage, found.examples) == ("all", 2)
    assert found.points == (Point(0, 0.25, 0.75, 0.5), Point(2, 0.125, 0.5, 0.0))
    assert (found.density.counted, found.density.left_out) == (2, 1)
    places = sorted((one.x0 <= 0.125 <= one.x1, one.mean) for one in found.density.cells)
    assert places == [(False, 0.5), (True, 0.0)], "variability goes to the right"
    assert [one.correctness for one in data_map(small, "late").points] == [1, 1, 0.5]
    with pytest.raises(ResultError, match="no variability@early, .* which a data map needs"):
        data_map(small, "early")


@pytest.mark.parametrize(("count", "points"), [(2000, 2000), (2001, 0)])
def test_a_data_map_of_many_has_no_points(tmp_path: Path, count: int, points: int) -> None:
    names = [f"{name}@all" for name in ("confidence", "variability", "correctness")]
    shares: list[float] = (np.arange(count) / count).tolist()
    scores = {**dict.fromkeys(names, shares)}
    many = made(tmp_path / "run", [0] * count, [0] * count, scores)
    found = data_map(many)
    assert (len(found.points), found.examples, found.density.counted) == (points, count, count)


def staged(
    folder: Path,
    early: list[float],
    late: list[float],
    wrong: list[int],
    higher_means: str = "harder",
    unknown: int = -1,
) -> Run:
    """A run of two stages: these rows are wrong, and of one the prediction is not known."""
    count = len(early)
    predictions = [-1 if row == unknown else int(row in wrong) for row in range(count)]
    scores = {"vog@early": early, "vog@late": late, "vog@all": early}
    return made(folder, [0] * count, predictions, scores, higher_means)


def test_a_course_that_turns_round(tmp_path: Path) -> None:
    """Ranks k / 9: row k is in tenth k + 1 early and 10 - k late; 8 and 9 are the hardest fifth."""
    rising = [float(k) for k in range(10)]
    found = stage_shift(staged(tmp_path / "run", rising, rising[::-1], [9, 1]), "vog")
    assert (found.score, found.first, found.last) == ("vog", "early", "late")
    assert found.spearman == pytest.approx(-1)
    filled = {(p.first, p.last): (p.examples, p.share) for p in found.deciles if p.examples}
    assert filled == {(k + 1, 10 - k): (1, 1.0) for k in range(10)}
    assert [(p.first, p.last) for p in found.deciles[:11]] == [(1, k) for k in range(1, 11)] + [
        (2, 1)
    ]
    throughout, learned, lost, easy = found.groups
    assert (learned.name, learned.examples, learned.share) == ("hard early, easy late", 2, 0.2)
    assert (learned.rows, learned.error) == ((9, 8), 0.5)
    assert learned.meaning == "In the hardest fifth at early and in the easier half at late."
    assert (lost.name, lost.rows, lost.error) == ("easy early, hard late", (0, 1), 0.5)
    assert (throughout.name, throughout.examples, throughout.rows) == ("hard throughout", 0, ())
    assert np.isnan(throughout.error)
    assert (easy.name, easy.examples, easy.share) == ("easy throughout", 0, 0)


def test_a_course_that_stays(tmp_path: Path) -> None:
    """Of 30 rows those from rank 0.8 on are hard: 24 to 29 of 29, and 0 to 14 are easy."""
    rising = [float(k) for k in range(30)]
    found = stage_shift(staged(tmp_path / "run", rising, rising, [29], unknown=28), "vog")
    hard, _, _, easy = found.groups
    assert (hard.rows, hard.error) == (tuple(range(29, 23, -1)), pytest.approx(1 / 5))
    assert hard.meaning == "In the hardest fifth at early and still at late."
    assert (easy.examples, easy.share, easy.rows) == (15, 0.5, tuple(range(12)))
    assert all(p.share == 1 for p in found.deciles if p.first == p.last)


def test_the_most_typical_is_so_at_both_stages(tmp_path: Path) -> None:
    """24 and 29 change places late: 24 * 29 is below 28 * 28 and 27 * 27, above 26 * 26."""
    early = [float(k) for k in range(30)]
    late = [*early[:24], 29.0, *early[25:29], 24.0]
    hard = stage_shift(staged(tmp_path / "run", early, late, []), "vog").groups[0]
    assert hard.rows == (28, 27, 24, 29, 26, 25)


def test_tenths_of_the_first_stage_come_first(tmp_path: Path) -> None:
    """Every row is one tenth further late, the hardest becomes the easiest; ranks 4/5 are hard."""
    early = [float(k) for k in range(10)]
    found = stage_shift(staged(tmp_path / "ten", early, [*early[1:], 0.0], []), "vog")
    filled = {(p.first, p.last) for p in found.deciles if p.examples}
    assert filled == {(k, k + 1) for k in range(1, 10)} | {(10, 1)}
    six = stage_shift(staged(tmp_path / "six", early[:6], early[:6], []), "vog")
    assert six.groups[0].rows == (5, 4)


def random_course(
    folder: Path, seed: int, sign: int, order: np.ndarray, distinct: bool
) -> StageShift:
    """By scores with equal values, unless they are to be distinct, and one row without."""
    rng = np.random.default_rng(seed)
    shape = (2, len(order))
    values = rng.normal(size=shape) if distinct else rng.integers(0, 9, shape).astype(float)
    values[1, 3] = NAN
    values[0, 5] = INF
    early, late = (sign * values[:, order]).tolist()
    wrong = np.flatnonzero(np.isin(order, [1, 2, 3, 5, 8, 13, 21])).tolist()
    kind = "harder" if sign > 0 else "easier"
    return stage_shift(staged(folder, early, late, wrong, higher_means=kind), "vog")


@pytest.mark.parametrize("seed", range(6))
def test_laws_of_a_course(tmp_path: Path, seed: int) -> None:
    """Negated and with the other end hard it is the same, and the order of the rows is nothing."""
    straight, order = np.arange(41), np.random.default_rng(seed).permutation(41)
    found = random_course(tmp_path / "a", seed, 1, straight, distinct=False)
    negated = random_course(tmp_path / "b", seed, -1, straight, distinct=False)
    assert repr(negated.deciles) == repr(found.deciles)
    assert repr(negated.groups) == repr(found.groups)
    assert negated.spearman == pytest.approx(found.spearman)
    assert [group.share for group in found.groups] == [g.examples / 40 for g in found.groups]
    assert sum(p.examples for p in found.deciles) == 40, "all but the one without a late value"
    rows = [[p.share for p in found.deciles if p.first == k] for k in range(1, 11)]
    assert all(np.isnan(row).all() or sum(row) == pytest.approx(1) for row in rows)
    one = random_course(tmp_path / "c", seed, 1, straight, distinct=True)
    other = random_course(tmp_path / "d", seed, 1, order, distinct=True)
    assert repr(other.deciles) == repr(one.deciles)
    for a, b in zip(one.groups, other.groups, strict=True):
        assert tuple(order[list(b.rows)].tolist()) == a.rows
        assert repr((a.share, a.error)) == repr((b.share, b.error))


def test_a_course_of_ties_is_by_their_number(tmp_path: Path) -> None:
    flat = stage_shift(staged(tmp_path / "a", [1.0] * 20, [2.0] * 20, []), "vog")
    assert np.isnan(flat.spearman)
    assert {(p.first, p.last) for p in flat.deciles if p.examples} == {(6, 6)}
    assert [group.examples for group in flat.groups] == [0] * 4, "nothing is hard, nothing easy"
    last = [0.0] * 40 + [1.0]
    two = stage_shift(staged(tmp_path / "b", last, last, []), "vog")
    assert two.groups[3].rows == tuple(range(12))


def test_a_course_is_in_the_order_of_training(tmp_path: Path) -> None:
    small = staged(tmp_path / "run", [1.0, 2.0], [1.0, 2.0], [])
    assert (stage_shift(small).score, stage_shift(small).first) == ("vog:class", "early")
    stages = {"early": [5, 9], "late": [0, 5], "all": [0, 9]}
    turned = stage_shift(replace(small, question=small.question | {"stages": stages}))
    assert (turned.first, turned.last) == ("late", "early")
    assert turned.groups[1].name == "hard late, easy early"
    lone = made(tmp_path / "lone", [0], [0], {"vog@late": [1.0], "vog@all": [1.0]})
    with pytest.raises(ResultError, match="has 1 stages besides 'all'"):
        stage_shift(lone)
    with pytest.raises(ResultError, match="has no score 'aum'"):
        stage_shift(lone, "aum")


@pytest.mark.parametrize("values", [[1.0], [NAN], [INF]])
def test_a_course_of_one_row(tmp_path: Path, values: list[float]) -> None:
    found = stage_shift(staged(tmp_path / "run", values, values, []), "vog")
    assert np.isnan(found.spearman)
    assert sum(p.examples for p in found.deciles) == (not np.isnan(values[0]))
    assert all(np.isnan(group.error) or group.examples for group in found.groups)


def test_quantiles_by_hand(tmp_path: Path) -> None:
    """Cats 0 to 4: 5 % of four steps is 0.2. One dog is finite, no owl; one row has no class."""
    labels = [0, 1, 0, 0, 0, 0, 2, -1, 1]
    scores = {"vog@all": [3.0, 9.0, 1.0, 0.0, 4.0, 2.0, NAN, 100.0, INF]}
    found = class_spread(made(tmp_path / "run", labels, labels, scores), "vog@all")
    assert found[0] == ClassSpread(1, "dog", 1, 9.0, 9.0, 9.0, 9.0, 9.0)
    assert astuple(found[1])[:3] == (0, "cat", 5)
    assert astuple(found[1])[3:] == pytest.approx((0.2, 1, 2, 3, 3.8))
    easier = made(tmp_path / "easier", labels, labels, scores, "easier")
    assert [one.label_name for one in class_spread(easier, "vog@all")] == ["cat", "dog"]


def test_quantiles_against_numpy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, values = rng.choice([0, 1, 2, 3, 700], 300), rng.normal(size=300).round(1)
    values[::17], values[::31] = NAN, -INF
    made_of = (labels.tolist(), labels.tolist(), {"aum@all": values.tolist()}, "easier")
    found = class_spread(made(tmp_path / "run", *made_of), "aum@all")
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
    assert class_spread(made(tmp_path / "a", [0, 1], [0, 1], {"vog@all": values}), "vog@all") == ()
    nobody = made(tmp_path / "b", [-1, -1], [0, 1], {"vog@all": [1.0, 2.0]})
    assert class_spread(nobody, "vog@all") == ()


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
            made(tmp_path / kind, labels, labels, scores, kind), columns
        )
        assert [*found] == columns
        assert [[*row.values()] for row in found.values()] == pytest.approx(expected)
        assert [[*row] for row in found.values()] == [columns] * 3
    a, b = values[:2, whole]
    assert correlation.spearman(a, b) == pytest.approx(expected[0, 1])


def test_agreement_is_of_hardness(run: Run) -> None:  # noqa: F811
    """Large loss is hard and small confidence is: the raw values go against each other."""
    columns = ["loss@all", "confidence@all"]
    found = correlation.correlation_matrix(run, columns)
    raw = float(np.asarray(spearmanr(run.numbers("loss@all"), run.numbers("confidence@all")))[0])
    assert found["loss@all"]["confidence@all"] == pytest.approx(-raw)
    assert found["loss@all"]["loss@all"] == pytest.approx(1)
    assert raw < -0.5


def test_matrix_of_what_cannot_be_ranked(tmp_path: Path) -> None:
    scores = {"a@all": [1.0, 1.0, 1.0], "b@all": [1.0, 2.0, 3.0], "c@all": [NAN, NAN, 3.0]}
    small = made(tmp_path / "run", [0] * 3, [0] * 3, scores)
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
    small = made(tmp_path / "run", [0, 1, 0, 0, -1], [1, 1, 0, 0, -1], scores)
    first, last = correlation.disputed_examples(small, ["a@late", "b@late"])
    assert (first.index, first.id, first.label, first.prediction) == (0, "e0", 0, 1)
    assert (first.spread, first.hardest_by, first.hardest) == (0.5, "b@late", 1.0)
    assert (first.easiest_by, first.easiest) == ("a@late", 0.0)
    assert (last.index, last.label, last.prediction, last.hardest_by) == (4, None, None, "a@late")
    assert correlation.disputed_examples(small, ["a@late", "b@late"], count=1) == (first,)
    assert correlation.disputed_examples(small, ["a@late"]) == (), (
        "a score does not dispute with itself"
    )


def test_disputed_against_a_loop(run: Run) -> None:  # noqa: F811
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
    small = made(tmp_path / "run", [0] * 3, [0] * 3, scores)
    assert [one.index for one in correlation.disputed_examples(small, [*scores])] == [2, 1]


def test_likely_label_errors_by_hand(tmp_path: Path) -> None:
    """Ranks by loss 0 1/4 1/2 3/4 1, by el2n 1/4 0 1 1/2 3/4; rows 0, 2, 3 and 4 are contradicted.

    Row 2 has 3/4 in the mean, row 3 5/8, row 4 7/8 and row 0 1/8. Row 5 has no scores and row 6 no
    label; only the first is contradicted.
    """
    scores = {
        "loss@all": [1.0, 2.0, 3.0, 4.0, 5.0, NAN, NAN],
        "el2n@all": [2.0, 1.0, 5.0, 3.0, 4.0, NAN, NAN],
        "loss@late": [0.0] * 7,
        "vog@all": [5.0, 4.0, 3.0, 2.0, NAN, NAN, NAN],
    }
    small = made(tmp_path / "run", [0, 1, 2, 0, 1, 0, -1], [1, 1, 0, 2, 0, 1, 1], scores)
    found = likely_label_errors(small)
    assert (found.scores, found.contradicted) == (("loss", "el2n"), 5)
    assert [(one.index, one.hardness) for one in found.suspects] == [
        (4, 0.875), (2, 0.75), (3, 0.625), (0, 0.125)
    ]  # fmt: skip
    assert [one.vog for one in found.suspects] == [None, pytest.approx(1 / 3), 0.0, 1.0]
    first = found.suspects[0]
    assert (first.id, first.label, first.prediction) == ("e4", 1, 0)
    assert [one.index for one in likely_label_errors(small, count=2).suspects] == [4, 2]


def test_the_low_end_of_aum_is_suspect(run: Run, tmp_path: Path) -> None:  # noqa: F811
    labels, other = [0, 0, 0], [1, 1, 1]
    small = made(tmp_path / "aum", labels, other, {"aum@all": [5.0, -7.0, 0.0]}, "easier")
    found = likely_label_errors(small)
    assert [one.index for one in found.suspects] == [1, 2, 0]
    assert [one.vog for one in found.suspects] == [None] * 3, "no VoG was computed"
    real = likely_label_errors(run, count=1000)
    assert real.scores == ("aum", "confidence", "loss", "el2n")
    assert len(real.suspects) == real.contradicted > 10
    assert all(one.label != one.prediction for one in real.suspects)
    ranks = [run.hardness(f"{name}@all")[real.suspects[0].index] for name in real.scores]
    assert real.suspects[0].hardness == pytest.approx(np.mean(ranks))


def test_label_errors_need_a_score_that_judges_labels(tmp_path: Path) -> None:
    small = made(tmp_path / "run", [0], [1], {"vog@all": [1.0], "loss@late": [1.0]})
    with pytest.raises(ResultError, match="none of the scores aum, confidence, loss"):
        likely_label_errors(small)
    nobody = made(tmp_path / "unlabelled", [-1], [1], {"loss@all": [1.0]})
    assert likely_label_errors(nobody).suspects == ()


def test_all_of_it_on_a_run_of_the_command(run: Run) -> None:  # noqa: F811
    """As `vog.score` writes it: stages, ids and types are those of users."""
    assert data_map(run).examples == 120
    found = stage_shift(run)
    assert (found.score, found.first, found.last) == ("vog:class", "early", "late")
    assert sum(one.examples for one in class_spread(run, "vog@late:class")) == 120
    assert vog.analyze(run).agreement["early"]["late"] == pytest.approx(found.spearman)
