"""`vog verify`: which scores find what was planted, held to scikit-learn and to the pencil."""

import csv
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from scipy.stats import norm, rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

import vog
from chart_values import drawn, spec, values
from command_line import Cli
from runs import write_run
from vog.analysis.detection import intervals, planted_faults
from vog.analysis.detection.intervals import (
    Estimate,
    Groups,
    Separation,
    average_precisions,
    group_values,
    separation,
)
from vog.analysis.detection.planted_faults import Verification, verify
from vog.analysis.label_errors.suspects import suspects
from vog.errors import ResultError
from vog.experiments import demo
from vog.figures import charts
from vog.result.planting_record import Plant, Planted, load_planting_record, write_record

NAN, INF = float("nan"), float("inf")

# Few enough to be equal often, with both infinities and both zeros.
SCORES = st.sampled_from([-INF, -2.0, -0.0, 0.0, 0.5, 1.0, 3.0, INF])
COLUMN = st.lists(SCORES, min_size=1, max_size=30).map(lambda of: np.array(of))
COUNTS = arrays.arrays(np.int64, (2, 3, 6), elements=st.integers(0, 4)).filter(
    lambda both: bool((both.sum(2) > 0).all())
)


def told(wanted: Any, others: Any, resamples: int = 50, seed: int = 0) -> Separation:
    ours, theirs = (np.array(of, np.float64) for of in (wanted, others))
    return separation(ours, np.sort(theirs), resamples, np.random.default_rng(seed))


def numbers(found: Separation) -> list[float]:
    return [one.value for one in (found.auroc, found.ap, found.precision)]


def record(**rows: list[int]) -> Planted:
    """By kind, which rows are planted."""
    plants = [Plant(f"e{i}", kind, "how", 0, None, None) for kind, of in rows.items() for i in of]
    return Planted({}, tuple(plants))


def by_column(found: Verification, kind: str = "flip") -> dict[str, planted_faults.Detection]:
    return {one.column: one for one in found.detections_of(kind)}


@pytest.fixture
def alone() -> Iterator[None]:
    """Runs that lack what the combination needs."""
    with patch.object(planted_faults, "LOGIT_SCORES", ()):
        yield


def test_by_hand() -> None:
    """Planted 3, 5 and clean 1, 2, 3, 4.

    Of 8 pairs 4 + 2 are in order and one is equal: 6.5. 5 is found first, with a precision of 1;
    3 comes with the clean 3 and below 4: 2 of 4. The two hardest are 5 and 4.
    """
    assert numbers(told([3, 5], [1, 2, 3, 4])) == [6.5 / 8, (1 + 2 / 4) / 2, 1 / 2]


def test_precision_does_not_depend_on_who_comes_first_among_equals() -> None:
    """The hardest of 3, 3, 3, 1 is the planted 3 in one case of three."""
    assert told([3], [3, 3, 1]).precision.value == pytest.approx(1 / 3)


def test_chance() -> None:
    """Equal values: AUROC 0.5, and of whatever is taken for planted 2 of 8 are."""
    assert numbers(told([1, 1], [1] * 6)) == [0.5, 0.25, 0.25]


def test_nothing_to_compare() -> None:
    for wanted, others in (([], [1.0]), ([1.0], []), ([], [])):
        found = told(wanted, others)
        assert np.isnan([*numbers(found), found.auroc.low, found.precision.high]).all()


@pytest.mark.slow
@given(COLUMN, COLUMN)
def test_numbers_are_those_of_scikit_learn(wanted: np.ndarray, others: np.ndarray) -> None:
    truth = np.repeat([1, 0], [len(wanted), len(others)])
    ranks = rankdata(np.concatenate([wanted, others]))  # scikit-learn takes no infinity
    expected = [roc_auc_score(truth, ranks), average_precision_score(truth, ranks)]
    assert numbers(told(wanted, others))[:2] == pytest.approx(expected)


@given(COUNTS)
def test_draws_are_those_of_scikit_learn(both: np.ndarray) -> None:
    """Each row of counts is a draw; groups that were not drawn are there with weight 0."""
    ours, theirs = both
    truth, place = np.repeat([1, 0], 6), np.tile(np.arange(6), 2)
    weights = np.concatenate([ours, theirs], axis=1)
    expected = [average_precision_score(truth, place, sample_weight=one) for one in weights]
    np.testing.assert_allclose(average_precisions(ours, theirs), expected)


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
)
def test_precision_is_the_mean_over_all_orders(wanted: list[int], others: list[int]) -> None:
    rows = [(value, 1) for value in wanted] + [(value, 0) for value in others]
    orders = itertools.permutations(rows)
    tops = (sorted(order, key=lambda row: -row[0])[: len(wanted)] for order in orders)
    mean = np.mean([sum(hit for _, hit in top) / len(wanted) for top in tops])
    assert told(wanted, others).precision.value == pytest.approx(float(mean))


@pytest.mark.slow
@given(COLUMN, COLUMN)
def test_laws(wanted: np.ndarray, others: np.ndarray) -> None:
    found = told(wanted, others)
    for one in (found.auroc, found.ap, found.precision):
        assert 0 <= one.low <= one.value <= one.high <= 1
    assert told(-wanted, -others).auroc.value == pytest.approx(1 - found.auroc.value)
    assert told(np.arctan(wanted), np.arctan(others)) == found, "only the order counts"
    assert told(wanted[::-1], others[::-1]) == found


def test_groups_lose_nothing() -> None:
    """Below 2, at 2 with a clean one, between, at 5 twice, and above all."""
    found = group_values(np.array([5.0, 2.0, 5.0]), np.array([0.0, 1.0, 2.0, 3.0, 4.0, INF]))
    assert found.positive.tolist() == [0, 1, 0, 2, 0]
    assert found.negative.tolist() == [2, 1, 2, 0, 1]


def test_intervals_become_narrower() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (30, 300, 3000):
        found = told(rng.normal(1, 1, count), rng.normal(size=2 * count), 100)
        widths.append([one.high - one.low for one in (found.auroc, found.ap, found.precision)])
    assert (np.diff(widths, axis=0) < 0).all()
    assert widths[2][0] == pytest.approx(widths[0][0] / 10, rel=0.4), "as one over the root"


@pytest.mark.slow
@pytest.mark.parametrize("apart", [0.0, 1.0, 2.3, 3.3])
@pytest.mark.parametrize("counts", [(50, 100), (20, 400)])
def test_auroc_is_held_as_often_as_its_interval_says(apart: float, counts: tuple[int, int]) -> None:
    """Two normals: the AUROC is that of their difference being positive, up to 0.99.

    Of 300 intervals 285 are expected to hold it, with a standard deviation of 4.
    """
    truth, rng = norm.cdf(apart / np.sqrt(2)), np.random.default_rng(3)
    found = [
        told(rng.normal(apart, 1, counts[0]), rng.normal(size=counts[1]), 20).auroc
        for _ in range(300)
    ]
    assert 0.92 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize("apart", [0.0, 1.0, 2.3])
def test_precision_is_held_as_often_as_its_interval_says(apart: float) -> None:
    """The truth is the mean of 400 samples; where the two are far apart the interval is wide."""
    rng = np.random.default_rng(4)
    found = [told(rng.normal(apart, 1, 50), rng.normal(size=200), 20).precision for _ in range(400)]
    truth = np.mean([one.value for one in found])
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.92


def test_intervals_by_hand() -> None:
    """Wilson of 8 in 10; Newcombe's limits are where the distance is 1.96 standard errors.

    With 4 and 6 rows both are 5 in the mean, so that V = t (1 - t) (1 + 4 s) / 24 with
    s = (1 - t) / (2 - t) + t / (1 + t).
    """
    found = intervals.wilson(0.8, 10)
    assert (found.low, found.high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    found = intervals.newcombe(0.75, 4, 6)
    for t in (found.low, found.high):
        of = t * (1 - t) * (1 + 4 * ((1 - t) / (2 - t) + t / (1 + t))) / 24
        assert abs(t - 0.75) == pytest.approx(1.959964 * of**0.5, rel=1e-5)
    assert found.low < 0.75 < found.high
    assert intervals.newcombe(1.0, 20, 20).low == pytest.approx(1 - 0.12, abs=0.03)
    assert intervals.newcombe(1.0, 20, 20).high == 1
    assert intervals.newcombe(0.0, 20, 20).high == pytest.approx(0.12, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(6, 9), (40, 60)])
def test_chance_is_as_rare_as_it_says(counts: tuple[int, int]) -> None:
    """Of 200 samples without any difference a tenth is below 0.1, give or take 2 in a hundred."""
    rng = np.random.default_rng(5)
    found = [
        told(rng.integers(0, 9, counts[0]), rng.integers(0, 9, counts[1]), 20, seed).p_value
        for seed in range(200)
    ]
    assert 0.04 <= np.mean(np.array(found) < 0.1) <= 0.17


def test_chance_by_hand() -> None:
    """Two of five the highest: one pair of ten, and as far to the other side one more.

    Of sixty with the thirty highest apart nothing is left to chance.
    """
    assert told([4, 5], [1, 2, 3]).p_value == pytest.approx(0.2, abs=0.03)
    assert told(np.arange(30) + 100, np.arange(30)).p_value < 1e-9
    assert told([1, 1], [1, 1, 1]).p_value == 1


def test_an_interval_holds_its_number_and_stays_within_bounds() -> None:
    """Of the draws 0, 0.01, ..., 1 the outermost 2.5 % end at 0.025 and 0.975.

    As they are; halved, beside a number that is outside; moved by 0.3 up or down.
    """
    draws = np.arange(101) / 100
    estimate = intervals._bootstrap_estimate
    for found, low, high in (
        (estimate(0.5, draws, 0.5), 0.025, 0.975),
        (estimate(0.8, draws / 2, 0.8), 0.0125, 0.8),
        (estimate(0.2, (1 + draws) / 2, 0.2), 0.2, 0.9875),
        (estimate(0.8, draws, 0.5), 0.325, 1.0),
        (estimate(0.2, draws, 0.5), 0.0, 0.675),
    ):
        assert (found.low, found.high) == pytest.approx((low, high))


def test_many_planted_are_drawn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers stay exact, and the intervals where they were."""
    rng = np.random.default_rng(0)
    wanted, others = rng.normal(2, 1, 400), rng.normal(size=4000)
    whole = told(wanted, others, 1000)
    monkeypatch.setattr(intervals, "_MAX_GROUPS", 40)
    sizes = []
    count = intervals._merge_groups
    monkeypatch.setattr(intervals, "_merge_groups", lambda g: sizes.append(count(g)) or sizes[-1])
    binned = told(wanted, others, 1000)
    assert numbers(binned) == numbers(whole)
    assert isinstance(sizes[0], Groups)
    assert len(sizes[0].positive) == 41
    assert (sizes[0].positive.sum(), sizes[0].negative.sum()) == (400, 4000)
    assert set(sizes[0].positive[:-1].tolist()) == {10}
    for one, other in zip(
        (whole.auroc, whole.ap, whole.precision),
        (binned.auroc, binned.ap, binned.precision),
        strict=True,
    ):
        width = one.high - one.low
        assert [other.low, other.high] == pytest.approx([one.low, one.high], abs=0.15 * width)


@pytest.mark.usefixtures("alone")
def test_the_hard_end_is_up_and_other_kinds_are_not_clean(tmp_path: Path) -> None:
    """Rows 0 and 1 are flips, 2 a duplicate, 3 to 5 clean.

    By `aum`, hard where low, both flips are harder than the clean. Row 2 would spoil that.
    """
    run = write_run(
        tmp_path / "run",
        {"aum@all": [1.0, 2.0, -9.0, 3.0, 4.0, 5.0], "loss@all": [INF, 1, 9, 0, 0, -INF]},
        higher_means={"aum@all": "easier"},
    )
    found = verify(run, record(flip=[0, 1], duplicate=[2]))
    flips = by_column(found)
    auroc = flips["aum@all"].auroc
    assert (auroc.value, auroc.high) == (1.0, 1.0)
    assert 0.2 < auroc.low < 0.5, "of two and three rows"
    assert (flips["aum@all"].planted, flips["aum@all"].clean) == (2, 3)
    assert flips["loss@all"].auroc.value == 1.0
    assert flips["aum@all"].planted_share == 0.4
    assert [one.planted for one in found.detections_of("duplicate")] == [1, 1]
    assert found.kinds == ("flip", "duplicate")


@pytest.mark.usefixtures("alone")
def test_rows_without_a_value_are_left_out_and_counted(tmp_path: Path) -> None:
    """Of the flips 0 and 1 the second is missing, of the clean 3 to 5 the last; 2 is of neither."""
    run = write_run(
        tmp_path / "run", {"a@all": [2, NAN, NAN, 1, 3, NAN], "b@all": [NAN, NAN, 0, 1, 2, 3]}
    )
    found = verify(run, record(flip=[0, 1], corrupt=[2]))
    a, b = by_column(found)["a@all"], by_column(found)["b@all"]
    assert (a.planted, a.clean, a.left_out, a.auroc.value) == (1, 2, 2, 0.5)
    assert (b.planted, b.clean, b.left_out) == (0, 3, 2)
    assert np.isnan([b.auroc.value, b.ap.low, b.precision.high]).all()
    assert found.best("flip") == a, "what cannot be told comes last"
    assert "Unknown, for lack of values: b." in found.summarise("flip")
    assert "no score of stage all has values" in found.summarise("corrupt")[0] or a.auroc.value


@pytest.mark.usefixtures("alone")
def test_no_score_has_values(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"a@all": [NAN, 1.0, 2.0]})
    found = verify(run, record(flip=[0]))
    assert found.summarise("flip") == (
        "flip: no score of stage all has values for planted and for clean rows.",
        "Unknown, for lack of values: a.",
    )
    assert np.isnan(found.detections_of("flip")[0].row()["auroc"])
    assert spec(charts.detection(found))["title"]["text"] == "No score of stage all finds flip"


def separated(found: float, count: int = 40) -> list[float]:
    """Values of planted rows, this share of them above all clean ones, and then of the clean."""
    above = round(found * count)
    return [2.0] * above + [0.0] * (count - above) + [1.0] * count


@pytest.mark.usefixtures("alone")
def test_the_reading(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        {
            "good@all": separated(0.9),
            "good@early": separated(1.0),
            "none@all": separated(0.5),
            "none@early": separated(0.4),
            "lower@all": separated(0.1),
            "lower@early": separated(0.9),
        },
    )
    found = verify(run, record(flip=list(range(40))))
    best, better, none, lower, stage = found.summarise("flip")
    auroc = by_column(found)["good@all"].auroc
    number = f"AUROC 0.900, {auroc.low:.3f} to {auroc.high:.3f}"
    assert best == (
        f"flip: good finds it best at stage all ({number}); of the 40 hardest, 90% are planted, "
        f"by chance 50.0%."
    )
    assert better == "Better than chance: good."
    assert none == "No better than chance (by permutation, at 0.05): none."
    assert lower == "The other way round, easier on flip than on clean rows: lower."
    assert stage == (
        "Clearly better at another stage: good@early (1.00, 0.90 here), "
        "lower@early (0.90, 0.10 here)."
    )
    assert found.best("flip").column == "good@early"
    assert found.better_stages("flip", "early") == ()
    assert [one.score for one in found.detections_of("flip", "early")] == ["good", "lower", "none"]
    nothing = verify(
        write_run(tmp_path / "b", {"none@all": separated(0.5)}), record(flip=[*range(40)])
    )
    assert nothing.summarise("flip")[0].startswith(
        "flip: no score of stage all finds it; none comes closest (AUROC 0.500, "
    )


def test_what_is_chance_is_told_by_permutation_and_what_is_better_by_intervals() -> None:
    """0.6 and 0.4 are chance where they come by dealing out, and 0.9 no better where they touch."""
    nothing = Estimate(0.5, 0.5, 0.5)

    def one(score: str, stage: str, *auroc: float) -> planted_faults.Detection:
        return planted_faults.Detection(
            *("flip", score, stage, 5, 5, 0),
            *(Estimate(*auroc), nothing, nothing, 0.01 if stage == "late" else 0.2),
        )

    found = Verification(
        (
            one("above", "late", 0.9, 0.74, 0.95),
            one("below", "late", 0.9, 0.56, 0.95),
            one("above", "all", 0.6, 0.45, 0.75),
            one("below", "all", 0.4, 0.25, 0.55),
        ),
        200,
        0,
    )
    best, chance, better = found.summarise("flip")
    assert best.startswith("flip: no score of stage all finds it; above comes closest (AUROC 0.6")
    assert chance == "No better than chance (by permutation, at 0.05): above, below."
    assert better == "Clearly better at another stage: below@late (0.90, 0.40 here)."


@pytest.mark.usefixtures("alone")
def test_equal_seeds_give_equal_intervals_whatever_else_is_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {name: rng.random(60).tolist() for name in ("a@all", "b@all")}
    planted = record(flip=list(range(9)), corrupt=list(range(9, 20)))
    run, less = (
        write_run(tmp_path / "run", columns),
        write_run(tmp_path / "b", {"b@all": columns["b@all"]}),
    )
    found = verify(run, planted)
    assert verify(run, planted, kind="corrupt").detections == found.detections_of("corrupt")
    assert by_column(verify(less, planted))["b@all"] == by_column(found)["b@all"]
    assert verify(run, planted, seed=1) != found
    assert (found.resamples, found.seed) == (200, 0)


def test_the_combination_is_what_suspects_are_ranked_by(tmp_path: Path) -> None:
    """Row 0 is the second of three by loss and the first by EL2N, row 2 the other way round."""
    run = write_run(
        tmp_path / "run", {"loss@all": [3.0, 1.0, 4.0, 2.0], "el2n@all": [4.0, 1.0, 2.0, NAN]}
    )
    one = by_column(verify(run, record(flip=[0])))["combination@all"]
    assert (one.auroc.value, one.clean, one.left_out) == (1.0, 2, 1)
    assert by_column(verify(run, record(flip=[0])))["loss@all"].auroc.value == pytest.approx(2 / 3)


@pytest.mark.usefixtures("alone")
def test_what_cannot_be_verified(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"a@all": [1.0, 2.0]})
    with pytest.raises(
        ResultError, match="run cannot be verified: none of its examples is planted"
    ):
        verify(run, record())
    with pytest.raises(ResultError, match="every row of it is planted.*Plant into a part of the"):
        verify(run, record(flip=[0], corrupt=[1]))
    with pytest.raises(ResultError, match="no kind 'flop' here. Did you mean 'flip'"):
        verify(run, record(flip=[0]), kind="flop")
    with pytest.raises(ResultError, match="resamples=19: a 95 % interval needs 20 or more"):
        verify(run, record(flip=[0]), resamples=19)
    with pytest.raises(ResultError, match="lacks 1 of 1 planted examples: e7"):
        verify(run, record(flip=[7]))
    found = verify(run, record(flip=[0]), resamples=20)
    with pytest.raises(ResultError, match="no stage 'late' here"):
        found.detections_of("flip", "late")
    with pytest.raises(ResultError, match="no kind 'outside' here"):
        charts.detection(found, kind="outside")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the digits of the demo as if their flips had been planted: `run` and `planted`."""
    folder = tmp_path_factory.mktemp("digits")
    train, test = demo._load_data()
    train = demo.Digits(train.images[:700], train.truth[:700], train.labels[:700])
    (folder / "c").mkdir()
    with patch.object(demo, "EPOCHS", 8):
        demo._train(train, test, folder / "c")
    data = (train.images, train.labels)
    vog.score(demo.build, folder / "c", data, folder / "run", scores="all", quiet=True)
    (folder / "planted").mkdir()
    plants = [
        Plant(str(i), "flip", "uniform", int(train.labels[i]), str(i), int(train.truth[i]))
        for i in np.flatnonzero(train.flipped)
    ]
    write_record(
        folder / "planted", Planted({"data": {"examples": len(train.labels)}}, tuple(plants))
    )
    return folder


@pytest.mark.slow
def test_flipped_digits(digits: Path, cli: Cli, tmp_path: Path) -> None:
    run, planted = vog.open(digits / "run"), load_planting_record(digits / "planted")
    found = verify(run, planted)
    flips = by_column(found)
    assert len(flips) == len(run.score_columns) + 1
    assert flips["vog@all"].auroc.high < 0.8, "VoG alone does not find wrong labels"
    for name in ("aum", "loss", "confidence", "el2n", "combination"):
        assert flips[f"{name}@all"].auroc.low > 0.95
        assert flips[f"{name}@all"].precision.low > 0.6
    wanted = planted.rows(run)["flip"]
    count = wanted.sum()
    for name in run.score_columns:
        expected = roc_auc_score(wanted, run.hardness(name))
        assert flips[name].auroc.value == pytest.approx(expected)
    hard = suspects(run).hardness
    assert flips["combination@all"].auroc.value == pytest.approx(roc_auc_score(wanted, hard))
    words = ("verify", str(digits / "run"), "--planted", str(digits / "planted"))
    code, out, err = cli(*words, "--chart", "flip.png")
    assert (code, err) == (0, "")
    assert (
        f"flip (uniform): {count} planted examples against {700 - count} that were left alone"
        in out
    )
    assert f"precision of {count} hardest" in out
    assert all(sentence in out for sentence in found.summarise("flip"))
    vog_at_all = flips["vog@all"].auroc
    assert f"{vog_at_all.value:.3f}  [{vog_at_all.low:.3f}, {vog_at_all.high:.3f}]" in out
    assert "without value" not in out
    with Image.open("flip.png") as image:
        assert image.width / 2 <= 480
    code, out, _ = cli(*words, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == len(flips)
    assert float(rows[0]["auroc_low"]) == found.best("flip").auroc.low
    code, out, err = cli(
        *words, "--format", "json", "--stage", "late", "--count", "2", "--chart", "a.svg"
    )
    rows = json.loads(out)
    assert (code, err, len(rows), rows[0]["stage"]) == (0, "a.svg\n", 2, "late")
    assert rows[0] == found.detections_of("flip", "late")[0].row()


def test_mistakes_on_the_command_line(digits: Path, cli: Cli) -> None:
    words = ("verify", str(digits / "run"), "--planted")
    planted = str(digits / "planted")
    for more, said in {
        (str(digits),): "holds no planted.json",
        (planted, "--stage", "lat"): "has no stage 'lat'. Did you mean 'late'",
        (planted, "--kind", "corrupt"): "no kind 'corrupt' here. Known: flip",
        (planted, "--chart", "a.pdf"): "a.pdf: a chart is saved as .png, .svg",
        (planted, "--resamples", "5"): "--resamples 5: a 95 % interval needs",
    }.items():
        code, out, err = cli(*words, *more)
        assert (code, out) == (1, ""), more
        assert said in err


def test_a_table_says_what_was_left_out(tmp_path: Path, cli: Cli) -> None:
    write_run(tmp_path / "run", {"aum@all": [3, NAN, 1, 2], "loss@all": [NAN, NAN, 1, 2]})
    (tmp_path / "planted").mkdir()
    write_record(tmp_path / "planted", record(flip=[0]))
    with patch.object(planted_faults, "LOGIT_SCORES", ()):
        code, out, _ = cli("verify", "run", "--planted", "planted", "--count", "5")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert lines[4][-2:] == ["without", "value"]
    assert [lines[6][0], *lines[6][-4:]] == ["loss", "-", "-", "-", "2"]


@pytest.mark.slow
def test_the_chart(digits: Path) -> None:
    found = verify(vog.open(digits / "run"), load_planting_record(digits / "planted"), 20)
    chart = charts.detection(found)
    rows = {row["score"]: row for row in values(spec(chart)) if "score" in row}
    assert list(rows) == [one.score for one in found.detections_of("flip", "all")], (
        "the best on top"
    )
    for one in found.detections_of("flip", "all"):
        row = rows[one.score]
        assert (row["auroc"], row["low"], row["high"]) == (
            one.auroc.value,
            one.auroc.low,
            one.auroc.high,
        )
    assert [name for name, row in rows.items() if row["combined"]] == ["combination"]
    assert drawn(chart, "symbol") == len(rows)
    assert drawn(chart, "rule") == len(rows) + 1, "and chance"
    described = spec(chart)["description"]
    assert f"vog {rows['vog']['auroc']:.3f}" in described
    best = found.detections_of("flip", "all")[0]
    assert described.startswith(f"{best.score} finds flip best at stage all, with an AUROC of ")
    assert "orange" in str(spec(chart)["title"]["subtitle"])
    assert "orange" not in str(spec(charts.detection(found, "late"))["title"]["subtitle"])


@pytest.mark.usefixtures("alone")
def test_a_panel_a_kind(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"a@all": [3.0, 2.0, 1.0], "b@all": [NAN, 1, 2]})
    found = verify(run, record(flip=[0], outside=[1]))
    both = charts.detection(found)
    assert spec(both)["title"]["text"] == "How well each score of stage all finds what was planted"
    assert "outside: a 1.000, b 0.000." in spec(both)["description"]
    assert "flip: a 1.000, b ?." in spec(both)["description"]
    assert drawn(both, "symbol") == 3, "none where there is no value"
    one = charts.detection(found, kind="outside")
    assert len(spec(one)["concat"]) == 1
