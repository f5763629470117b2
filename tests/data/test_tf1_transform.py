"""`tf1`, by hand: which pixels TensorFlow 1 takes; `interop_tensorflow` compares both."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import small_resnet
import vog
from vog.data import pixel_values
from vog.data.built_in_transforms import (
    built_in_name,
    layout_of_name,
    share_of_name,
    word_of_name,
)
from vog.data.colours_last import ColoursLast
from vog.data.images import imagenet, unchanged
from vog.data.tf1_transform import resize_bilinear, tf1
from vog.data.transforms import image_transform, value_transform
from vog.errors import FunctionError
from vog.inspection.inspector import inspector
from vog.inspection.locate_inputs import Options, locate_inputs


def _row(values: list[float]) -> np.ndarray:
    return np.array(values, np.float32)[None, :, None]


def test_values_by_hand() -> None:
    """Halved: positions 0 and 2. Doubled: 0, 1/2, 1 and, beyond the last, the last itself.

    With half pixels it would be 5 and 25, and 0, 2.5, 7.5, 10.
    """
    assert resize_bilinear(_row([0, 10, 20, 30]), (1, 2)).ravel().tolist() == [0, 20]
    assert resize_bilinear(_row([0, 10]), (1, 4)).ravel().tolist() == [0, 5, 10, 10]
    columns = _row([0, 10]).transpose(1, 0, 2)
    assert resize_bilinear(columns, (4, 1)).ravel().tolist() == [0, 5, 10, 10]


def test_both_axes_by_hand() -> None:
    """Of [[0, 4], [8, 12]] at three times the size, position 1 is a third of the way."""
    square = np.array([[0, 4], [8, 12]], np.uint8)[..., None]
    resized = resize_bilinear(square, (6, 6))[..., 0]
    assert resized.dtype == np.float32
    assert resized[1, 1] == pytest.approx(8 / 3 + 4 / 3)
    assert resized[5, 5] == 12


def test_a_square_of_it_is_that_of_the_whole() -> None:
    values = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    whole = resize_bilinear(values, (61, 80))
    np.testing.assert_array_equal(resize_bilinear(values, (61, 80), (5, 7), 50), whole[5:55, 7:57])


@pytest.mark.parametrize("size", [(300, 257), (301, 257), (257, 301), (256, 256), (31, 47), (1, 4)])
def test_centre_of_an_image_by_the_whole_of_it(size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    shorter = min(size)
    height, width = 256 * size[0] // shorter, 256 * size[1] // shorter
    top, left = (height - 224) // 2, (width - 224) // 2
    whole = resize_bilinear(values, (height, width))
    centre = whole[top : top + 224, left : left + 224].transpose(2, 0, 1) / np.float32(255)
    expected = (centre - pixel_values.MEAN) / pixel_values.STD
    np.testing.assert_array_equal(tf1(Image.fromarray(values)), expected)


def test_a_long_image_is_not_resized_as_a_whole() -> None:
    """Of 2 x 60,000 pixels, 256 x 7,680,000 would take gigabytes."""
    values = np.zeros((2, 60_000, 3), np.uint8)
    assert tf1(Image.fromarray(values)).shape == (3, 224, 224)


def test_grey_and_deep_images() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    expected = tf1(Image.fromarray(np.stack([grey] * 3, -1)))
    np.testing.assert_array_equal(tf1(Image.fromarray(grey)), expected)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    np.testing.assert_allclose(tf1(deep), expected, atol=1e-5)
    with pytest.raises(ValueError, match="does not say which value is white"):
        tf1(Image.fromarray(grey.astype(np.float32)))


def test_words_and_names() -> None:
    assert image_transform("tf1") is value_transform("tf1") is tf1
    assert image_transform("none") is unchanged
    for transform, word in ((tf1, "tf1"), (imagenet, "imagenet"), (unchanged, "none")):
        for function in (transform, ColoursLast(transform)):
            name = built_in_name(function)
            assert name is not None
            assert word_of_name(name) == word
            is_last = isinstance(function, ColoursLast)
            assert layout_of_name(name) == ("channels-last" if is_last else "channels-first")
            assert share_of_name(name) == (1.0 if word == "none" else 224 / 256)
    assert built_in_name(_row) is built_in_name(ColoursLast(_row)) is None
    assert word_of_name("own 0123") is layout_of_name("own 0123") is None
    assert share_of_name("own 0123") == 1.0
    with pytest.raises(FunctionError, match="tf2"):
        image_transform("tf2")


@pytest.mark.slow
def test_inspection_finds_it_again(photos: Path, tmp_path: Path) -> None:
    checkpoints = small_resnet.save_torch(tmp_path / "c")
    run = vog.score(
        f"{small_resnet.__file__}:build", checkpoints, str(photos), tmp_path / "run",
        transform="tf1", limit=3, scores="vog", quiet=True,
    )  # fmt: skip
    assert run.question["data"]["transform"] == "vog.data.tf1_transform.tf1 1"
    assert locate_inputs(run, Options()).transform == "tf1"
    row = int(run.table(["index"])["index"][0].as_py())
    inspected = inspector(run)(row)
    assert inspected.differs == ()
    assert inspected.vog == pytest.approx(run.table()["vog@all"][0].as_py(), rel=1e-6)
