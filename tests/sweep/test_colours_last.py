"""Image files for a model that takes colours last: all numbers are those of colours first."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import small_resnet
import vog
from vog.data import open_source
from vog.errors import DifferentQuestionError
from vog.figures import example_reader
from vog.gradients.layout import checkpoint_folder, gradient_file
from vog.gradients.store import prepare_storing, store
from vog.inspection.inspector import inspector
from vog.sweep.request import Request
from vog.sweep.resolve import resolve

FILES = 7
LAST: dict[str, Any] = {"layout": "channels-last"}


class TakesColoursLast(small_resnet.SmallResNet):
    """The same network, for images with colours last."""

    layout = "channels-last"

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2))


@pytest.fixture
def words(tmp_path: Path) -> dict[str, Any]:
    """What names checkpoints, and JPEG files in a list."""
    rng = np.random.default_rng(0)
    for row in range(FILES):
        path = tmp_path / "images" / f"class{row % 3}" / f"{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((40, 30), Image.Resampling.BICUBIC).save(path, quality=95)
    lines = [f"class{row % 3}/{row}.jpg {row % 3}\n" for row in range(FILES)]
    (tmp_path / "list.txt").write_text("".join(lines), encoding="utf-8")
    return {
        "checkpoints": small_resnet.save_torch(tmp_path / "c"),
        "data": tmp_path / "list.txt",
        "root": tmp_path / "images",
        "quiet": True,
    }


def _assert_equal(run: vog.Run, expected: vog.Run) -> None:
    assert run.score_columns == expected.score_columns
    for column in expected.score_columns:
        values = expected.table()[column].to_numpy()
        difference = np.abs(run.table()[column].to_numpy() - values).max()
        assert difference <= 1e-5 * np.abs(values).max(), column


@pytest.mark.slow
@pytest.mark.parametrize("transform", [None, "none", "tf1"])
def test_scores_are_those_of_colours_first(
    words: dict[str, Any], tmp_path: Path, transform: str | None
) -> None:
    words |= {"scores": "vog,grad_norm,aum", "transform": transform}
    first = vog.score(small_resnet.SmallResNet(), out=tmp_path / "first", **words)
    last = vog.score(TakesColoursLast(), out=tmp_path / "last", **words, **LAST)
    _assert_equal(last, first)
    assert last.question["layout"] == "channels-last"
    assert last.question["data"].pop("transform") == (
        f"{first.question['data'].pop('transform')}, colours last"
    )
    assert last.question["data"] == first.question["data"]


def test_runs_of_the_two_are_different_questions(words: dict[str, Any], tmp_path: Path) -> None:
    words |= {"transform": "none", "scores": "aum"}
    model = TakesColoursLast()
    run = vog.score(model, out=tmp_path / "run", **words, **LAST)
    resumed = vog.score(model, out=tmp_path / "run", **words, **LAST)
    assert resumed.question == run.question
    with pytest.raises(DifferentQuestionError, match="colours last"):
        vog.score(small_resnet.SmallResNet(), out=tmp_path / "run", **words)


@pytest.mark.parametrize("channels", ["mean", "keep"])
def test_maps_and_pictures_are_those_of_colours_first(
    words: dict[str, Any], tmp_path: Path, channels: Any
) -> None:
    words |= {"transform": "none", "scores": "vog", "channels": channels}
    first = vog.score(small_resnet.SmallResNet(), out=tmp_path / "first", **words)
    last = vog.score(TakesColoursLast(), out=tmp_path / "last", **words, **LAST)
    expected = inspector(first, model=small_resnet.SmallResNet())(3)
    inspected = inspector(last, model=TakesColoursLast())(3)
    assert inspected.differs == ()
    assert inspected.spread.shape == (30, 40)
    np.testing.assert_allclose(inspected.spread, expected.spread, atol=1e-5 * expected.spread.max())
    largest = np.abs(expected.gradients).max()
    np.testing.assert_allclose(inspected.gradients, expected.gradients, atol=1e-5 * largest)
    assert inspected.vog == pytest.approx(expected.vog, rel=1e-5)
    name = str(last.table()["id"][3])
    pictures = [example_reader.image_reader(run)(3, name) for run in (first, last)]
    np.testing.assert_array_equal(np.asarray(pictures[0]), np.asarray(pictures[1]))


def test_stored_gradients_are_those_of_colours_first(words: dict[str, Any], tmp_path: Path) -> None:
    words |= {"transform": "none"}
    for model, name, more in (
        (small_resnet.SmallResNet(), "first", {}),
        (TakesColoursLast(), "last", LAST),
    ):
        store(prepare_storing(Request(model=model, out=tmp_path / name, **words, **more)))
    for row in range(FILES):
        expected, stored = (
            np.load(gradient_file(checkpoint_folder(tmp_path / name, 100), row))
            for name in ("first", "last")
        )
        assert expected.any()
        assert stored.shape == (30, 40)
        np.testing.assert_allclose(stored, expected, atol=1e-5 * np.abs(expected).max())


def test_a_transform_of_the_user_is_not_touched(words: dict[str, Any], tmp_path: Path) -> None:
    """It gives colours last already; another change of axes would make them rows."""

    def own(image: Image.Image) -> np.ndarray:
        return np.asarray(image, np.float32) / 255

    words |= {"scores": "vog", **LAST}
    run = vog.score(TakesColoursLast(), out=tmp_path / "own", transform=own, **words)
    ours = vog.score(TakesColoursLast(), out=tmp_path / "ours", transform="none", **words)
    _assert_equal(run, ours)


class _Pictures:
    """Images in memory, as a dataset gives them."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.rglob("*.jpg"), key=lambda path: path.stem)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.open(self.paths[index]), int(self.paths[index].parent.name[-1])


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("workers", [0, 1])
def test_images_of_a_dataset(words: dict[str, Any], tmp_path: Path, workers: int) -> None:
    """Whoever reads them: this process, or another one."""
    words |= {"transform": "imagenet", "scores": "vog", "workers": workers}
    files = vog.score(TakesColoursLast(), out=tmp_path / "files", **words, **LAST)
    words["data"] = _Pictures(words.pop("root"))
    items = vog.score(TakesColoursLast(), out=tmp_path / "items", **words, **LAST)
    _assert_equal(items, files)
    assert items.question["data"]["transform"].endswith(", colours last")


def test_rows_of_a_sample_and_reduced_jpegs(words: dict[str, Any], tmp_path: Path) -> None:
    """A large file is decoded at half its size under `imagenet`, whatever the order of colours."""
    noise = np.random.default_rng(1).integers(90, 99, (1600, 1700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(words["root"] / "class0" / "0.jpg")
    resolved = [
        resolve(Request(model=model, out=tmp_path / "out", scores=("vog",), **words, **more))
        for model, more in ((small_resnet.SmallResNet(), {}), (TakesColoursLast(), LAST))
    ]
    first, last = (each.examples.read for each in resolved)
    assert getattr(last, "draft", False)
    values = last(0)[0]
    assert values.shape == (224, 224, 3)
    np.testing.assert_array_equal(values.transpose(2, 0, 1), first(0)[0])
    first_inputs, last_inputs = (each.first.inputs for each in resolved)
    assert isinstance(first_inputs, Tensor)
    assert isinstance(last_inputs, Tensor)
    assert torch.equal(last_inputs.permute(0, 3, 1, 2), first_inputs)
    assert open_source(words["data"], words["root"]).read(0)[0].shape == (3, 224, 224)


def test_without_a_layout_of_the_model_colours_are_first(
    words: dict[str, Any], tmp_path: Path
) -> None:
    class Undecided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small_resnet.SmallResNet()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    request = Request(model=Undecided(), out=tmp_path / "out", **words)
    inputs = resolve(request).first.inputs
    assert isinstance(inputs, Tensor)
    assert inputs.shape == (FILES, 3, 224, 224)
