"""The verdict on labels: pencil work, laws, degenerate runs, and real digits with known flips."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vog
from scored import Scored
from test_analyze import made
from test_bad_input import Cli, cli  # noqa: F401 (a fixture)
from test_charts import spec, values
from vog.analysis.calibration import LEAST, Calibrated, calibrated
from vog.analysis.label_errors import likely_label_errors, most_suspicious
from vog.analysis.mixture import _wrong, populations
from vog.analysis.suspects import Verdict, _decided, _with_own, combined, suspects, verdict_or_why
from vog.errors import ResultError
from vog.figures import charts
from vog.result import Run
from vog.result.planted import FLIP, THRESHOLD, Plant, Planted, save

NAN, INF = float("nan"), float("inf")


def drawn(right: int, wrong: int, seed: int = 0) -> np.ndarray:
    """Margins of right labels around 5 and of wrong ones, the last, around -5, far apart."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(5, 1, right), rng.normal(-5, 1, wrong)])


def run_of(folder: Path, margins: np.ndarray, **others: np.ndarray) -> Run:
    """A run of these margins, with other scores whose high end is easy too."""
    count = len(margins)
    scores = {"aum@all": margins.tolist()} | {f"{k}@all": v.tolist() for k, v in others.items()}
    return made(folder, [0] * count, [1] * count, scores, "easier")


def planted(rows: range, kind: str = FLIP) -> Planted:
    return Planted({}, tuple(Plant(f"e{row}", kind, "uniform", 0, f"e{row}", 1) for row in rows))


@pytest.mark.parametrize("wrong", [10, 50, 200])
def test_a_mixture_knows_how_many_are_wrong(wrong: int) -> None:
    margins = drawn(1000, wrong)
    found = populations(margins).probability(margins)
    assert found.sum() == pytest.approx(wrong, rel=0.1)
    assert found[-wrong:].min() > found[:-wrong].max() > 0


def test_right_labels_alone_are_right() -> None:
    """Even with a tail of hard examples, as long as their margins are not a group below 0."""
    rng = np.random.default_rng(0)
    margins = np.concatenate([rng.normal(5, 1.0, 900), rng.normal(2, 1.0, 100)])
    assert populations(margins).probability(margins).max() < 0.5
    assert populations(margins).probability(np.empty(0)).shape == (0,)


@pytest.mark.parametrize(
    ("means", "wrong"),
    [
        ([4.0, -4.0], [-4.0]),
        ([4.0, -1.3], []),  # within a third of the median: hard, and not wrong
        ([4.0, -1.4], [-1.4]),
        ([4.0, 3.0], []),
        ([-2.0, -3.0], []),  # nothing is right
        ([3.0, -8.0, -5.0, 2.0, -1.5], [-8.0, -5.0]),  # the widest gap is from -5 to -1.5
        ([3.0, -8.0, -2.0, 12.0], [-8.0]),  # gaps of 6 and 5; that from 3 to 12 does not count
        ([3.0, -7.0, -2.0, 12.0], [-7.0]),  # of equal gaps the first, which takes fewer
    ],
)
def test_which_distributions_are_of_wrong_labels(means: list[float], wrong: list[float]) -> None:
    """With a median margin of 4."""
    found = _wrong(np.array(means), 4.0)
    assert sorted(np.array(means)[found]) == sorted(wrong)


@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_laws_of_the_mixture(seed: int, wrong: int) -> None:
    margins = drawn(200, wrong, seed)
    found = populations(margins)
    probability = found.probability(margins)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability[np.argsort(margins)]) <= 1e-12).all(), "falls with the margin"
    order = np.random.default_rng(seed).permutation(len(margins))
    again = populations(margins[order]).probability(margins[order])
    np.testing.assert_allclose(again, probability[order])


def test_many_margins_are_fitted_by_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    margins = drawn(4000, 200)
    monkeypatch.setattr("vog.analysis.mixture._FITTED", 500)
    found = populations(margins)
    assert found.probability(margins).sum() == pytest.approx(200, rel=0.25)
    assert len(found.probability(margins)) == 4200


def test_a_few_wrong_ones_are_a_group_of_their_own() -> None:
    """Of distributions of any width one would take the hard examples together with them."""
    rng = np.random.default_rng(0)
    groups = [rng.normal(8, 1, 2500), rng.normal(4, 1.5, 500), rng.normal(-4, 1, 12)]
    probability = populations(np.concatenate(groups)).probability(np.concatenate(groups))
    assert probability[-12:].min() > 0.9
    assert probability[:-12].max() < 0.3


def test_one_label_that_is_far_more_wrong_changes_nothing() -> None:
    """Alone it would be a group, with the widest gap between it and the wrong ones."""
    margins = drawn(1000, 50)
    expected = populations(margins).probability(margins).sum()
    margins[-2:] = -100, -30
    found = populations(margins).probability(margins)
    assert found.sum() == pytest.approx(expected, rel=0.02)
    assert found[-1] > 0.99


@pytest.mark.parametrize("shape", ["gamma", "exponential"])
def test_wrong_labels_of_any_shape_are_counted(shape: str) -> None:
    rng = np.random.default_rng(0)
    tails = {"gamma": -rng.gamma(2, 4, 150) - 2, "exponential": -2 - rng.exponential(6, 150)}
    margins = np.concatenate([rng.normal(5, 1, 1000), tails[shape]])
    assert populations(margins).probability(margins).sum() == pytest.approx(150, rel=0.15)


def test_infinite_margins_are_the_lowest_and_the_highest(tmp_path: Path) -> None:
    margins = drawn(90, 10)
    margins[0], margins[-1] = INF, -INF
    found = suspects(run_of(tmp_path / "run", margins))
    assert (found.probability[0] < 0.01, found.probability[-1] > 0.99) == (True, True)
    assert found.suspect[-1]


def test_the_width_is_that_of_the_groups() -> None:
    fitted = populations(drawn(900, 100)).fitted
    assert np.sqrt(np.asarray(fitted.covariances_)).item() == pytest.approx(1, abs=0.05)


def test_a_group_is_measured_by_the_median_and_not_the_mean() -> None:
    """A median of 6 puts the cut at -2, left of the group at -1.8; the mean of 2.9 at -1."""
    rng = np.random.default_rng(0)
    margins = np.concatenate([rng.normal(6, 0.3, 600), rng.normal(-1.8, 0.3, 400)])
    assert populations(margins).probability(margins).max() == 0


def test_margins_of_two_values_only() -> None:
    margins = np.array([5.0] * 50 + [-5.0] * 5)
    np.testing.assert_allclose(
        populations(margins).probability(margins), margins < 0, atol=1e-9, rtol=0
    )


def test_margins_say_how_many_and_all_scores_which(tmp_path: Path) -> None:
    """Row 99 is the most suspicious by AUM alone, row 0 by the other three scores."""
    margins = drawn(90, 10)
    margins[0] = 0  # the least of the right ones
    other = margins.copy()
    other[0], other[-1] = -99, 99
    run = run_of(tmp_path / "run", margins, confidence=other, loss=other, el2n=other)
    found = suspects(run)
    names, hard = combined(run)
    assert names == found.scores == ("aum", "confidence", "loss", "el2n")
    np.testing.assert_array_equal(found.hardness, hard)
    ranks = [run.hardness(f"{name}@all") for name in names]
    np.testing.assert_allclose(hard, np.mean(ranks, axis=0))
    alone = populations(run.numbers("aum@all")).probability(run.numbers("aum@all"))
    np.testing.assert_allclose(np.sort(found.probability), np.sort(alone))
    order = np.argsort(-hard, kind="stable")
    assert (np.diff(found.probability[order]) <= 0).all()
    assert found.suspect[0]
    assert not found.suspect[99]
    assert (found.method, found.vog_helps) == ("mixture", None)
    assert found.wrong == pytest.approx(alone.sum())


@pytest.mark.parametrize("fdr", [0.01, 0.1, 0.5])
def test_as_many_suspects_as_keep_the_expected_share(tmp_path: Path, fdr: float) -> None:
    run = run_of(tmp_path / "run", drawn(900, 100))
    found = suspects(run, fdr=fdr)
    right = 1 - found.probability
    count = int(found.suspect.sum())
    assert right[found.suspect].mean() == pytest.approx(found.expected_fdr)
    assert found.expected_fdr <= fdr == found.fdr
    more = np.sort(right)[: count + 1]
    assert more.mean() > fdr, "one more would be too many"
    assert found.probability[found.suspect].min() >= found.probability[~found.suspect].max()


def test_the_share_that_is_aimed_at_is_still_kept() -> None:
    """Labels wrong with 1, 0.5 and 0.5: a quarter of the first two are right, a third of all."""
    unknown, nobody = np.zeros(3), np.zeros(3, bool)
    found = Verdict("mixture", (), unknown, np.array([0.5, 1.0, 0.5]), nobody, 0.25, 0.0, 0.0)
    decided = _decided(found)
    assert decided.suspect.tolist() == [True, True, False]
    assert (decided.expected_fdr, decided.wrong) == (0.25, 2.0)


def test_no_suspects_where_nothing_stands_out(tmp_path: Path) -> None:
    found = suspects(run_of(tmp_path / "run", drawn(500, 0)))
    assert (int(found.suspect.sum()), found.expected_fdr) == (0, 0.0)
    assert found.wrong < 1


@pytest.mark.parametrize("margins", [[1.0, 1.0, 1.0], [2.0], [NAN, NAN], [INF, INF, INF]])
def test_margins_that_say_nothing(tmp_path: Path, margins: list[float]) -> None:
    run = run_of(tmp_path / "run", np.array(margins))
    with pytest.raises(ResultError, match="rows with a finite AUM.*labels are judged by how it"):
        suspects(run)
    found, why = verdict_or_why(run)
    assert found is None
    assert "finite AUM" in str(why)
    with pytest.raises(ResultError, match="lacks 1 of 1"):
        verdict_or_why(run, Planted({}, (Plant("other", FLIP, "uniform", 0, None, 1),)))


def test_rows_that_lack_a_score_are_never_suspects(tmp_path: Path) -> None:
    margins = drawn(90, 10)
    margins[95], other = NAN, drawn(90, 10)
    other[96] = NAN
    found = suspects(run_of(tmp_path / "run", margins, loss=other))
    assert np.isnan(found.probability[[95, 96]]).all()
    assert not found.suspect[[95, 96]].any()
    assert found.suspect[[97, 98, 99]].all()


def test_margins_of_rows_that_are_not_judged_do_not_count(tmp_path: Path) -> None:
    margins = np.concatenate([drawn(90, 10), np.full(40, -100.0)])
    other = np.where(margins == -100, NAN, margins)
    found = suspects(run_of(tmp_path / "run", margins, loss=other))
    alone = suspects(run_of(tmp_path / "alone", margins[:100], loss=margins[:100]))
    np.testing.assert_allclose(found.probability[:100], alone.probability)


def test_the_error_of_a_calibration_by_hand() -> None:
    """Of 50 rows 11 are wrong: in one fold of ten 3 of them, where a share of 8/40 was learned.

    In four folds there are 2, and 9/40 was learned. One a and four b have a standard deviation,
    with 4 degrees of freedom, of |a - b| / sqrt(5), and their mean has one of |a - b| / 5.
    """
    found = calibrated(np.zeros((1, 50)), np.arange(50) < 11)
    a = -(3 * np.log(8 / 40) + 7 * np.log(32 / 40)) / 10
    b = -(2 * np.log(9 / 40) + 8 * np.log(31 / 40)) / 10
    assert found.log_loss == pytest.approx((a + 4 * b) / 5, rel=1e-4)
    assert found.error == pytest.approx(abs(a - b) / 5, rel=1e-3)


def test_folds_are_drawn_all_over_the_rows() -> None:
    """Each fifth of the rows has a score of its own, which blocks of rows would never learn."""
    truth = np.tile([False, True], 100)
    fifth = np.arange(200) // 40
    values = np.stack([truth * (fifth == one) for one in range(5)]) * 1.0
    assert calibrated(values, truth).log_loss < 0.1


def test_calibration_by_hand() -> None:
    """A score that knows nothing gives everybody the share of what is planted; 20 of 100 here."""
    truth = np.arange(100) < 20
    nothing = calibrated(np.zeros((1, 100)), truth)
    np.testing.assert_allclose(nothing.probability, 0.2, atol=1e-4)
    expected = -(0.2 * np.log(0.2) + 0.8 * np.log(0.8))
    assert nothing.log_loss == pytest.approx(expected, rel=1e-4)
    assert nothing.error == pytest.approx(0, abs=1e-4)
    all_of_it = calibrated(truth[None] * 1.0, truth)
    assert all_of_it.probability[:20].min() > 0.9 > 0.1 > all_of_it.probability[20:].max()
    assert all_of_it.log_loss < expected / 3


def test_nobody_is_judged_by_what_was_learned_from_it() -> None:
    """Labels at random, and a score for each row that names it: in sample they could be known."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.arange(60) < 30)
    found = calibrated(np.eye(60), truth)
    assert abs(found.probability[truth].mean() - found.probability[~truth].mean()) < 0.05


def test_probabilities_are_frequencies() -> None:
    """Two normal populations: of those given 0.4 to 0.6 about half are wrong."""
    rng = np.random.default_rng(0)
    truth = np.arange(20000) < 6000
    found = calibrated((rng.normal(size=20000) + 2 * truth)[None], truth)
    for low in (0.1, 0.4, 0.7):
        inside = (found.probability >= low) & (found.probability < low + 0.2)
        assert truth[inside].mean() == pytest.approx(found.probability[inside].mean(), abs=0.03)


def test_flips_calibrate(tmp_path: Path) -> None:
    margins = drawn(900, 100)
    noise = np.random.default_rng(1).normal(size=1000)
    run = run_of(tmp_path / "run", margins, vog=noise)
    found = suspects(run, planted(range(900, 1000)))
    assert (found.method, found.scores, found.vog_helps) == ("calibrated", ("aum",), False)
    np.testing.assert_array_equal(found.hardness, found.probability)
    assert found.wrong == pytest.approx(100, rel=0.05)
    margins[7] = INF
    lacking = suspects(run_of(tmp_path / "infinite", margins), planted(range(900, 1000)))
    assert np.flatnonzero(np.isnan(lacking.probability)).tolist() == [7]
    assert found.suspect[900:].mean() > 0.95
    helpful = run_of(tmp_path / "other", noise, vog=margins)
    found = suspects(helpful, planted(range(900, 1000)))
    assert (found.scores, found.vog_helps) == (("aum", "vog"), True)
    assert found.suspect[900:].mean() > 0.9


@pytest.mark.parametrize(("log_loss", "helps"), [(0.19, True), (0.21, False), (0.35, False)])
def test_vog_has_to_help_by_more_than_its_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_loss: float, helps: bool
) -> None:
    """From 0.3, with an error of 0.1 where VoG is among the scores."""

    def known(values: np.ndarray, truth: np.ndarray) -> Calibrated:
        with_vog = len(values) == 2
        return Calibrated(truth * 1.0, log_loss if with_vog else 0.3, 0.1 if with_vog else 0.0)

    monkeypatch.setattr("vog.analysis.calibration.calibrated", known)
    run = run_of(tmp_path / "run", drawn(90, 10), vog=drawn(90, 10))
    assert suspects(run, planted(range(90, 100))).vog_helps is helps


@pytest.mark.parametrize(("own", "recall"), [(10, 0.9), (20, 0.85), (50, 0.6)])
def test_own_errors_do_not_hide_the_planted_ones(tmp_path: Path, own: int, recall: float) -> None:
    """Of 100 wrong labels some were not planted, and were learned from as right."""
    run = run_of(tmp_path / "run", drawn(900, 100))
    found = suspects(run, planted(range(900, 1000 - own)))
    assert found.suspect[900:].mean() > recall
    assert found.suspect[:900].sum() <= 0.1 * found.suspect.sum()
    assert 100 - own < found.wrong < 105
    assert np.nanmax(found.probability) == 1


def test_what_the_clearest_of_the_planted_get_is_certain() -> None:
    """The upper quartile of 0, 0.05, ..., 0.5 is 0.375."""
    values = np.array([0.9, *np.arange(11) / 20])
    flipped = np.arange(12) > 0
    np.testing.assert_allclose(_with_own(values, flipped)[[0, 1, 2, 11]], [1, 0, 2 / 15, 1])


def test_other_kinds_are_not_wrong_labels(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", drawn(900, 100))
    both = Planted(
        {},
        (*planted(range(900, 980)).plants, *planted(range(980, 1000), "corrupt").plants),
    )
    found = suspects(run, both)
    assert np.isnan(found.probability[980:]).all()
    assert not found.suspect[980:].any()
    assert found.suspect[900:980].mean() > 0.95
    samples = Planted({}, (*both.plants[:80], *planted(range(980, 1000), THRESHOLD).plants))
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
    assert np.isnan([found.expected_fdr, found.wrong]).all()
    with pytest.raises(ResultError, match="has 9 threshold samples with an AUM.*at least 10"):
        suspects(run, planted(range(9), THRESHOLD))


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", drawn(90, 10))
    nothing = made(tmp_path / "unlabelled", [-1, -1], [0, 0], {"aum@all": [1.0, 2.0]})
    with pytest.raises(ResultError, match="unlabelled has no labels that could be judged"):
        suspects(nothing)
    for fdr in (0.0, 1.0, -0.1, NAN):
        with pytest.raises(ResultError, match="--fdr is .*; expected a share between 0 and 1"):
            suspects(run, fdr=fdr)
    with pytest.raises(ResultError, match=f"has 9 flipped and 91 other labels.*least {LEAST}"):
        suspects(run, planted(range(9)))
    few = drawn(90, 10)
    few[5:90] = INF
    with pytest.raises(ResultError, match="has 10 flipped and 5 other labels"):
        suspects(run_of(tmp_path / "f", few), planted(range(90, 100)))
    with pytest.raises(ResultError, match="has no score aum, whose sign tells wrong labels"):
        suspects(made(tmp_path / "b", [0], [1], {"loss@all": [1.0]}))
    with pytest.raises(ResultError, match="none of the scores aum, confidence, loss, el2n"):
        suspects(made(tmp_path / "c", [0], [1], {"vog@all": [1.0]}))
    with pytest.raises(ResultError, match="the median AUM is 0"):
        suspects(run_of(tmp_path / "e", np.array([-1.0, 0.0, 0.0, 1.0])))
    untrained = run_of(tmp_path / "d", -drawn(60, 40))
    with pytest.raises(ResultError, match="the median AUM is -4.*It has not learned these data"):
        suspects(untrained)
    listed = likely_label_errors(untrained)
    assert (listed.verdict, len(listed.suspects)) == (None, 24), "a ranking all the same"
    assert "has not learned" in str(listed.why_none)
    strangers = Planted({}, (Plant("other", FLIP, "uniform", 0, None, 1),))
    with pytest.raises(ResultError, match="lacks 1 of 1 planted examples: other"):
        suspects(run, strangers)


def test_a_label_learned_by_heart_is_told_by_an_earlier_stage(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [0, 0, 0], [0, 1, 0], {"aum@all": [3.0, 2.0, 1.0]}, "easier")
    assert "prediction@late" not in run.columns
    unknown = np.full(3, NAN)
    everybody = np.ones(3, bool)
    found = Verdict("mixture", (), np.array([0.2, 0.9, 0.5]), unknown, everybody, 0.1, 0.0, 0.0)
    listed = most_suspicious(run, found)
    assert [one.index for one in listed] == [1, 2, 0]
    assert [one.suggested for one in listed] == [1, None, None]
    assert [one.prediction for one in listed] == [1, 0, 0]
    assert all(one.suspect and one.probability is None for one in listed)
    assert [one.index for one in most_suspicious(run, found, 1)] == [1]


def test_real_digits(scored: Scored) -> None:
    wrong = scored.labels != scored.shown
    found = suspects(scored.run)
    assert found.wrong == pytest.approx(wrong.sum(), rel=0.3)
    assert wrong[found.suspect].mean() > 0.75
    assert found.suspect[wrong].mean() > 0.9
    listed = likely_label_errors(scored.run, 40)
    assert listed.verdict is not None
    assert np.mean([wrong[one.index] for one in listed.suspects]) > 0.9
    learned = [one for one in listed.suspects if one.prediction == one.label]
    flips = [one for one in listed.suspects if wrong[one.index]]
    assert np.mean([scored.shown[one.index] == one.suggested for one in flips]) > 0.9
    assert all(one.suggested != one.label for one in learned)


def test_the_command(
    scored: Scored,
    tmp_path: Path,
    cli: Cli,  # noqa: F811
) -> None:
    run, wrong = str(scored.run.folder), scored.labels != scored.shown
    code, out, _ = cli("suspects", run, "--count", "3", "--out", "s.csv", "--chart", "m.png")
    assert code == 0
    found = suspects(scored.run)
    count = int(found.suspect.sum())
    assert f"{count} of 1,437 labels are suspects, by the mixture of margins" in out
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
    save(tmp_path / "planted", Planted({}, plants))
    code, out, _ = cli("suspects", run, "--planted", "planted")
    assert (code, "calibrated with the planted flips" in out, "VoG did not help" in out) == (
        0,
        True,
        True,
    )
    code, out, _ = cli("suspects", run, "--format", "csv")
    assert len(out.splitlines()) == count + 1
    assert "labels are suspects, by the mixture" in cli("suspects", run, "--format", "json")[2]
    code, _, err = cli("suspects", run, "--out", f"{run}/question.json")
    assert (code, "question.json is a part of the run. Give another" in err) == (1, True)
    code, out, err = cli("suspects", run, "--planted", "nowhere")
    assert (code, out) == (1, "")
    assert "--planted nowhere holds no planted" in err


def test_the_chart_of_margins(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", drawn(90, 10))
    found = suspects(run)
    rows = [row for row in values(spec(charts.margins(run, found))) if "labels" in row]
    counts = {
        name: sum(row["examples"] for row in rows if row["labels"] == name)
        for name in ("taken for right", "taken for wrong")
    }
    wrong = int(found.suspect.sum())
    assert counts == {"taken for right": 100 - wrong, "taken for wrong": wrong}
    assert all(row["high"] < 3 for row in rows if row["labels"] == "taken for wrong")
    empty = run_of(tmp_path / "empty", np.array([NAN, NAN]))
    nobody = Verdict(
        "mixture",
        (),
        np.zeros(2),
        np.zeros(2),
        np.zeros(2, bool),
        fdr=0.1,
        expected_fdr=0.0,
        wrong=0.0,
    )
    assert "0 of 2" in str(spec(charts.margins(empty, nobody)))


def test_the_library_names_it() -> None:
    assert vog.suspects is suspects


def test_select_drops_what_the_calibrated_verdict_suspects(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", drawn(900, 100))
    record = planted(range(900, 1000))
    found = vog.select(run, drop_suspects=True, planted=record)
    expected = np.flatnonzero(~suspects(run, record).suspect)
    np.testing.assert_array_equal(found.positions, expected)
    assert len(vog.select(run, drop_suspects=True).ids) != len(found.ids), "another verdict"
