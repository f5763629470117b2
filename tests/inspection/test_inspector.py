"""One example under every checkpoint: the same numbers as the run, and nothing run unasked."""

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

import slow
import vog
import world
from small_memory import streamed
from stored_gradients import store
from vog.errors import DataError, VogError
from vog.gradients.score_stored import import_stored
from vog.gradients.store import prepare_storing
from vog.gradients.store import store as store_gradients
from vog.inspection.inspector import ExampleInspection, inspector
from vog.inspection.locate_inputs import Options, locate_inputs
from vog.result import Run
from vog.scores import SCORES
from vog.sweep.job import Job
from vog.sweep.prepare import prepare
from vog.sweep.request import Request
from vog.sweep.weights import AllWeights

ROWS = 30
# This file, as a user names the functions in theirs.
HERE = str(Path(__file__))
MODEL = f"{Path(world.__file__)}:build"
MEANS = {"confidence@all": "confidence", "aum@all": "margin", "loss@all": "loss"}


def build_linear(shape: tuple[int, ...] = (2,)) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 2, bias=False))


def build_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, world.CLASSES))


def build_photo() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Tanh(), nn.Linear(147, 2))


def negative_logit(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return -logits.gather(1, classes[:, None])[:, 0]


def doubled(row: np.ndarray) -> np.ndarray:
    return 2 * row


class Digits(Dataset[Any]):
    """A dataset whose labels and problems only show when an item is read."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        if row == 20:
            raise OSError("torn in two")
        inputs, labels = world.inputs_and_labels(ROWS)
        return inputs[row], int(labels[row])


def dataset() -> Digits:
    return Digits()


def save_weights(folder: Path, build: Callable[[], nn.Module], count: int = 4) -> Path:
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for step in range(count):
            torch.save(build().state_dict(), folder / f"step-{step}.pt")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(world.save_npz(tmp_path / "data.npz", ROWS))


@pytest.fixture
def run(checkpoints: Path, data: str, tmp_path: Path) -> Run:
    """All of it named in words, as the command line does."""
    return vog.score(MODEL, checkpoints, data, tmp_path / "run", quiet=True)


def assert_equals_the_run(
    run: Run, inspect: Callable[[int], ExampleInspection], rtol: float = 2e-5, atol: float = 1e-6
) -> None:
    """What is inspected is what was stored, row by row."""
    table = run.table().to_pylist()
    for row in (table[0], table[7], table[-1]):
        index = row["index"]
        one = inspect(index)
        assert (one.index, one.label, one.differs) == (index, row["label"], ())
        assert list(one.steps) == [c["step"] for c in run.question["checkpoints"]]
        assert len(one.gradients) == len(one.steps)
        assert one.gradients.shape[1:] == one.spread.shape
        np.testing.assert_allclose(one.vog, row["vog@all"], rtol, atol)
        np.testing.assert_allclose(one.spread.mean(), row["vog@all"], rtol, atol)
        assert one.predictions is not None
        assert one.predictions[-1] == row["prediction@all"]
        for column, name in MEANS.items():
            if column in row:
                np.testing.assert_allclose(np.mean(getattr(one, name)), row[column], rtol, atol)


def test_by_hand(tmp_path: Path) -> None:
    """The gradient of a linear model's logit is the row of its weight.

    Label 0: rows (1, 2) and (3, -2), so the means are 2 and 0 and the spreads 1 and 2. At (1, 1)
    the logits are 3 and 0, then 1 and 4.
    """
    for step, weight in enumerate([[[1.0, 2.0], [0.0, 0.0]], [[3.0, -2.0], [4.0, 0.0]]]):
        torch.save({"1.weight": torch.tensor(weight)}, tmp_path / f"step-{step}.pt")
    data = np.ones((2, 2), np.float32), np.array([0, 1])
    run = vog.score(build_linear, str(tmp_path / "*.pt"), data, tmp_path / "run", quiet=True)
    one = inspector(run, model=build_linear, data=data)(0)
    np.testing.assert_array_equal(one.gradients, [[[1, 2]], [[3, -2]]])
    np.testing.assert_array_equal(one.spread, [[1, 2]])
    assert (one.index, one.label, one.steps, one.predictions) == (0, 0, (0, 1), (0, 1))
    assert one.vog == 1.5
    sigmoid = 1 / (1 + math.exp(-3))
    assert one.confidence == pytest.approx((sigmoid, 1 - sigmoid))
    assert one.margin == pytest.approx((3, -3))
    assert one.loss == pytest.approx((-math.log(sigmoid), -math.log(1 - sigmoid)))


@pytest.mark.slow
def test_against_the_slow_way(run: Run) -> None:
    inputs, labels = world.inputs_and_labels(ROWS)
    seen = slow.traces(world.build, world.weights(7), inputs[4], int(labels[4]))
    one, at = inspector(run)(4), int(labels[4])
    expected = np.stack([trace.gradient.mean(axis=0) for trace in seen])
    np.testing.assert_allclose(one.gradients, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(one.spread, expected.std(axis=0), rtol=1e-3, atol=1e-5)
    assert one.predictions == tuple(int(trace.logits.argmax()) for trace in seen)
    assert one.confidence == pytest.approx([trace.probability[at] for trace in seen], rel=1e-4)
    rivals = [np.delete(trace.logits, at).max() for trace in seen]
    margins = [trace.logits[at] - rival for trace, rival in zip(seen, rivals, strict=True)]
    assert one.margin == pytest.approx(margins, rel=1e-3, abs=1e-5)


@pytest.mark.slow
def test_colours_that_are_kept_against_the_slow_way(
    checkpoints: Path, data: str, tmp_path: Path
) -> None:
    """The spread of each colour, averaged; the gradients shown are averaged all the same."""
    run = vog.score(MODEL, checkpoints, data, tmp_path / "run", channels="keep", quiet=True)
    inputs, labels = world.inputs_and_labels(ROWS)
    seen = slow.traces(world.build, world.weights(7), inputs[4], int(labels[4]))
    gradients = np.stack([trace.gradient for trace in seen])
    one = inspector(run)(4)
    np.testing.assert_allclose(one.spread, gradients.std(axis=0).mean(axis=0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(one.gradients, gradients.mean(axis=1), rtol=1e-3, atol=1e-5)


SAME: dict[str, dict[str, Any]] = {
    "folded": {},
    "not folded": {"fold": False},
    "predicted": {"target": "predicted"},
    "probability": {"target": "probability", "batch_size": 7},
    "channels kept": {"channels": "keep"},
    "own target": {"target": f"{HERE}:negative_logit"},
    "own transform": {"transform": f"{HERE}:doubled"},
    "model arguments": {"model_args": {"classes": 4}},
    "some of the checkpoints": {"checkpoints_per_stage": 2},
    "other stages": {"scores": "vog,loss", "stages": {"end": (-2, None)}},
}


@pytest.mark.slow
@pytest.mark.parametrize("words", SAME.values(), ids=SAME.keys())
def test_it_is_what_the_run_has(
    checkpoints: Path, data: str, tmp_path: Path, words: dict[str, Any]
) -> None:
    run = vog.score(MODEL, checkpoints, data, tmp_path / "run", quiet=True, **words)
    assert_equals_the_run(run, inspector(run))


@pytest.mark.slow
def test_a_run_in_bfloat16(checkpoints: Path, data: str, tmp_path: Path) -> None:
    words: dict[str, Any] = {"precision": "bfloat16", "quiet": True}
    run = vog.score(MODEL, checkpoints, data, tmp_path / "run", **words)
    assert_equals_the_run(run, inspector(run), rtol=0.02, atol=0.02)
    exact = vog.score(MODEL, checkpoints, data, tmp_path / "exact", quiet=True)
    assert inspector(run)(7).vog != pytest.approx(inspector(exact)(7).vog, rel=1e-4)


@pytest.mark.slow
def test_weights_that_are_streamed(
    run: Run, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vog.sweep.memory_plan.plan_memory", streamed)
    read: list[str] = []
    each = AllWeights.each
    monkeypatch.setattr(AllWeights, "each", lambda self: (read.append("streamed"), each(self))[1])
    inspect = inspector(run)
    assert_equals_the_run(run, inspect)
    assert len(read) == 3
    (checkpoints / "step-300.pt").write_bytes((checkpoints / "step-200.pt").read_bytes())
    with pytest.raises(VogError, match=r"step-300\.pt was changed"):
        inspect(0)


@pytest.mark.slow
def test_vectors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "v.npz", inputs=rng.normal(size=(9, 5)), labels=np.arange(9) % 4)
    found = save_weights(tmp_path / "c", build_mlp)
    data = str(tmp_path / "v.npz")
    run = vog.score(f"{HERE}:build_mlp", found, data, tmp_path / "run", quiet=True)
    inspect = inspector(run)
    assert_equals_the_run(run, inspect)
    assert inspect(0).gradients.shape == (4, 1, 5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "laid_out"), [((3, 4), (3, 4)), ((3, 5, 6), (5, 6)), ((2, 3, 2, 4), (12, 4))]
)
def test_axes_that_are_no_image(
    tmp_path: Path, shape: tuple[int, ...], laid_out: tuple[int, int]
) -> None:
    """A sequence stays, colours are averaged, of more axes all but the last become one."""

    def build() -> nn.Module:
        return build_linear(shape)

    found = save_weights(tmp_path / "c", build)
    data = np.random.default_rng(0).normal(size=(8, *shape)), np.arange(8) % 2
    run = vog.score(build, found, data, tmp_path / "run", quiet=True)
    inspect = inspector(run, model=build, data=data)
    assert_equals_the_run(run, inspect)
    one = inspect(1)
    assert one.spread.shape == laid_out
    weight = torch.load(found / "step-2.pt")["1.weight"][1].numpy().reshape(shape)
    expected = weight.mean(axis=0) if len(shape) == 3 else weight.reshape(laid_out)
    np.testing.assert_allclose(one.gradients[2], expected, rtol=1e-6)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of random images below a root, and their list elsewhere."""
    rng, lines = np.random.default_rng(0), []
    (tmp_path / "images").mkdir()
    for row in range(8):
        pixels = rng.integers(0, 256, (40, 50 + row, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{row}.png")
        lines.append(f"{row}.png {row % 2}")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    return tmp_path / "images"


def of_photographs(photographs: Path, **words: Any) -> Run:
    folder = photographs.parent
    found = save_weights(folder / "c", build_photo)
    asked = {"root": photographs, "workers": 0, "quiet": True} | words
    return vog.score(
        f"{HERE}:build_photo", found, str(folder / "list.txt"), folder / "run", **asked
    )


@pytest.mark.slow
@pytest.mark.parametrize("transform", [None, "imagenet"])
def test_image_files(photographs: Path, transform: str | None) -> None:
    run = of_photographs(photographs, transform=transform)
    inspect = inspector(run)
    assert_equals_the_run(run, inspect)
    assert inspect(0).gradients.shape == (4, 224, 224)
    (photographs / "3.png").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"example '3.png' cannot be read: cannot identify"):
        inspect(3)
    assert inspector(run)(0).differs == ("different data, or different times of the files",)


@pytest.mark.slow
def test_a_function_that_returns_a_dataset(checkpoints: Path, tmp_path: Path) -> None:
    spec = f"{HERE}:dataset"
    run = vog.score(MODEL, checkpoints, spec, tmp_path / "run", workers=0, quiet=True)
    inspect = inspector(run)
    assert_equals_the_run(run, inspect)
    with pytest.raises(DataError, match="example '20' cannot be read: torn in two"):
        inspect(20)


def test_only_a_sample_was_scored(checkpoints: Path, data: str, tmp_path: Path) -> None:
    run = vog.score(MODEL, checkpoints, data, tmp_path / "run", limit=9, quiet=True)
    inspect = inspector(run)
    assert_equals_the_run(run, inspect)
    lacking = next(row for row in range(25) if row not in run.table(["index"])["index"].to_pylist())
    for index in (-1, lacking, 10**6):
        with pytest.raises(VogError, match=f"run has no example {index}: it holds 9 of the rows"):
            inspect(index)


@pytest.mark.slow
def test_a_list_that_alone_tells_the_order(checkpoints: Path, data: str, tmp_path: Path) -> None:
    """The names would give another order, and no steps."""
    names = ["b.pt", "c.pt", "a.pt"]
    for i, name in enumerate(names):
        (checkpoints / f"step-{100 * (i + 1)}.pt").rename(tmp_path / name)
    (tmp_path / "order.txt").write_text("\n".join(names))
    asked = f"@{tmp_path / 'order.txt'}"
    run = vog.score(MODEL, asked, data, tmp_path / "run", target="predicted", quiet=True)
    for inspect in (inspector(run), inspector(run, checkpoints=asked)):
        assert_equals_the_run(run, inspect)
    assert inspector(run)(0).steps == (0, 1, 2)


def test_steps_are_those_of_the_run(checkpoints: Path, data: str, tmp_path: Path) -> None:
    """One name has no step, so the list counts; without that one the names would tell others."""
    (checkpoints / "step-400.pt").rename(checkpoints / "best.pt")
    names = [f"step-{step}.pt" for step in (100, 200, 300)] + ["best.pt"]
    names += [f"step-{step}.pt" for step in (500, 600, 700)]
    (checkpoints / "order.txt").write_text("\n".join(names))
    words: dict[str, Any] = {"checkpoints_per_stage": 2, "quiet": True}
    run = vog.score(MODEL, f"@{checkpoints / 'order.txt'}", data, tmp_path / "run", **words)
    inspect = inspector(run)
    assert_equals_the_run(run, inspect)
    assert inspect(0).steps == (0, 1, 2, 4, 5, 6)


def test_colours_are_taken_as_vog_takes_them(checkpoints: Path, data: str, tmp_path: Path) -> None:
    """Another score of the run may take them otherwise, and a run need not have VoG."""
    kept = replace(SCORES["vog"], name="kept", channels="keep")  # type: ignore[type-var]
    words: dict[str, Any] = {"scores": [kept, "vog"], "quiet": True}
    run = vog.score(MODEL, checkpoints, data, tmp_path / "run", **words)
    assert_equals_the_run(run, inspector(run))
    words = {"scores": "loss", "stages": {"end": (-1, None)}, "quiet": True}
    without = vog.score(MODEL, checkpoints, data, tmp_path / "without", **words)
    np.testing.assert_array_equal(inspector(without)(3).spread, inspector(run)(3).spread)


def test_the_published_gradients(reference: Path, tmp_path: Path) -> None:
    run = import_stored(reference / "train_results", tmp_path / "run", quiet=True)
    inspect = inspector(run)
    assert_equals_the_run(run, inspect)
    published = np.load(reference / "vog_late.npy")
    one = inspect(11)
    assert one.vog == pytest.approx(published[11], rel=1e-6)
    assert one.gradients.shape == (3, 224, 224)
    assert (one.confidence, one.margin, one.loss) == (None, None, None)
    paths = sorted((reference / "train_results").glob("weight_*/pred_label.npy"))
    assert one.predictions == tuple(int(np.load(path)[11]) for path in paths)


def test_gradients_that_moved_or_changed(tmp_path: Path) -> None:
    gradients = store(tmp_path / "g")
    run = import_stored(tmp_path / "g", tmp_path / "run", quiet=True)
    one = inspector(run)(5)
    np.testing.assert_array_equal(one.gradients, gradients[:, 5])
    np.testing.assert_allclose(one.spread, gradients[:, 5].std(axis=0), rtol=1e-5)
    (tmp_path / "g").rename(tmp_path / "moved")
    with pytest.raises(VogError, match="which is no folder, seen from .*as data"):
        inspector(run)(5)
    moved = inspector(run, data=tmp_path / "moved")
    assert moved(5).differs == ()
    np.save(tmp_path / "moved" / "weight_2" / "grad_00005.npy", np.full((4, 5), np.inf))
    with pytest.raises(DataError, match="example '5' has no VoG map: its gradients"):
        moved(5)
    told = inspector(run, data=str(tmp_path / "moved"))(4).differs
    assert told == ("different gradients, or different times of their files",)
    (tmp_path / "moved" / "weight_10").rename(tmp_path / "moved" / "weight_11")
    told = inspector(run, data=str(tmp_path / "moved"))(4).differs
    assert told[0] == "different steps: 1, 2, 11, were 1, 2, 10"


def test_gradients_that_were_stored_by_us(checkpoints: Path, tmp_path: Path) -> None:
    inputs, labels = world.inputs_and_labels(ROWS)
    inputs[5] = np.nan
    data = inputs, labels
    asked = Request(world.build, str(checkpoints), data, tmp_path / "g", quiet=True)
    store_gradients(prepare_storing(asked))
    inspect = inspector(import_stored(tmp_path / "g", tmp_path / "run", quiet=True))
    scored = vog.score(world.build, checkpoints, data, tmp_path / "scored", quiet=True)
    expected = inspector(scored, model=world.build, data=data)(3)
    np.testing.assert_allclose(inspect(3).spread, expected.spread, rtol=1e-4, atol=1e-6)
    assert inspect(3).predictions == expected.predictions
    with pytest.raises(DataError, match="example '5' has no gradients: not finite: logits at"):
        inspect(5)


def resaved(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    saved = torch.load(path)
    change(saved["state_dict"])
    torch.save(saved, path)


@pytest.mark.slow
def test_what_differs_is_told(run: Run, checkpoints: Path, data: str) -> None:
    plain = inspector(run)(2)
    assert plain.differs == ()
    assert inspector(run, target="loss")(2).differs == ("a different target",)
    assert inspector(run, target="loss")(2).vog != pytest.approx(plain.vog)
    assert inspector(run, transform=f"{HERE}:doubled")(2).differs == ("a different transform",)
    told = inspector(run, model_args={"classes": 4})(2).differs
    assert told == ("different arguments of the model",)
    inputs, labels = world.inputs_and_labels(ROWS)
    inputs[2, 0, 0, 0] += 1
    np.savez(data, inputs=inputs, labels=labels)
    assert inspector(run)(2).differs == ("different data",)
    assert inspector(run)(2).vog != pytest.approx(plain.vog)
    labels[2] = (labels[2] + 1) % world.CLASSES
    np.savez(data, inputs=world.inputs_and_labels(ROWS)[0], labels=labels)
    was = plain.label
    told = inspector(run)(2).differs
    assert told == ("different data", f"a different label: was {was}, is {labels[2]}")
    world.save_npz(Path(data), ROWS)
    for step in (300, 700):
        resaved(checkpoints / f"step-{step}.pt", lambda state: state["5.bias"].add_(1))
    assert inspector(run)(2).differs == ("different weights at step 300, 700",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "key", "words"),
    [
        ("model", "architecture", "a different model"),
        ("model", "code", "different code of the model"),
        ("model", "settings", "different settings of the model"),
        ("data", "draft", "images that are decoded in a different way"),
    ],
)
def test_what_differs_by_the_name_it_has(run: Run, part: str, key: str, words: str) -> None:
    other = run.question | {part: run.question[part] | {key: "other"}}
    assert inspector(Run(run.folder, other))(0).differs == (words,)
    del other[part][key]
    assert inspector(Run(run.folder, other))(0).differs == (), "of an earlier version"


def build_other() -> nn.Module:
    return nn.Sequential(*world.build(), nn.Identity())


def test_another_model_of_the_same_weights(run: Run) -> None:
    other = f"{HERE}:build_other"
    told = inspector(run, model=other)(0).differs
    assert "a different model" in told
    assert "different code of the model" in told


def test_versions_sizes_and_where_it_lay_are_no_difference(
    run: Run, checkpoints: Path, data: str, tmp_path: Path
) -> None:
    question = run.question | {"vog": "0.0", "torch": "1.0", "device": "cuda", "batch_size": 3}
    moved = checkpoints.rename(tmp_path / "moved")
    elsewhere = Path(data).rename(tmp_path / "elsewhere.npz")
    again = Run(run.folder, question)
    assert_equals_the_run(again, inspector(again, checkpoints=moved, data=str(elsewhere)))


def test_checkpoints_of_other_steps(run: Run, checkpoints: Path, data: str) -> None:
    world.save_checkpoints(checkpoints.parent / "more", 9)
    more = inspector(run, checkpoints=checkpoints.parent / "more")(0)
    assert more.steps == (100, 200, 300, 400, 500, 600, 700)
    assert more.differs == ()
    with pytest.raises(VogError, match="names 2 files, with the steps 100, 200. .* under 7, w"):
        inspector(run, checkpoints=[checkpoints / f"step-{step}00.pt" for step in (1, 2)])(0)
    (checkpoints / "step-700.pt").rename(checkpoints / "step-800.pt")
    one = inspector(run, checkpoints=checkpoints)(0)
    assert one.steps[-1] == 800
    assert one.differs == (
        "different steps: 100, 200, 300, 400, 500 and 2 more, "
        "were 100, 200, 300, 400, 500 and 2 more",
    )


def test_what_was_an_object_is_asked_for(checkpoints: Path, tmp_path: Path) -> None:
    data = world.inputs_and_labels(ROWS)
    words: dict[str, Any] = {"transform": doubled, "target": negative_logit, "quiet": True}
    run = vog.score(world.build, checkpoints, data, tmp_path / "run", **words)
    given: dict[str, Any] = {}
    for option, value in (
        ("model", world.build),
        ("data", data),
        ("transform", doubled),
        ("target", negative_logit),
    ):
        inspect = inspector(run, **given)
        message = f"run does not name its {option}, which was an object in Python. Give {option}"
        with pytest.raises(VogError, match=message):
            inspect(0)
        given[option] = value
    assert_equals_the_run(run, inspector(run, **given))


def test_what_moved_is_asked_for(run: Run, checkpoints: Path, data: str) -> None:
    question = run.question
    lost = Run(run.folder, question | {"where": question["where"] | {"model": "gone.py:build"}})
    with pytest.raises(VogError, match=r"the model of .*, 'gone.py:build', is not there, seen"):
        inspector(lost)(0)
    inspect = inspector(run)
    moved = checkpoints.rename(checkpoints.parent / "moved")
    message = r"7 of the 7 checkpoints of .*run are not there.*step-100.pt.*as checkpoints"
    with pytest.raises(VogError, match=message):
        inspect(0)
    moved.rename(checkpoints)
    assert inspect(0).differs == (), "what failed is tried again"
    Path(data).unlink()
    with pytest.raises(VogError, match=r"the data of .*data.npz', is not there.*as data"):
        inspector(run)(0)


@pytest.mark.slow
def test_rows_that_are_not_those_of_the_run(
    checkpoints: Path, data: str, tmp_path: Path, run: Run
) -> None:
    world.save_npz(Path(data), ROWS - 1)
    with pytest.raises(DataError, match=r"the data have 29 examples, and .*run was made of 30"):
        inspector(run)(0)
    inputs, labels = world.inputs_and_labels(ROWS)
    ids = np.array([f"n{row}" for row in range(ROWS)])
    np.savez(data, inputs=inputs, labels=labels, ids=ids)
    named = vog.score(MODEL, checkpoints, data, tmp_path / "named", quiet=True)
    assert inspector(named)(3).differs == ()
    ids[[3, 4]] = ids[[4, 3]]
    np.savez(data, inputs=inputs, labels=labels, ids=ids)
    assert inspector(named)(5).differs == ("different data",)
    with pytest.raises(DataError, match=r"example 3 is 'n4' in the data and 'n3' in .*named"):
        inspector(named)(3)


def test_gradients_that_are_not_finite(checkpoints: Path, tmp_path: Path) -> None:
    inputs, labels = world.inputs_and_labels(ROWS)
    inputs[4, 0, 0, 0] = np.nan
    np.savez(tmp_path / "data.npz", inputs=inputs, labels=labels)
    data = str(tmp_path / "data.npz")
    run = vog.score(MODEL, checkpoints, data, tmp_path / "run", quiet=True)
    inspect = inspector(run)
    with pytest.raises(DataError, match="'4' has no VoG map: not finite: logits at step 100"):
        inspect(4)
    assert_equals_the_run(run, inspect)


def test_nothing_is_run_before_it_is_called(
    checkpoints: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run folder of a stranger's may name anything."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    witness, code = tmp_path / "was imported", tmp_path / "tattling.py"
    parts = [f"open({str(witness)!r}, 'w').close()", "from world import build"]
    parts += [f"from test_inspector import {name}" for name in ("dataset", "doubled")]
    code.write_text("\n".join([*parts, "from test_inspector import negative_logit"]))
    names = ("build", "dataset", "doubled", "negative_logit")
    model, spec, transform, target = (f"{code}:{name}" for name in names)
    words: dict[str, Any] = {"transform": transform, "target": target, "model_args": {"classes": 4}}
    run = vog.score(model, checkpoints, spec, tmp_path / "run", workers=0, quiet=True, **words)
    witness.unlink()
    monkeypatch.delitem(sys.modules, "tattling")
    inspect = inspector(run)
    assert "tattling" not in sys.modules
    assert not witness.exists()
    assert inspect(0).differs == ()
    assert witness.exists(), "the witness would have seen it"


def test_arguments_of_the_model_come_back_as_they_were(
    data: str, checkpoints: Path, tmp_path: Path
) -> None:
    kept = {"a": 1, "b": "word", "c": True, "d": None, "e": [1, 2], "f": {"x": (0.5,)}, "g": "(odd"}
    run = vog.score(
        lambda **_: world.build(), checkpoints, data, tmp_path / "run", model_args=kept, quiet=True
    )
    assert locate_inputs(run, Options(model=MODEL)).model_args == kept


def test_the_run_folder_is_left_alone(run: Run) -> None:
    def listed() -> dict[str, tuple[int, int]]:
        paths = [run.folder, *run.folder.rglob("*")]
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in paths}

    before = listed()
    inspector(run)(0)
    assert listed() == before


@pytest.mark.slow
def test_threads_see_the_same(run: Run) -> None:
    rows = list(range(0, ROWS, 3))
    expected = {row: inspector(run)(row) for row in rows}
    inspect, found = inspector(run), [{}, {}]

    def look(into: dict[int, ExampleInspection], order: list[int]) -> None:
        into.update((row, inspect(row)) for row in order)

    orders = (rows, rows[::-1])
    threads = [Thread(target=look, args=pair) for pair in zip(found, orders, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seen in found:
        assert seen.keys() == expected.keys()
        for row, one in seen.items():
            np.testing.assert_array_equal(one.gradients, expected[row].gradients)
            np.testing.assert_array_equal(one.spread, expected[row].spread)
            assert one.confidence == expected[row].confidence


@pytest.mark.slow
@pytest.mark.parametrize("fold", [True, False])
def test_it_is_prepared_once_and_as_the_run(
    checkpoints: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fold: bool
) -> None:
    jobs: list[Job] = []

    def noted(asked: Request) -> Job:
        jobs.append(prepare(asked))
        return jobs[-1]

    monkeypatch.setattr("vog.inspection.inspector.prepare", noted)
    words: dict[str, Any] = {"fold": fold, "batch_size": 11, "quiet": True}
    run = vog.score(MODEL, checkpoints, data, tmp_path / "run", **words)
    inspect = inspector(run)
    assert not jobs
    assert inspect(0).vog != inspect(1).vog
    (job,) = jobs
    for key in ("folded", "batch_size", "precision", "target"):
        assert job.question[key] == run.question[key]
    assert (job.question["folded"] > 0) == fold


@pytest.mark.slow
def test_where_says_which_target_was_named(checkpoints: Path, data: str, tmp_path: Path) -> None:
    spec = f"{HERE}:negative_logit"
    words: dict[str, Any] = {"limit": 3, "quiet": True}
    named = vog.score(MODEL, checkpoints, data, tmp_path / "n", target=spec, **words)
    assert named.question["where"]["target"] == spec
    own = vog.score(MODEL, checkpoints, data, tmp_path / "o", target=negative_logit, **words)
    assert own.question["where"]["target"] is None
