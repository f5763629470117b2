"""The verdict on labels: pencil work, laws, degenerate runs, and real digits with known flips."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vog
from chart_values import spec, values
from command_line import Cli
from runs import write_run
from scored import Scored
from vog.analysis.label_errors.calibration import MIN_PLANTED, CrossFit, calibrate
from vog.analysis.label_errors.doubt_tail import (
    SUSPECT_FROM,
    TAIL_FROM,
    DoubtTail,
    excess_over_tail,
    fit_tail,
)
from vog.analysis.label_errors.suspect_list import likely_label_errors, most_suspicious
from vog.analysis.label_errors.suspects import (
    combined_hardness,
    require_verdict,
    suspects,
    verdict_or_why,
)
from vog.analysis.label_errors.verdict import ranking
from vog.errors import ResultError
from vog.figures import charts
from vog.result import Run
from vog.result.planting_record import FLIP, THRESHOLD, Plant, Planted, write_record

NAN, INF = float("nan"), float("inf")


def doubted(right: int, wrong: int, seed: int = 0) -> np.ndarray:
    """Mean probabilities of labels: right ones near 1 with a tail, wrong ones, the last, near 0."""
    rng = np.random.default_rng(seed)
    doubt = np.minimum(rng.exponential(0.1, right), 1)
    return np.concatenate([1 - doubt, rng.beta(1, 12, wrong)])


def run_doubted(folder: Path, values: np.ndarray, **others: np.ndarray) -> Run:
    """A run with this confidence and AUM, with other scores whose high end is easy too."""
    count = len(values)
    scores = {"aum@all": values.tolist(), "confidence@all": values.tolist()}
    scores |= {f"{k}@all": v.tolist() for k, v in others.items()}
    return write_run(folder, scores, [0] * count, [1] * count, "easier")


def drawn(right: int, wrong: int, seed: int = 0) -> np.ndarray:
    """Margins of right labels around 5 and of wrong ones, the last, around -5, far apart."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(5, 1, right), rng.normal(-5, 1, wrong)])


def run_of(folder: Path, margins: np.ndarray, **others: np.ndarray) -> Run:
    """A run of these margins, with other scores whose high end is easy too."""
    count = len(margins)
    scores = {"aum@all": margins.tolist()} | {f"{k}@all": v.tolist() for k, v in others.items()}
    return write_run(folder, scores, [0] * count, [1] * count, "easier")


def planted(rows: range, kind: str = FLIP) -> Planted:
    return Planted({}, tuple(Plant(f"e{row}", kind, "uniform", 0, f"e{row}", 1) for row in rows))


def test_the_tail_by_hand() -> None:
    """Doubts of 0.3 to 0.6 that fall as exp(-10 d), without noise: 1,000 of them.

    The mean of an exponential at rate 10 that ends at 0.3 is 0.1 - 0.3 / (e^3 - 1); the variance is
    0.01 - 0.09 / (4 sinh(1.5)^2), and its inverse's root the error of the rate. Beyond 0.8 there
    are (e^-5 - e^-7) / (1 - e^-3) of what is seen.
    """
    places = (np.arange(1000) + 0.5) / 1000
    doubt = TAIL_FROM - np.log(1 - places * (1 - np.exp(-3))) / 10
    found = fit_tail(np.concatenate([np.full(5000, 0.1), doubt]))
    assert found.count == pytest.approx(1000 + 1001**0.5)
    error = (0.01 - 0.09 / (4 * np.sinh(1.5) ** 2)) ** -0.5
    assert found.rate == pytest.approx(10 - error / 1000**0.5, rel=1e-3)
    share = (np.exp(-5) - np.exp(-7)) / (1 - np.exp(-3))
    assert DoubtTail(1000.0, 10.0).expected_count(np.array([0.8])) == pytest.approx(1000 * share)
    assert DoubtTail(1000.0, 10.0).expected_count(np.array([1.0])) == 0


@pytest.mark.parametrize("doubt", [[], [0.1, 0.2], [0.45] * 9, [0.55] * 9, [0.3] * 9])
def test_tails_of_few(doubt: list[float]) -> None:
    """None seen, none falling, and all at the edge: wide, finite, and falling with doubt."""
    found = fit_tail(np.array(doubt))
    values = found.expected_count(np.linspace(SUSPECT_FROM, 1, 50))
    assert np.isfinite(values).all()
    assert (np.diff(values) <= 0).all()
    assert values[-1] == pytest.approx(0, abs=1e-9)


def test_a_tail_that_does_not_fall_goes_on_as_it_was() -> None:
    """Where doubts are as frequent at 0.6 as at 0.3, as many are expected beyond, by the width."""
    found = fit_tail(np.linspace(TAIL_FROM, SUSPECT_FROM - 1e-6, 900))
    assert found.rate < 0.5
    assert found.expected_count(np.array([SUSPECT_FROM]))[0] == pytest.approx(
        930 * 0.4 / 0.3, rel=0.08
    )
    nearly = DoubtTail(100.0, 1e-7).expected_count(np.array([0.7]))
    assert DoubtTail(100.0, 0.0).expected_count(np.array([0.7])) == pytest.approx(nearly, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("fdr", [0.05, 0.1, 0.3])
def test_what_exceeds_the_tail_is_counted(fdr: float) -> None:
    """Of right labels alone nothing does, in 200 draws of 2,000, but for a few."""
    named = [
        excess_over_tail(1 - doubted(2000, 0, seed)).count_suspects(fdr) for seed in range(200)
    ]
    assert np.mean(np.array(named) > 0) < 0.05
    wrong, shares = np.arange(2100) >= 2000, []
    for seed in range(20):
        confidence = doubted(2000, 100, seed)
        count = excess_over_tail(1 - confidence).count_suspects(fdr)
        assert count > 60
        shares.append(1 - wrong[np.argsort(confidence)[:count]].mean())
    assert np.mean(shares) <= fdr


def test_none_are_counted_that_chance_may_bring() -> None:
    """Three at 0.9, of a tail of which one is seen: 0.8 are expected, give or take 1.3."""
    few = np.array([0.1] * 50 + [0.31] + [0.9] * 3)
    assert excess_over_tail(few).count_suspects(0.9) == 0
    assert excess_over_tail(np.concatenate([few, np.full(30, 0.95)])).count_suspects(0.1) == 33


@given(st.lists(st.floats(0, 1), max_size=60), st.floats(0.01, 0.5))
def test_laws_of_the_excess(doubt: list[float], fdr: float) -> None:
    values = np.array(doubt)
    found = excess_over_tail(values)
    assert len(found.probability) == len(found.expected_right) == (values >= SUSPECT_FROM).sum()
    assert ((found.probability >= 0) & (found.probability <= 1)).all()
    assert (np.diff(found.probability) <= 1e-12).all(), "falls with doubt"
    assert (np.diff(found.expected_right) >= 0).all()
    count = found.count_suspects(fdr)
    assert count == 0 or found.expected_right[count - 1] <= fdr * count
    assert count <= found.count_suspects(min(1.0, 2 * fdr)), "the aim widens the list"
    order = np.random.default_rng(0).permutation(len(values))
    np.testing.assert_allclose(excess_over_tail(values[order]).expected_right, found.expected_right)


def test_doubts_say_how_many_and_all_scores_which(tmp_path: Path) -> None:
    """Row 999 is the most suspicious by confidence alone, row 0 by the other three scores."""
    confidence = doubted(900, 100)
    other = confidence.copy()
    other[0], other[-1] = -99, 99
    run = run_doubted(tmp_path / "run", confidence, loss=other, el2n=other)
    found = suspects(run)
    names, hard = combined_hardness(run)
    assert names == found.scores == ("aum", "confidence", "loss", "el2n")
    np.testing.assert_array_equal(found.hardness, hard)
    expected = excess_over_tail(1 - run.values("confidence@all"))
    assert int(found.suspect.sum()) == expected.count_suspects(0.1)
    order = np.argsort(-hard, kind="stable")
    assert (np.diff(found.probability[order]) <= 0).all()
    assert found.suspect[order[: expected.count_suspects(0.1)]].all()
    assert (found.method, found.vog_helps, found.reason) == ("tail", None, None)
    assert found.expected_wrong_labels == pytest.approx(expected.probability.sum())
    assert found.expected_fdr <= 0.1 == found.fdr
    assert (found.probability[found.suspect] > 0).all(), "no suspect has a probability of 0"


def test_what_is_not_known_is_not_said(tmp_path: Path, cli: Cli) -> None:
    """Right labels alone, a model that has learned nothing, and one that knows all by heart."""
    rng = np.random.default_rng(0)
    for name, confidence, why in (
        ("right", doubted(900, 0), "no more labels than the tail of right labels explains"),
        ("by heart", np.full(900, 0.99), "or it has also learned the wrong labels"),
        ("untrained", rng.uniform(0, 0.3, 900), "gives most labels less than 40% on average over"),
    ):
        run = run_doubted(tmp_path / name, confidence)
        found = suspects(run)
        assert (int(found.suspect.sum()), why in str(found.reason)) == (0, True), name
        assert np.isnan([found.expected_wrong_labels, found.expected_fdr, *found.probability]).all()
        assert np.isfinite(found.hardness).all()
        assert verdict_or_why(run)[1] is None
        with pytest.raises(ResultError, match="cannot be judged: .*To find out, judge every"):
            require_verdict(run)
        code, out, _ = cli("suspects", str(run.folder), "--count", "3")
        assert code == 0
        assert "How many of 900 labels are wrong cannot be told: " in out
        assert "These rank highest, by aum, confidence." in out
        assert "About" not in out
        assert len(out.split("\n\n")[0].splitlines()) >= 4, "the three that rank highest"


def test_classes_that_the_model_has_not_learned_are_not_judged(tmp_path: Path) -> None:
    """Of 1,000 of class 1 some are wrong; those of the rare class 2 are doubted and right."""
    confidence = np.concatenate([doubted(950, 50), np.full(30, 0.02)])
    labels = [1] * 1000 + [2] * 30
    scores = {"confidence@all": confidence.tolist()}
    run = write_run(tmp_path / "run", scores, labels, [0] * 1030, "easier")
    found = suspects(run)
    assert found.unlearned == (2,)
    assert not found.suspect[1000:].any()
    assert np.isnan(found.probability[1000:]).all()
    assert found.suspect[950:1000].mean() > 0.6


def test_rows_that_lack_a_score_are_never_suspects(tmp_path: Path) -> None:
    values, other = doubted(900, 100), doubted(900, 100)
    values[995], other[996] = NAN, NAN
    found = suspects(run_doubted(tmp_path / "run", values, loss=other))
    assert np.isnan(found.probability[[995, 996]]).all()
    assert not found.suspect[[995, 996]].any()
    alone = excess_over_tail(1 - np.delete(values, [995, 996]))
    assert int(found.suspect.sum()) == alone.count_suspects(0.1), "and they do not count"
    empty = suspects(run_doubted(tmp_path / "empty", np.full(3, NAN)))
    assert "has no row with a value of every score that judges" in str(empty.reason)


def test_the_error_of_a_calibration_by_hand() -> None:
    """Of 50 rows 11 are wrong: in one fold of ten 3 of them, where a share of 8/40 was learned.

    In four folds there are 2, and 9/40 was learned. One a and four b have a standard deviation,
    with 4 degrees of freedom, of |a - b| / sqrt(5), and their mean has one of |a - b| / 5.
    """
    found = calibrate(np.zeros((1, 50)), np.arange(50) < 11)
    a = -(3 * np.log(8 / 40) + 7 * np.log(32 / 40)) / 10
    b = -(2 * np.log(9 / 40) + 8 * np.log(31 / 40)) / 10
    assert found.log_loss == pytest.approx((a + 4 * b) / 5, rel=1e-4)
    assert found.standard_error == pytest.approx(abs(a - b) / 5, rel=1e-3)


def test_folds_are_drawn_all_over_the_rows() -> None:
    """Each fifth of the rows has a score of its own, which blocks of rows would never learn."""
    truth = np.tile([False, True], 100)
    fifth = np.arange(200) // 40
    values = np.stack([truth * (fifth == one) for one in range(5)]) * 1.0
    assert calibrate(values, truth).log_loss < 0.1


def test_calibration_by_hand() -> None:
    """A score that knows nothing gives everybody the share of what is planted; 20 of 100 here."""
    truth = np.arange(100) < 20
    nothing = calibrate(np.zeros((1, 100)), truth)
    np.testing.assert_allclose(nothing.probability, 0.2, atol=1e-4)
    expected = -(0.2 * np.log(0.2) + 0.8 * np.log(0.8))
    assert nothing.log_loss == pytest.approx(expected, rel=1e-4)
    assert nothing.standard_error == pytest.approx(0, abs=1e-4)
    all_of_it = calibrate(truth[None] * 1.0, truth)
    assert all_of_it.probability[:20].min() > 0.9 > 0.1 > all_of_it.probability[20:].max()
    assert all_of_it.log_loss < expected / 3


def test_nobody_is_judged_by_what_was_learned_from_it() -> None:
    """Labels at random, and a score for each row that names it: in sample they could be known."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.arange(60) < 30)
    found = calibrate(np.eye(60), truth)
    assert abs(found.probability[truth].mean() - found.probability[~truth].mean()) < 0.05


def test_probabilities_are_frequencies() -> None:
    """Two normal populations: of those given 0.4 to 0.6 about half are wrong."""
    rng = np.random.default_rng(0)
    truth = np.arange(20000) < 6000
    found = calibrate((rng.normal(size=20000) + 2 * truth)[None], truth)
    for low in (0.1, 0.4, 0.7):
        inside = (found.probability >= low) & (found.probability < low + 0.2)
        assert truth[inside].mean() == pytest.approx(found.probability[inside].mean(), abs=0.03)


def test_flips_weigh_the_scores_and_find_others_like_them(tmp_path: Path) -> None:
    """Of 300 wrong labels 100 were planted; the cut that is told by these finds both."""
    margins = drawn(900, 300)
    noise = np.random.default_rng(1).normal(size=1200)
    run = run_of(tmp_path / "run", margins, vog=noise)
    found = suspects(run, planted(range(900, 1000)))
    assert (found.method, found.scores, found.vog_helps) == ("calibrated", ("aum",), False)
    assert not found.suspect[:900].any()
    assert found.suspect[1000:].mean() > 0.35
    assert found.suspect[900:1000].mean() > 0.35
    assert (found.probability[900:1000] == 1).all(), "these are known to be wrong"
    assert 100 < found.expected_wrong_labels < 210, "a lower bound"
    assert found.expected_fdr <= 0.1
    np.testing.assert_array_equal(np.flatnonzero(found.planted), np.arange(900, 1000))
    margins[7] = INF
    lacking = suspects(run_of(tmp_path / "infinite", margins), planted(range(900, 1000)))
    assert np.flatnonzero(np.isnan(lacking.hardness)).tolist() == [7]
    helpful = run_of(tmp_path / "other", noise, vog=margins)
    found = suspects(helpful, planted(range(900, 1000)))
    assert (found.scores, found.vog_helps) == (("aum", "vog"), True)


def test_where_only_the_planted_are_wrong_nothing_is_claimed(tmp_path: Path) -> None:
    """A flip that is found says nothing of labels that were not planted."""
    run = run_of(tmp_path / "run", drawn(900, 100))
    found = suspects(run, planted(range(900, 1000)))
    assert not found.suspect.any()
    assert "rare where labels look planted, as right ones do" in str(found.reason)
    assert found.hardness[900:].min() > 0.85, "the ranking stands"
    assert np.isnan([found.expected_fdr, found.expected_wrong_labels]).all()


def test_flips_of_what_is_ambiguous_count_nothing(tmp_path: Path) -> None:
    """As many ambiguous examples were left right, and look the same."""
    run = run_of(tmp_path / "run", drawn(900, 300))
    plants = [replace(one, method="boundary") for one in planted(range(900, 1000)).plants]
    found = suspects(run, Planted({}, tuple(plants)))
    assert "which scores to trust and not how many" in str(found.reason)
    assert not found.suspect.any()


def test_the_tail_counts_where_flips_tell_less(tmp_path: Path) -> None:
    run = run_doubted(tmp_path / "run", doubted(2000, 200))
    record = planted(range(2000, 2100))
    found, alone = suspects(run, record), suspects(run)
    own = found.suspect & ~found.planted
    assert own[2100:].mean() > 0.5
    assert own[:2000].sum() <= 0.1 * own.sum()
    assert alone.suspect.sum() > own.sum(), "which counts the planted too"


def test_the_stage_that_tells_the_flips(tmp_path: Path) -> None:
    """Margins early tell wrong from right, margins late nothing."""
    early = drawn(900, 300)
    late = np.random.default_rng(3).normal(size=1200)
    scores = {"aum@early": early, "aum@late": late, "aum@all": late + 0.1 * early}
    columns = {name: of.tolist() for name, of in scores.items()}
    run = write_run(tmp_path / "run", columns, [0] * 1200, [1] * 1200, "easier")
    record = planted(range(900, 1000))
    found = suspects(run, record)
    assert (found.stage, found.stage_reason) == ("early", "it separates the planted flips best")
    asked = suspects(run, record, stage="late")
    assert (asked.stage, asked.stage_reason, asked.reason is None) == ("late", None, False)
    with pytest.raises(ResultError, match="has no stage 'erly'.*early"):
        suspects(run, record, stage="erly")
    with pytest.raises(ResultError, match="has no stage 'erly'"):
        likely_label_errors(run, stage="erly")


@pytest.mark.parametrize(("log_loss", "helps"), [(0.19, True), (0.21, False), (0.35, False)])
def test_vog_has_to_help_by_more_than_its_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_loss: float, helps: bool
) -> None:
    """From 0.3, with an error of 0.1 where VoG is among the scores."""

    def known(values: np.ndarray, truth: np.ndarray) -> CrossFit:
        with_vog = len(values) == 2
        return CrossFit(truth * 1.0, log_loss if with_vog else 0.3, 0.1 if with_vog else 0.0)

    monkeypatch.setattr("vog.analysis.label_errors.calibration.calibrate", known)
    run = run_of(tmp_path / "run", drawn(90, 10), vog=drawn(90, 10))
    assert suspects(run, planted(range(90, 100))).vog_helps is helps


def test_other_kinds_are_not_wrong_labels(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", drawn(900, 300))
    flips = planted(range(900, 1000)).plants
    found = suspects(run, Planted({}, (*flips, *planted(range(1180, 1200), "corrupt").plants)))
    assert np.isnan(found.probability[1180:]).all()
    assert not found.suspect[1180:].any()
    assert found.suspect[1000:1180].mean() > 0.35
    samples = Planted({}, (*flips, *planted(range(1180, 1200), THRESHOLD).plants))
    assert suspects(run, samples).method == "calibrated", "flips say more than a cut-off"


def test_threshold_samples_give_the_cut(tmp_path: Path) -> None:
    """Samples with margins 0, 1, ..., 100: 99 % of them are below 99."""
    margins = np.array([*range(101), 98.5, 99.5, -7.0, NAN, 99.0])
    run = run_of(tmp_path / "run", margins)
    unknown = planted(range(104, 105), THRESHOLD).plants
    found = suspects(run, Planted({}, (*planted(range(101), THRESHOLD).plants, *unknown)))
    assert (found.method, found.scores) == ("threshold", ("aum",))
    assert np.flatnonzero(found.suspect).tolist() == [101, 103], (
        "none of the samples, none at the cut"
    )
    assert np.isnan(found.probability).all()
    assert np.isnan([found.expected_fdr, found.expected_wrong_labels]).all()
    with pytest.raises(ResultError, match="has 9 threshold samples with an AUM.*at least 10"):
        suspects(run, planted(range(9), THRESHOLD))


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", drawn(90, 10))
    nothing = write_run(tmp_path / "unlabelled", {"aum@all": [1.0, 2.0]}, [-1, -1], [0, 0])
    with pytest.raises(ResultError, match="unlabelled has no labels, so none can be judged"):
        suspects(nothing)
    for fdr in (0.0, 1.0, -0.1, NAN):
        with pytest.raises(ResultError, match="fdr=.*: expected a share between 0 and 1"):
            suspects(run, fdr=fdr)
    with pytest.raises(
        ResultError, match=f"has 9 flipped and 91 other labels.*least {MIN_PLANTED}"
    ):
        suspects(run, planted(range(9)))
    few = drawn(90, 10)
    few[5:90] = INF
    with pytest.raises(ResultError, match="has 10 flipped and 5 other labels"):
        suspects(run_of(tmp_path / "f", few), planted(range(90, 100)))
    with pytest.raises(ResultError, match="has no score confidence, by which labels are"):
        suspects(write_run(tmp_path / "b", {"loss@all": [1.0]}, [0], [1]))
    with pytest.raises(ResultError, match="none of the scores aum, confidence, loss, el2n"):
        suspects(write_run(tmp_path / "c", {"vog@all": [1.0]}, [0], [1]))
    untrained = run_doubted(tmp_path / "d", 1 - doubted(100, 0))
    listed = likely_label_errors(untrained)
    assert (listed.verdict is None, len(listed.suspects)) == (False, 24), "a ranking all the same"
    assert listed.verdict is not None
    assert "has not learned" in str(listed.verdict.reason)
    assert not any(one.suspect for one in listed.suspects)
    strangers = Planted({}, (Plant("other", FLIP, "uniform", 0, None, 1),))
    with pytest.raises(ResultError, match="lacks 1 of 1 planted examples: other"):
        suspects(run, strangers)


def test_a_label_learned_by_heart_is_told_by_an_earlier_stage(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"aum@all": [3.0, 2.0, 1.0]}, [0, 0, 0], [0, 1, 0], "easier")
    assert "prediction@late" not in run.columns
    found = ranking("tail", (), ("all", None), np.array([0.2, 0.9, 0.5]), 0.1)
    found = replace(found, suspect=np.ones(3, bool))
    listed = most_suspicious(run, found)
    assert [one.index for one in listed] == [1, 2, 0]
    assert [one.suggested for one in listed] == [1, None, None]
    assert [one.prediction for one in listed] == [1, 0, 0]
    assert all(one.suspect and one.probability is None for one in listed)
    assert [one.index for one in most_suspicious(run, found, 1)] == [1]


@pytest.mark.slow
def test_real_digits(scored: Scored) -> None:
    wrong = scored.labels != scored.shown
    found = suspects(scored.run)
    assert found.expected_wrong_labels == pytest.approx(wrong.sum(), rel=0.3)
    assert wrong[found.suspect].mean() > 0.75
    assert found.suspect[wrong].mean() > 0.9
    listed = likely_label_errors(scored.run, 40)
    assert listed.verdict is not None
    assert np.mean([wrong[one.index] for one in listed.suspects]) > 0.9
    learned = [one for one in listed.suspects if one.prediction == one.label]
    flips = [one for one in listed.suspects if wrong[one.index]]
    assert np.mean([scored.shown[one.index] == one.suggested for one in flips]) > 0.9
    assert all(one.suggested != one.label for one in learned)


@pytest.mark.slow
def test_the_command(
    scored: Scored,
    tmp_path: Path,
    cli: Cli,
) -> None:
    run, wrong = str(scored.run.folder), scored.labels != scored.shown
    code, out, _ = cli("suspects", run, "--count", "3", "--out", "s.csv", "--chart", "m.png")
    assert code == 0
    found = suspects(scored.run)
    count = int(found.suspect.sum())
    assert (
        f"{count} of 1,437 labels are suspects, doubted more than the other labels predict" in out
    )
    assert f"At least about {found.expected_wrong_labels:,.0f} of these labels are wrong." in out
    assert "Stage all: the mean over the whole training, the rule without planted flips" in out
    assert f"s.csv: {count} suspects" in out
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert [int(row["id"]) for row in rows] == [
        one.index for one in most_suspicious(scored.run, found)
    ]
    assert rows[0]["suggested"].startswith("digit ")
    assert (tmp_path / "m.png").exists()
    plants = tuple(
        Plant(str(row), FLIP, "uniform", int(scored.labels[row]), str(row), int(scored.shown[row]))
        for row in np.flatnonzero(wrong).tolist()
    )
    (tmp_path / "planted").mkdir()
    write_record(tmp_path / "planted", Planted({}, plants))
    code, out, _ = cli("suspects", run, "--planted", "planted")
    assert (code, "VoG did not help" in out) == (0, True)
    assert "labels that were not planted are wrong cannot be told" in out
    assert "Half of the planted rank above all but" in out
    code, out, _ = cli("suspects", run, "--format", "csv")
    assert len(out.splitlines()) == count + 1
    assert "labels are suspects, doubted more" in cli("suspects", run, "--format", "json")[2]
    code, _, err = cli("suspects", run, "--out", f"{run}/question.json")
    assert (code, "question.json is a part of the run. Give another" in err) == (1, True)
    code, out, err = cli("suspects", run, "--planted", "nowhere")
    assert (code, out) == (1, "")
    assert "--planted nowhere holds no planted" in err


def test_the_chart_of_margins(tmp_path: Path) -> None:
    run = run_doubted(tmp_path / "run", doubted(900, 100))
    found = suspects(run)
    rows = [row for row in values(spec(charts.margins(run, found))) if "labels" in row]
    counts = {
        name: sum(row["examples"] for row in rows if row["labels"] == name)
        for name in ("taken for right", "taken for wrong")
    }
    wrong = int(found.suspect.sum())
    assert counts == {"taken for right": 1000 - wrong, "taken for wrong": wrong}
    assert all(row["high"] < 0.5 for row in rows if row["labels"] == "taken for wrong")
    empty = run_of(tmp_path / "empty", np.array([NAN, NAN]))
    nobody = ranking("tail", (), ("all", None), np.zeros(2), 0.1)
    assert "0 of 2" in str(spec(charts.margins(empty, nobody)))


def test_the_library_names_it() -> None:
    assert vog.suspects is suspects


def test_select_drops_what_the_calibrated_verdict_suspects(tmp_path: Path) -> None:
    run = run_doubted(tmp_path / "run", doubted(900, 100))
    record = planted(range(900, 1000))
    found = vog.select(run, drop_suspects=True, planted=record)
    expected = np.flatnonzero(~suspects(run, record).suspect)
    np.testing.assert_array_equal(found.positions, expected)
    assert len(vog.select(run, drop_suspects=True).ids) != len(found.ids), "another verdict"
