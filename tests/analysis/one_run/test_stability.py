"""Stability: halves of the checkpoints in the same pass, and what they say of a ranking."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

import vog
import world
from command_line import Cli
from runs import write_run
from stored_gradients import store
from vog.analysis.one_run.stability import Stability, spearman_brown, stability, unmeasured_stages
from vog.checkpoints import Stage
from vog.data.sampling import row_hashes
from vog.gradients.score_stored import import_stored
from vog.models.torch.adapter import TorchModel
from vog.result import Run
from vog.result.rows import HALVES, half_of
from vog.scores import SCORES
from vog.sweep import split_half

NAN = float("nan")
Data = tuple[np.ndarray, np.ndarray]
STAGES = "first=0:4,all_but_one=1:"


def of_half(run: Run, column: str, half: str) -> np.ndarray:
    return run.values(half_of(column, half))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [7, 64])
def test_halves_are_what_their_checkpoints_alone_would_give(
    checkpoints: Path, digits: Data, tmp_path: Path, batch_size: int
) -> None:
    """Of seven checkpoints 1, 3, 5 and 7 are odd; of the second to the last 3, 5 and 7 are."""
    steps = [checkpoints / f"step-{100 * (i + 1)}.pt" for i in range(7)]
    run = vog.score(
        world.build,
        checkpoints,
        digits,
        tmp_path / "run",
        scores="all",
        stages=STAGES,
        batch_size=batch_size,
    )
    for name, chosen in {
        "all.odd": steps[::2],
        "all.even": steps[1::2],
        "all_but_one.odd": steps[2::2],
        "all_but_one.even": steps[1::2],
        "first.odd": [steps[0], steps[2]],
        "first.even": [steps[1], steps[3]],
    }.items():
        stage, half = name.split(".")
        alone = vog.score(
            world.build, chosen, digits, tmp_path / name, scores="all", stages=1, quiet=True
        )
        for column in alone.score_columns:
            score = column.partition("@")[0]
            np.testing.assert_allclose(
                of_half(run, f"{score}@{stage}", half), alone.values(column), rtol=1e-4, atol=1e-6
            )


@pytest.mark.slow
def test_each_score_has_the_halves_that_it_can_have(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    """VoG needs two checkpoints in either half, AUM one.

    Of 0 to 6 the first half has 0 2 4 6: `two` has one in each, `three` two and one, `odd` (1 2 3)
    one and two, `four` two and two.
    """
    run = vog.score(
        world.build,
        checkpoints,
        digits,
        tmp_path / "run",
        scores="vog,aum",
        stages="two=0:2,three=0:3,odd=1:4,four=2:6",
    )
    found = {(one.score, one.stage): one.checkpoints for one in stability(run)}
    assert found == {
        ("aum", "two"): 2,
        ("aum", "three"): 3,
        ("aum", "odd"): 3,
        ("aum", "four"): 4,
        ("aum", "all"): 7,
        ("vog", "four"): 4,
        ("vog", "all"): 7,
    }
    assert unmeasured_stages(run) == (
        "Not measured at stages two, three, odd: fewer than 4 checkpoints for vog."
    )
    for name, steps in (("two.odd", [1]), ("two.even", [2]), ("three.odd", [1, 3])):
        stage, half = name.split(".")
        files = [checkpoints / f"step-{i}00.pt" for i in steps]
        alone = vog.score(world.build, files, digits, tmp_path / name, scores="aum", quiet=True)
        np.testing.assert_allclose(
            of_half(run, f"aum@{stage}", half), alone.values("aum@all"), rtol=1e-4, atol=1e-6
        )


@pytest.mark.slow
def test_few_checkpoints_leave_none(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    files = [checkpoints / f"step-{i}00.pt" for i in (1, 2, 3)]
    few = vog.score(world.build, files, digits, tmp_path / "few", scores="vog", quiet=True)
    assert stability(few) == ()
    assert unmeasured_stages(few) == "Not measured at stage all: fewer than 4 checkpoints for vog."
    one = vog.score(world.build, files[:1], digits, tmp_path / "one", scores="loss", quiet=True)
    assert stability(one) == ()
    assert unmeasured_stages(one) == "Not measured at stage all: fewer than 2 checkpoints for loss."


def test_what_is_not_measured_by_hand(tmp_path: Path) -> None:
    """Three checkpoints are fewer than 2 * 2. `mine` has none of five either: it needs 2 * 3."""
    stages = {"early": [0, 3], "late": [3, 8], "all": [0, 8]}
    halved = ("aum@early", "aum@late", "aum@all", "vog@late", "vog@all", "mine@all")
    names = [f"{score}@{stage}" for score in ("vog", "aum", "mine") for stage in stages]
    names += [half_of(name, half) for name in halved for half in HALVES]
    columns = {name: [1.0, 2.0] for name in names}
    run = write_run(tmp_path / "run", columns, [0, 0], [0, 0], halved_rows=5000, stages=stages)
    assert unmeasured_stages(run) == (
        "Not measured at stage early: fewer than 4 checkpoints for vog; "
        "at stages early, late: fewer than 6 checkpoints for mine."
    )
    before = write_run(tmp_path / "before", columns, [0, 0], [0, 0], stages=stages)
    assert unmeasured_stages(before) is None, "it was never halved"


def test_the_command_says_how_stable_and_why_not(tmp_path: Path, cli: Cli) -> None:
    """Ranks 1 2 3 4 against 4 3 1 2: the squares of the differences are 9 1 4 4.

    1 - 6 * 18 / (4 * 15) = -0.8, of which nothing follows for the whole.
    """
    up, down, nearly = [1.0, 2, 3, 4], [4.0, 3, 1, 2], [1.0, 2, 4, 3]
    halves_of = {"vog@all": down, "aum@all": [1.0] * 4, "aum@late": nearly}
    columns = dict.fromkeys(("vog@late", "aum@late", "vog@all", "aum@all"), up)
    columns |= {half_of(name, HALVES[0]): up for name in halves_of}
    columns |= {half_of(name, HALVES[1]): of for name, of in halves_of.items()}
    stages = {"late": [1, 4], "all": [0, 4]}
    write_run(tmp_path / "run", columns, [0] * 4, [0] * 4, halved_rows=5000, stages=stages)
    code, out, err = cli("analyze", str(tmp_path / "run"), "--score", "vog")
    assert (code, err) == (0, "")
    said = [line.split() for line in out.partition("Stability")[2].splitlines()]
    assert ["vog", "-", "none", "(halves", "-0.80)"] in said
    assert ["aum", "0.89", "constant"] in said, "2 * 0.8 / 1.8"
    assert "\n\nNot measured at stage late: fewer than 4 checkpoints for vog.\n" in out


def test_one_half_alone_says_nothing(tmp_path: Path) -> None:
    half = half_of("aum@all", HALVES[0])
    run = write_run(tmp_path / "run", {"aum@all": [1.0, 2.0], half: [1.0, 2.0]}, [0, 0], [0, 0])
    assert stability(run) == ()


def test_stages_of_a_half_are_counted_by_hand() -> None:
    """Of 0 to 8 the first half has 0 2 4 6 8 and the second 1 3 5 7."""
    stages = (Stage("early", 0, 3), Stage("late", 4, 9), Stage("all", 0, 9))
    assert split_half.half_stages(stages, 0, 1) == (
        Stage("early", 0, 2), Stage("late", 2, 5), Stage("all", 0, 5)
    )  # fmt: skip
    assert split_half.half_stages(stages, 1, 1) == (
        Stage("early", 0, 1), Stage("late", 2, 4), Stage("all", 0, 4)
    )  # fmt: skip
    assert [one.name for one in split_half.half_stages(stages, 0, 2)] == ["late", "all"]


@pytest.mark.slow
def test_they_cost_no_pass_of_the_model(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def passes() -> int:
        seen: list[int] = []
        observe = TorchModel.observe

        def counted(*given: Any, **named: Any) -> object:
            seen.append(1)
            return observe(*given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(TorchModel, "observe", counted)
            vog.score(world.build, checkpoints, digits, tmp_path / str(len(counts)), batch_size=10)
        return len(seen)

    counts.append(passes())
    monkeypatch.setattr(split_half, "ROWS", 1)
    counts.append(passes())
    assert counts[0] == counts[1] >= 3 * 7


def test_rows_are_scattered_as_splitmix_does() -> None:
    """The first numbers of SplitMix64 from seed 0, as its authors' code prints them."""
    np.testing.assert_array_equal(
        row_hashes(np.arange(3)),
        np.array([0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F], np.uint64),
    )


@example(340_261, 321)
@example(split_half.ROWS, 1)
@given(st.integers(1, 3_000_000), st.integers(1, 700))
def test_about_as_many_rows_as_wanted_evenly(examples: int, period: int) -> None:
    rows = np.arange(examples)[: 400 * period : period]
    chosen = split_half.halved_rows(rows, examples)
    assert 0 < split_half.halved_share(examples) <= 1
    if examples <= split_half.ROWS:
        assert chosen.all()
        return
    expected = len(rows) * split_half.halved_share(examples)
    assert abs(chosen.sum() - expected) <= 5 * np.sqrt(expected) + 5, "whatever the period"
    pieces = [split_half.halved_rows(rows[at : at + 7], examples) for at in range(0, len(rows), 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), chosen)


@pytest.mark.slow
def test_of_many_rows_some_are_halved(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = vog.score(world.build, checkpoints, digits, tmp_path / "whole", scores="all")
    monkeypatch.setattr(split_half, "ROWS", 10)
    some = vog.score(
        world.build, checkpoints, digits, tmp_path / "some", scores="all", batch_size=4
    )
    chosen = split_half.halved_rows(np.arange(30), 30)
    assert 5 <= chosen.sum() <= 15
    for column in whole.score_columns:
        np.testing.assert_allclose(some.values(column), whole.values(column), rtol=1e-4, atol=1e-6)
        if column.endswith("@all"):
            odd, full = of_half(some, column, "odd"), of_half(whole, column, "odd")
            assert np.isnan(odd[~chosen]).all()
            np.testing.assert_allclose(odd[chosen], full[chosen], rtol=1e-4, atol=1e-6)
    assert {one.examples for one in stability(some)} == {int(chosen.sum())}


def test_halves_are_shown_to_nobody(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    run = vog.score(world.build, checkpoints, digits, tmp_path / "run", scores="vog")
    stored = [half_of("vog@all", half) for half in HALVES]
    assert set(stored) <= set(run.schema.names)
    assert not set(stored) & {*run.columns, *run.score_columns, *run.table().column_names}
    run.export(tmp_path / "rows.csv")
    assert "odd" not in (tmp_path / "rows.csv").read_text().splitlines()[0]


def test_a_row_without_a_value_has_no_halves(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    inputs, labels = digits
    spoiled = inputs.copy()
    spoiled[20, 0, 0, 0] = np.nan
    run = vog.score(world.build, checkpoints, (spoiled, labels), tmp_path / "run", scores="vog,aum")
    for half in HALVES:
        for score in ("vog", "aum"):
            values = of_half(run, f"{score}@all", half)
            assert np.isnan(values[20])
            assert np.isfinite(np.delete(values, 20)).all()


def test_stored_gradients_have_them_too(tmp_path: Path) -> None:
    gradients = store(tmp_path / "g", (1, 2, 10, 20, 30, 100))
    run = import_stored(tmp_path / "g", tmp_path / "run")
    for half, at in zip(HALVES, (slice(0, None, 2), slice(1, None, 2)), strict=True):
        expected = gradients[at].astype(np.float64).std(axis=0).mean(axis=(1, 2))
        np.testing.assert_allclose(of_half(run, "vog@all", half), expected, rtol=1e-5)


@pytest.mark.slow
def test_the_numbers_are_those_of_scipy(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    run = vog.score(world.build, checkpoints, digits, tmp_path / "run", scores="all")
    found = stability(run)
    assert {(one.score, one.stage) for one in found} == {
        (score, stage)
        for score, _, stage in (name.partition("@") for name in run.score_columns)
        if stage == "all" or SCORES[score].min_checkpoints == 1
    }, "the stages have two or three checkpoints"
    for one in found:
        odd, even = (of_half(run, f"{one.score}@{one.stage}", half) for half in HALVES)
        assert one.half_correlation == pytest.approx(spearmanr(odd, even)[0])
        start, stop = run.question["stages"][one.stage]
        assert (one.checkpoints, one.examples) == (stop - start, 30)
    assert str(vog.analyze(run).stability) == str(found), "NaN is not equal to itself"


def test_by_hand(tmp_path: Path) -> None:
    """Ranks 1 2 3 4 against 1 2 4 3: 1 - 6 * 2 / (4 * 15) = 0.8, and 1.6 / 1.8 for the whole."""
    scores = {
        "vog@all": [1.0, 2.0, 3.0, 4.0, 5.0],
        "vog@all.odd": [1.0, 2.0, 3.0, 4.0, NAN],
        "vog@all.even": [10.0, 20.0, 40.0, 30.0, 0.0],
    }
    run = write_run(tmp_path / "run", scores, [0] * 5, [0] * 5)
    halved = {"vog@all": [1.0, 1.0], "vog@all.odd": [1.0, 1.0], "vog@all.even": [1.0, 2.0]}
    constant = write_run(tmp_path / "constant", halved, [0] * 2, [0] * 2)
    (found,) = stability(run)
    assert (found.score, found.checkpoints, found.examples) == ("vog", None, 4)
    assert found.half_correlation == pytest.approx(0.8)
    assert found.reliability == pytest.approx(1.6 / 1.8)
    (flat,) = stability(constant)
    assert np.isnan([flat.half_correlation, flat.reliability]).all()
    assert (found.reliability_text, flat.reliability_text) == ("0.89", "constant")
    assert Stability("vog", "all", None, 4, -0.257, NAN).reliability_text == "none (halves -0.26)"
    assert stability(write_run(tmp_path / "old", {"vog@all": [1.0]}, [0], [0])) == ()
    assert isinstance(found, Stability)


def test_spearman_brown_by_hand() -> None:
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(0.5, 3) == pytest.approx(0.75)
    assert spearman_brown(1.0) == 1
    assert spearman_brown(0.3, 1) == pytest.approx(0.3)
    assert spearman_brown(0.0) == 0
    assert np.isnan([spearman_brown(-0.2), spearman_brown(NAN)]).all()
