"""The sweep end to end: the fast paths against the slow and obvious one, stages, resuming.

Every test of this file runs on each path that the engine can take.
"""

import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional as F

import slow
import vog
import world
from small_memory import streamed
from vog.errors import VogError
from vog.models.torch.adapter import TorchModel
from vog.models.torch.matched_weights import LoadedWeights
from vog.result.parts import list_parts
from vog.scores import SCORES
from vog.sweep.executor import batches_of

Data = tuple[np.ndarray, np.ndarray]
CHECKPOINTS = world.weights(7)
# What counts events may be off by one where rounding decides which logit is the largest.
COUNTED = ("correctness", "forgetting", "first_learned")
PATHS: dict[str, dict[str, Any]] = {
    "plain": {"fold": False},
    "channels last": {"fold": False},
    "folded": {},
    "bfloat16": {"precision": "bfloat16"},
    "streamed": {"memory": "STREAMED"},
    "apart": {},
}
# The ways that are tried before the one that a path takes.
SKIPPED = {"plain": 1, "apart": 2}


@pytest.fixture(autouse=True, params=PATHS)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `vog.score` take one path of the engine, unless a test asks for another."""
    words = dict(PATHS[request.param])
    if words.pop("memory", None):
        monkeypatch.setattr("vog.sweep.memory_plan.plan_memory", streamed)
    ways, first = TorchModel.ways, SKIPPED.get(request.param, 0)
    monkeypatch.setattr(
        TorchModel, "ways", lambda *words: itertools.islice(ways(*words), first, None)
    )
    monkeypatch.setattr(vog, "score", partial(vog.score, **words), raising=False)
    return str(request.param)


def assert_close(found: Any, expected: Any, path: str, column: str) -> None:
    """In float32 to four digits; in bfloat16 to two, but for a few that a ReLU lets jump."""
    found, expected = np.asarray(found), np.asarray(expected)
    if path != "bfloat16":
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6, err_msg=column)
    elif column.startswith(COUNTED):
        assert np.isclose(found, expected).mean() > 0.9, column
    else:
        spread = np.ptp(expected[np.isfinite(expected)])
        jumps = ~np.isclose(found, expected, rtol=0.02, atol=0.02 * spread)
        assert jumps.sum() <= max(2, 0.05 * len(jumps)), column
        np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.1 * spread, err_msg=column)


@pytest.mark.slow
def test_each_path_is_taken(
    path: str, checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    observe = TorchModel.observe

    def noted(model: TorchModel, weights: Any, inputs: Any, differentiate: bool) -> Any:
        seen.update(weights=weights, inputs=inputs, model=model)
        return observe(model, weights, inputs, differentiate)

    monkeypatch.setattr(TorchModel, "observe", noted)
    run = vog.score(world.build, checkpoints, digits, tmp_path / "run", batch_size=10)
    is_last = seen["inputs"].is_contiguous(memory_format=torch.channels_last)
    unfolded = ("plain", "channels last", "apart")
    assert is_last == (path not in ("plain", "apart"))
    assert run.question["folded"] == (path not in unfolded)
    assert ("1.running_mean" in seen["weights"]) == (path in unfolded)
    assert isinstance(seen["weights"], LoadedWeights) == (path == "apart")
    dtype = torch.bfloat16 if path == "bfloat16" else torch.float32
    assert seen["weights"]["0.weight"].dtype == dtype
    assert seen["weights"]["5.weight"].dtype == torch.float32, "the head makes the logits"
    assert seen["inputs"].dtype == torch.float32


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    """Every score over all checkpoints of 71 examples, the slow way."""
    inputs, labels = world.inputs_and_labels(71)
    seen = [
        slow.traces(world.build, CHECKPOINTS, x, int(y))
        for x, y in zip(inputs, labels, strict=True)
    ]
    stages = {"all": slice(0, 7), "early": slice(0, 2), "middle": slice(2, 5), "late": slice(5, 7)}
    return {
        f"{name}@{stage}": np.array([score(one[at]) for one in seen])
        for name, score in slow.SCORES.items()
        for stage, at in stages.items()
    }


def test_the_slow_way_knows_every_score() -> None:
    assert slow.SCORES.keys() == SCORES.keys()


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "rows"), [(1, 31), (7, 71), (64, 71)])
def test_agrees_with_the_slow_way(
    path: str,
    checkpoints: Path,
    expected: dict[str, np.ndarray],
    tmp_path: Path,
    batch_size: int,
    rows: int,
) -> None:
    """71 examples leave a ragged last batch of 1 with batches of 7, of 7 with batches of 64."""
    inputs, labels = world.inputs_and_labels(71)
    run = vog.score(
        world.build,
        checkpoints,
        (inputs[:rows], labels[:rows]),
        tmp_path / "run",
        scores="all",
        batch_size=batch_size,
    )
    table = run.table()
    assert run.rows == rows
    for column, values in expected.items():
        assert_close(table[column].to_numpy(), values[:rows], path, column)


@pytest.mark.slow
def test_predictions_are_those_of_the_last_checkpoint_of_the_stage(
    path: str, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    table = vog.score(world.build, checkpoints, digits, tmp_path / "run", stages=2).table()
    for stage, last in (("early", 3), ("late", 6), ("all", 6)):
        module = world.build().eval()
        module.load_state_dict(CHECKPOINTS[last])
        with torch.no_grad():
            shares = module(torch.from_numpy(digits[0])).softmax(1)
        np.testing.assert_array_equal(table[f"prediction@{stage}"], shares.argmax(1))
        column = f"prediction_probability@{stage}"
        assert_close(table[column], shares.amax(1), path, column)


@pytest.mark.slow
def test_stages_do_not_change_the_score_over_all(
    path: str, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    overlapping = {"warm": (0, 4), "mid": (2, 6), "end": (-2, None)}
    cut = vog.score(world.build, checkpoints, digits, tmp_path / "3", stages=overlapping)
    whole = vog.score(world.build, checkpoints, digits, tmp_path / "1", stages=1)
    for column in whole.score_columns:
        assert_close(cut.table()[column], whole.table()[column], path, column)


@pytest.mark.slow
def test_a_stage_is_what_its_checkpoints_alone_would_give(digits: Data, tmp_path: Path) -> None:
    """A stage's mean is over the stage, not the sum over all divided by the stage."""
    world.save_checkpoints(tmp_path / "c", 7)
    run = vog.score(world.build, tmp_path / "c", digits, tmp_path / "run", stages={"part": (2, 5)})
    for step in (100, 200, 600, 700):
        (tmp_path / "c" / f"step-{step}.pt").unlink()
    alone = vog.score(world.build, tmp_path / "c", digits, tmp_path / "alone")
    for column in alone.score_columns:
        part = run.table()[column.replace("@all", "@part")]
        np.testing.assert_allclose(part, alone.table()[column], rtol=1e-4, atol=1e-6)


def test_training_order_is_the_order_of_steps_as_numbers(
    path: str, digits: Data, tmp_path: Path
) -> None:
    """With eleven checkpoints `step-1000` and `step-1100` sort before `step-200` as text."""
    world.save_checkpoints(tmp_path / "c", 11)
    run = vog.score(world.build, tmp_path / "c", digits, tmp_path / "run")
    assert [c["step"] for c in run.question["checkpoints"]] == list(range(100, 1101, 100))
    x, y = digits
    seen = slow.traces(world.build, world.weights(11), x[0], int(y[0]))
    late = run.table(["vog@late", "first_learned@all"]).slice(0, 1).to_pylist()[0]
    rounding = 0.02 if path == "bfloat16" else 1e-4
    assert late["vog@late"] == pytest.approx(slow.SCORES["vog"](seen[7:]), rel=rounding)
    assert late["first_learned@all"] == slow.SCORES["first_learned"](seen)


@pytest.mark.slow
def test_the_predicted_class_is_that_of_the_last_checkpoint(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    """With it as the target, scoring is scoring as if it were the label."""
    inputs, labels = digits
    predicted = vog.score(world.build, checkpoints, digits, tmp_path / "p", target="predicted")
    last = predicted.table(["prediction@all"])["prediction@all"].to_numpy()
    assert (last != labels).any()
    as_label = vog.score(world.build, checkpoints, (inputs, last), tmp_path / "l")
    for column in ("vog@early", "vog@all", "grad_norm@all"):
        np.testing.assert_allclose(
            predicted.table()[column], as_label.table()[column], rtol=1e-5, err_msg=column
        )


def test_a_target_of_the_users_own(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    def negative_loss(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return -F.cross_entropy(logits, classes, reduction="none")

    own = vog.score(
        world.build, checkpoints, digits, tmp_path / "o", scores="all", target=negative_loss
    )
    np.testing.assert_allclose(own.table()["vog@all"], own.table()["volg@all"], rtol=1e-5)


def test_a_score_of_the_users_own(checkpoints: Path, digits: Data, tmp_path: Path) -> None:

    mine = replace(SCORES["vog"], name="mine", channels="keep")  # type: ignore[type-var]
    run = vog.score(world.build, checkpoints, digits, tmp_path / "run", scores=["vog", mine])
    assert run.score_columns[:2] == ["vog@early", "mine@early"]
    assert (run.table()["mine@all"].to_numpy() > run.table()["vog@all"].to_numpy()).all()


@pytest.mark.slow
def test_finished_rows_are_neither_recomputed_nor_touched(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are missing, here those of a part in the middle, are computed and no others."""
    data = world.inputs_and_labels(40)
    out = tmp_path / "run"
    words: dict[str, Any] = {"batch_size": 8, "rows_per_part": 8}
    whole = vog.score(world.build, checkpoints, data, out, **words).table()
    found = list_parts(out)
    assert len(found) == 5
    found[2].path.unlink()
    before = {part.path: part.path.stat().st_mtime_ns for part in found if part.path.exists()}
    again = vog.score(world.build, checkpoints, data, out, batch_size=8)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.table().equals(whole)


def test_batches_are_cut_at_multiples_of_their_size_wherever_rows_are_missing() -> None:
    assert batches_of(range(3, 10), 4) == [range(3, 4), range(4, 8), range(8, 10)]
    assert batches_of(range(8, 16), 4) == [range(8, 12), range(12, 16)]


def test_parts_say_what_their_columns_mean(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    vog.score(world.build, checkpoints, digits, tmp_path / "run")
    (part,) = list_parts(tmp_path / "run")
    assert part.path.name == "part-000000000000-30.parquet"
    schema = pq.read_schema(part.path)
    assert schema.field("aum@late").metadata == {
        b"score": b"aum",
        b"higher_means": b"easier",
        b"range": b"[-inf, inf]",
        b"unit": b"logit",
        b"source": SCORES["aum"].source.encode(),
    }
    metadata = pq.read_metadata(part.path).metadata
    assert (metadata[b"rows"], len(metadata[b"question"])) == (b"0:30", 32)
    assert b"seconds" not in metadata, "the same rows are the same bytes"
    assert vog.open(tmp_path / "run").seconds > 0


@pytest.mark.slow
def test_another_question_is_refused_with_what_differs(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    before = vog.score(world.build, checkpoints, digits, out).table()
    inputs, labels = digits
    for change, message in (
        ({"target": "probability"}, r"target: was 'logit', is now 'probability'"),
        ({"stages": 1}, r"stages\.early\[0\]: was 0, is now 'nothing'"),
        ({"data": (inputs + 1, labels)}, r"data\.digest: was"),
        ({"batch_size": 3}, r"batch_size: was 30, is now 3"),
    ):
        words: dict[str, Any] = {"data": digits} | change
        data = words.pop("data")
        with pytest.raises(VogError, match=message):
            vog.score(world.build, checkpoints, data, out, **words)
    assert vog.open(out).table().equals(before), "a refusal loses nothing"
    vog.score(world.build, checkpoints, digits, out, stages=1, overwrite=True)
    assert "vog@early" not in vog.open(out).columns


@pytest.mark.slow
def test_moved_checkpoints_are_the_same_question(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    before = vog.score(world.build, checkpoints, digits, out).table()
    stamps = {part.path: part.path.stat().st_mtime_ns for part in list_parts(out)}
    moved = checkpoints.rename(tmp_path / "moved")
    assert vog.score(world.build, moved, digits, out).table().equals(before)
    assert {part.path: part.path.stat().st_mtime_ns for part in list_parts(out)} == stamps


@pytest.mark.slow
def test_an_example_that_is_not_finite_marks_its_row_alone(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    inputs, labels = digits
    clean = vog.score(world.build, checkpoints, digits, tmp_path / "clean", scores="all")
    spoiled = inputs.copy()
    spoiled[20, 0, 0, 0] = np.nan
    run = vog.score(world.build, checkpoints, (spoiled, labels), tmp_path / "run", scores="all")
    (problem,) = run.problems().to_pylist()
    assert problem["id"] == "20"
    assert problem["problem"] == "not finite: logits at step 100"
    columns = ["vog@all", "vog@all:class", "loss@late:robust", "prediction@all", "el2n@all:rank"]
    bad, good = run.table(columns).to_pylist(), clean.table(columns).to_pylist()
    assert all(value is None for value in bad[20].values())
    same_class = [i for i in range(30) if labels[i] == labels[20] and i != 20]
    assert len(same_class) > 2
    assert all(bad[i]["vog@all:class"] is not None for i in same_class)
    assert bad[0]["vog@all"] == pytest.approx(good[0]["vog@all"], rel=1e-5)


@pytest.mark.slow
def test_squares_that_overflow_are_marked(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    """Each gradient is finite, the square of its spread is not."""

    def large(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return 1e25 * logits.gather(1, classes[:, None])[:, 0]

    run = vog.score(world.build, checkpoints, digits, tmp_path / "run", target=large)
    assert run.table()["vog@all"].null_count == 30
    assert run.table()["grad_norm@all"].null_count == 0
    assert set(run.problems()["problem"].to_pylist()) == {"not finite: vog"}


@pytest.mark.slow
def test_gradients_that_overflow_lose_the_scores_that_need_them(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    """The logits are fine, so their scores stay."""
    inputs, labels = digits
    inputs = inputs.copy()
    inputs[3] *= 1000

    def overflowing(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        first = logits.gather(1, classes[:, None])[:, 0]
        return torch.where(logits.abs().amax(1) > 100, first * 1e38 * 1e38, first)

    run = vog.score(
        world.build, checkpoints, (inputs, labels), tmp_path / "run", target=overflowing
    )
    row = run.table().to_pylist()[3]
    assert row["vog@all"] is None
    assert row["grad_norm@late"] is None
    assert row["loss@all"] is not None
    assert row["problem"] == "not finite: input gradient of the target at step 100"
    assert run.problems().num_rows == 1


@pytest.mark.slow
def test_the_default_transform_and_its_name_are_one_question(
    checkpoints: Path, tmp_path: Path
) -> None:
    data = world.inputs_and_labels(4)
    first = vog.score(world.build, checkpoints, data, tmp_path / "run")
    vog.score(world.build, checkpoints, data, tmp_path / "run", transform="none")
    with pytest.raises(VogError, match=r"data\.transform: was 'none', is now '.*_doubled"):
        vog.score(world.build, checkpoints, data, tmp_path / "run", transform=_doubled)
    assert first.question["data"]["transform"] == "none"


def _doubled(row: np.ndarray) -> np.ndarray:
    return 2 * row


@pytest.mark.slow
def test_code_of_the_users_own_is_part_of_the_question(checkpoints: Path, tmp_path: Path) -> None:
    """Another function under the same name is another score."""
    from vog.scores.means import MeanOverTraining

    def score_of(function: Any) -> MeanOverTraining:
        return MeanOverTraining("mine", function, "harder", (0.0, 1.0), "none", "here")

    data = world.inputs_and_labels(4)
    one = score_of(lambda seen: seen.label_log_probability)
    other = score_of(lambda seen: -seen.label_log_probability)
    vog.score(world.build, checkpoints, data, tmp_path / "run", scores=[one])
    vog.score(world.build, checkpoints, data, tmp_path / "run", scores=[one])
    with pytest.raises(VogError, match=r"scores\[0\]\.code: was"):
        vog.score(world.build, checkpoints, data, tmp_path / "run", scores=[other])
