"""Where colours are in an example: scores average over them and over nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vog
import world
from vog.errors import DataError, ScoreError
from vog.gradients.score_stored import import_stored
from vog.gradients.store import prepare_storing, store
from vog.inspection.inspector import inspector
from vog.scores import SCORES, colours
from vog.sweep.request import Request


class ColoursLast(nn.Module):
    """The network of `world` for images that have their colours last."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = world.build()

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images.permute(0, 3, 1, 2))


class Flat(nn.Module):
    """A network that takes any shape of 36 values."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(inputs)


def saved(folder: Path, build: Any, count: int = 4) -> Path:
    folder.mkdir()
    for step in range(count):
        torch.manual_seed(step)
        torch.save(build().state_dict(), folder / f"step-{step}.pt")
    return folder


def gradients(folder: Path, build: Any, inputs: np.ndarray, labels: np.ndarray) -> Tensor:
    """One checkpoint after the other, loaded into a fresh network."""
    found = []
    for path in sorted(folder.glob("*.pt")):
        module = build()
        module.load_state_dict(torch.load(path))
        module.eval()
        leaf = torch.tensor(inputs).requires_grad_()
        module(leaf).gather(1, torch.tensor(labels)[:, None]).sum().backward()
        found.append(leaf.grad)
    return torch.stack(found)


def column(run: vog.Run, name: str) -> np.ndarray:
    return np.array(run.table([name]).column(0).to_pylist())


def spread(of_pixels: Tensor) -> np.ndarray:
    return of_pixels.std(0, unbiased=False).flatten(1).mean(1).numpy()


@pytest.mark.slow
def test_colours_last_are_averaged_everywhere(tmp_path: Path) -> None:
    """By shape alone: in the run, in what the viewer shows, and in stored gradients."""
    inputs, labels = world.inputs_and_labels(12)
    last = np.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
    folder = saved(tmp_path / "checkpoints", ColoursLast)
    plain = gradients(folder, ColoursLast, last, labels).mean(-1)
    out = tmp_path / "run"
    quiet: dict[str, Any] = {"quiet": True}
    run = vog.score(ColoursLast, folder, (last, labels), out, scores="vog,grad_norm", **quiet)
    np.testing.assert_allclose(column(run, "vog@all"), spread(plain), rtol=1e-4)
    expected = plain.abs().flatten(2).mean(2).mean(0)
    np.testing.assert_allclose(column(run, "grad_norm@all"), expected, rtol=1e-4)
    question = json.loads((out / "question.json").read_text())
    assert question["layout"] == "channels-last"
    assert not any("code" in score for score in question["scores"])

    seen = inspector(run, model=ColoursLast, data=(last, labels))(3)
    assert seen.gradients.shape == (4, 6, 6)
    np.testing.assert_allclose(seen.gradients, plain[:, 3].numpy(), rtol=1e-3, atol=1e-6)
    assert seen.vog == pytest.approx(column(run, "vog@all")[3], rel=1e-4)

    request = Request(ColoursLast, folder, (last, labels), tmp_path / "stored", quiet=True)
    store(prepare_storing(request))
    imported = import_stored(tmp_path / "stored", tmp_path / "imported", quiet=True)
    np.testing.assert_allclose(column(imported, "vog@all"), spread(plain), rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((3, 28, 28), "channels-first"),
        ((1, 28, 28), "channels-first"),
        ((4, 9, 7), "channels-first"),
        ((28, 28, 3), "channels-last"),
        ((28, 28, 1), "channels-last"),
        ((3, 3, 8), "channels-first"),
        ((1, 8, 1), "channels-first"),
        ((28, 28), "none"),
        ((7,), "none"),
        ((3, 8, 8, 8), "none"),
    ],
)
def test_what_a_shape_tells(shape: tuple[int, ...], layout: str) -> None:
    found = colours.settle_layout(None, shape, [SCORES["vog"]])
    assert (found or colours.default_layout(shape)) == layout


@pytest.mark.parametrize("shape", [(3, 28, 3), (1, 9, 3), (4, 9, 3), (2, 28, 28), (13, 8, 8)])
def test_a_shape_that_tells_nothing_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ScoreError, match=r"layout='channels-first' or layout='channels-last'"):
        colours.settle_layout(None, shape, [SCORES["vog"]])
    for score in (SCORES["aum"], SCORES["csg"], *vog_keeping_colours()):
        assert colours.settle_layout(None, shape, [score]) is None, "which averages over nothing"


def vog_keeping_colours() -> tuple[Any, ...]:
    from vog.scores import choose_scores

    return choose_scores(["vog", "grad_norm", "volg"], "keep")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "axis"), [("channels-first", 2), ("channels-last", -1), ("none", None)]
)
def test_what_is_asked_for_holds(layout: Any, axis: int | None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(8, 3, 4, 3)).astype(np.float32), rng.integers(0, 4, 8)
    folder = saved(tmp_path / "checkpoints", Flat)
    plain = gradients(folder, Flat, inputs, labels)
    plain = plain if axis is None else plain.mean(axis)
    out = tmp_path / "run"
    with pytest.raises(ScoreError, match=r"has the shape \(3, 4, 3\): the first and the last"):
        vog.score(Flat, folder, (inputs, labels), out, quiet=True)
    run = vog.score(
        Flat, folder, (inputs, labels), out, layout=layout, scores="vog,volg", quiet=True
    )
    np.testing.assert_allclose(column(run, "vog@all"), spread(plain), rtol=1e-4)
    question = json.loads((out / "question.json").read_text())
    assert question.get("layout", "channels-first") == layout
    seen = inspector(run, model=Flat, data=(inputs, labels))(0)
    assert seen.vog == pytest.approx(column(run, "vog@all")[0], rel=1e-4)
    other = "channels-last" if layout == "none" else "none"
    with pytest.raises(vog.VogError, match="answers another question"):
        vog.score(Flat, folder, (inputs, labels), out, layout=other, scores="vog,volg", quiet=True)


def test_a_run_of_0_1_is_looked_at_as_it_was_scored(tmp_path: Path) -> None:
    """Of three axes the first was averaged, whatever the shape, and no key says so."""
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(4, 2, 6, 3)).astype(np.float32), rng.integers(0, 4, 4)
    folder = saved(tmp_path / "checkpoints", Flat)
    run = vog.score(
        Flat, folder, (inputs, labels), tmp_path / "run", layout="channels-first", quiet=True
    )
    assert "layout" not in run.question
    seen = inspector(run, model=Flat, data=(inputs, labels))(1)
    assert seen.gradients.shape == (4, 6, 3)
    assert seen.vog == pytest.approx(column(run, "vog@all")[1], rel=1e-4)


def test_layouts_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="layout='hwc': expected channels-first, channels-la"):
        colours.settle_layout("hwc", (3, 2, 2), [SCORES["vog"]])
    with pytest.raises(ScoreError, match="layout='channels-last': an example has the shape"):
        colours.settle_layout("channels-last", (7,), [SCORES["vog"]])
    inputs, labels = world.inputs_and_labels(6)
    folder = saved(tmp_path / "checkpoints", world.build)
    request = Request(
        world.build, folder, (inputs, labels), tmp_path / "stored", layout="none", quiet=True
    )
    with pytest.raises(DataError, match="two axes of pixels and one of colours"):
        prepare_storing(request)
