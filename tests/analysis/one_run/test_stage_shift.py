"""How ranks move from the first stage to the last: by hand, and laws for any ranks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runs import write_run
from vog.analysis.one_run.stage_shift import StageShift, stage_shift
from vog.errors import ResultError
from vog.result import Run

NAN, INF = float("nan"), float("inf")


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
    return write_run(folder, scores, [0] * count, predictions, higher_means)


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
    lone = write_run(tmp_path / "lone", {"vog@late": [1.0], "vog@all": [1.0]}, [0], [0])
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
