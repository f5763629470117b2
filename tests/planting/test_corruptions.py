"""How planted examples are altered: worked values, and that shapes and types stay."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vog.planting import pillow_images
from vog.planting.corruptions import (
    BLUR,
    BLUR_SHARE,
    JITTERED,
    NOISE,
    OCCLUSION,
    PATCHES,
    SHIFTED,
    STATIC,
    Values,
    alter,
    image_axes,
    mix_columns,
    values_of,
)

WAYS = (NOISE, BLUR, OCCLUSION, SHIFTED, PATCHES, STATIC)
BYTES = Values.make(0, 255, 100, 50)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def values(low: float, high: float, mean: float = 0.0, sd: float = 1.0) -> Values:
    return Values.make(low, high, mean, sd)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((28, 28), (0, 1)),
        ((3, 32, 30), (1, 2)),
        ((32, 30, 3), (0, 1)),
        ((1, 28, 28), (1, 2)),
        ((28, 28, 1), (0, 1)),
        ((7, 9, 9), (1, 2)),  # spectra: colours first
        ((10,), None),
        ((3, 28), None),  # too few pixels for patches
        ((8, 3, 28, 28), None),  # films
    ],
)
def test_which_items_are_images(shape: tuple[int, ...], axes: tuple[int, int] | None) -> None:
    assert image_axes(shape) == axes


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(8, 8), (3, 9, 12), (9, 12, 3), (1, 30, 5)])
def test_shape_type_and_range_stay_and_the_item_is_left_alone(
    how: str, dtype: Any, shape: tuple[int, ...]
) -> None:
    item = rng(1).uniform(0, 255, shape).astype(dtype)
    before = item.copy()
    made = alter(item, how, BYTES, rng())
    assert (made.shape, made.dtype) == (item.shape, item.dtype)
    assert made.min() >= 0
    assert made.max() <= 255
    assert (made != item).any()
    np.testing.assert_array_equal(item, before)
    np.testing.assert_array_equal(made, alter(item, how, BYTES, rng()))


@pytest.mark.parametrize("how", [NOISE, JITTERED])
def test_rows_of_numbers_get_noise_by_column_without_bounds(how: str) -> None:
    # Columns from 0 to 4 and from 0 to 400: a quarter is 1 and 100, a hundredth 0.04 and 4.
    sample = [np.zeros(8000), np.repeat([4.0, 400.0], 4000)]
    made = alter(np.zeros(8000), how, values_of(sample), rng()).reshape(2, 4000)
    expected = np.array([1, 100]) if how == NOISE else np.array([0.04, 4])
    np.testing.assert_allclose(made.std(axis=1), expected, rtol=0.05)
    assert made.min() < -0.04  # below the lowest: only images are cut off


def test_noise_of_an_image_is_a_quarter_of_its_range() -> None:
    # Around the middle of [0, 8] the noise has the deviation 2 and is cut off at two of these:
    # that leaves sqrt(0.9205) = 0.9594 of it.
    made = alter(np.full((200, 200), 4.0), NOISE, values(0, 8), rng())
    assert made.std() == pytest.approx(2 * 0.9594, rel=0.02)


def test_noise_in_large_images_is_as_coarse_as_a_model_sees_it() -> None:
    # 520 // 256 = 2: squares of 2 x 2 pixels, those at the far edge cut off.
    made = alter(np.full((3, 520, 521), 4.0), NOISE, values(0, 8), rng())
    squares = made[:, :, :520].reshape(3, 260, 2, 260, 2)
    assert (squares == squares[:, :, :1, :, :1]).all()
    assert len(np.unique(squares[:, :, 0, :, 0])) > 100_000


def test_blur_spreads_a_point_by_six_percent_of_the_shorter_side() -> None:
    # The shorter side is 100: the variance of a Gaussian of deviation 6 is 36.
    item = np.zeros((2, 100, 120))
    item[0, 50, 60] = 1
    made = alter(item, BLUR, values(0, 1), rng())
    weights = made[0] / made[0].sum()
    y = np.arange(100) - 50
    assert (weights.sum(axis=1) * y**2).sum() == pytest.approx(36, rel=0.02)
    assert (made[1] == 0).all()  # colours do not run into each other
    assert made[0].sum() == pytest.approx(1, abs=1e-6)


def test_occlusion_is_a_grey_square_of_half_the_shorter_side() -> None:
    starts = set()
    for seed in range(60):
        made = alter(np.zeros((3, 8, 10)), OCCLUSION, values(0, 2), rng(seed))
        y, x = np.nonzero(made[0])
        assert (made[:, y.min() : y.max() + 1, x.min() : x.max() + 1] == 1).all()
        assert (np.ptp(y) + 1, np.ptp(x) + 1, (made != 0).sum()) == (4, 4, 3 * 16)
        starts.add((int(y.min()), int(x.min())))
    assert {y for y, _ in starts} == set(range(5))
    assert {x for _, x in starts} == set(range(7))


def test_a_duplicate_is_moved_by_one_or_two_pixels_each_way() -> None:
    item = rng(5).uniform(size=(12, 14))
    moves = [(y, x) for y in range(-3, 4) for x in range(-3, 4)]
    found = set()
    for seed in range(60):
        made = alter(item, SHIFTED, values(0, 1), rng(seed))
        away = [np.abs(np.roll(item, by, (0, 1)) - made)[3:-3, 3:-3].max() for by in moves]
        assert min(away) < 0.05  # five deviations of the jitter
        found.add(moves[int(np.argmin(away))])
    assert found == {(y, x) for y in (-2, -1, 1, 2) for x in (-2, -1, 1, 2)}


def test_a_duplicate_repeats_its_edge() -> None:
    # Columns rise by 10: two pixels are 20, the jitter is 1, and from edge to edge it is 70.
    item = np.tile(10.0 * np.arange(8), (8, 1))
    for seed in range(20):
        made = alter(item, SHIFTED, values(0, 100), rng(seed))
        assert np.abs(made - item).max() < 26


def test_whole_numbers_are_rounded_and_do_not_overflow() -> None:
    item = np.full((40, 40), 5, np.uint8)
    assert (alter(item, JITTERED, values(0, 8), rng()) == 5).all()  # a deviation of 0.08
    made = alter(np.full((40, 40), 250, np.uint8), NOISE, values(0, 1000), rng())
    assert (made == 255).sum() > 400  # half of them would be above


def test_patches_are_the_same_in_another_order() -> None:
    item = np.arange(16.0).reshape(4, 4).repeat(2, 0).repeat(3, 1)  # 16 patches of 2 x 3
    made = alter(item, PATCHES, values(0, 15), rng())
    squares = made.reshape(4, 2, 4, 3)
    assert (squares == squares[:, :1, :, :1]).all()
    order = squares[:, 0, :, 0].reshape(-1)
    assert sorted(order) == list(range(16))
    for seed in range(200):
        made = alter(item, PATCHES, values(0, 15), rng(seed))[::2, ::3].reshape(-1)
        assert (made == np.arange(16)).sum() <= 2


def test_patches_leave_what_does_not_divide() -> None:
    item = rng(3).uniform(size=(3, 10, 9))
    made = alter(item, PATCHES, values(0, 1), rng())
    np.testing.assert_array_equal(made[:, 8:], item[:, 8:])
    np.testing.assert_array_equal(made[:, :, 8:], item[:, :, 8:])
    assert (made[:, :8, :8] != item[:, :8, :8]).any()


def test_static_has_the_mean_and_deviation_of_the_data_and_nothing_of_the_item() -> None:
    of = values(-100, 100, 3, 5)
    made = alter(np.full((200, 200), 50.0), STATIC, of, rng())
    assert made.mean() == pytest.approx(3, abs=0.1)
    assert made.std() == pytest.approx(5, rel=0.02)
    np.testing.assert_array_equal(made, alter(np.zeros((200, 200)), STATIC, of, rng()))


def test_columns_are_taken_from_any_of_the_rows() -> None:
    rows = np.add.outer(1000.0 * np.arange(8), np.arange(500))
    made = mix_columns(rows, rng())
    np.testing.assert_array_equal(made % 1000, np.arange(500))
    assert set(made // 1000) == set(range(8))


def test_values_of_images_are_numbers_and_of_rows_one_a_column() -> None:
    images = values_of([np.full((4, 4), 1.0), np.full((5, 6), 3.0)])  # 16 of 1 and 30 of 3
    assert (float(images.low), float(images.high)) == (1, 3)
    assert float(images.mean) == pytest.approx(106 / 46)
    rows = values_of([np.array([1.0, np.nan, np.inf]), np.array([3.0, 7.0, np.nan])])
    np.testing.assert_array_equal(rows.low, [1, 7, 0])
    np.testing.assert_array_equal(rows.high, [3, 7, 0])
    np.testing.assert_array_equal(rows.mean, [2, 7, 0])
    np.testing.assert_array_equal(rows.sd, [1, 0, 0])
    np.testing.assert_array_equal(rows.span, [2, 1, 1])  # a constant column gets noise too
    whole = values_of([np.full((4, 4), 9, np.uint8)])
    assert (float(whole.low), float(whole.high)) == (0, 255)


MODES = ("L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16", "LAB", "F")


def picture(mode: str, size: tuple[int, int] = (20, 16)) -> Image.Image:
    colours = Image.fromarray(rng(4).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8))
    if mode == "I;16":
        return Image.fromarray(rng(4).integers(0, 65536, size[::-1]).astype(np.uint16))
    made = colours.convert(mode)
    if mode in ("RGBA", "LA"):
        made.putalpha(Image.new("L", size, 77))
    return made


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("mode", MODES)
def test_pictures_keep_their_mode_and_size(how: str, mode: str) -> None:
    image = picture(mode)
    made = pillow_images.alter_picture(image, how, BYTES, rng())
    assert (made.mode, made.size) == (image.mode, image.size)
    assert made.tobytes() != image.tobytes()
    if mode in ("RGBA", "LA"):
        assert made.getchannel("A").getextrema() == (77, 77)


def test_sixteen_bits_are_altered_in_all_their_range() -> None:
    deep = Image.fromarray(np.full((64, 64), 32768, np.uint16))
    made = np.asarray(pillow_images.alter_picture(deep, NOISE, BYTES, rng()), np.float64)
    assert made.std() == pytest.approx(0.9594 * 65535 / 4, rel=0.05)
    assert pillow_images.sample_levels(deep).mean() == pytest.approx(127.5, abs=0.01)


def test_pictures_are_blurred_as_arrays_are() -> None:
    point = np.zeros((100, 100), np.uint8)
    point[40:60, 40:60] = 255
    fast = np.asarray(
        pillow_images.alter_picture(Image.fromarray(point), BLUR, BYTES, rng()), float
    )
    exact = alter(point, BLUR, BYTES, rng()).astype(float)
    assert BLUR_SHARE == 0.06
    assert np.abs(fast - exact).max() < 8  # of 255: three boxes in place of a Gaussian


@pytest.mark.parametrize(
    ("form", "mode", "ending"),
    [
        ("JPEG", "RGB", None),
        ("JPEG", "L", None),
        ("JPEG", "CMYK", None),
        ("PNG", "RGBA", None),
        ("PNG", "I;16", None),
        ("BMP", "RGB", None),
        ("GIF", "P", None),
        ("WEBP", "RGB", None),
        ("TIFF", "I;16", None),
        ("MPO", "RGB", None),
        ("JPEG", "RGBA", ".png"),  # no room for it
        ("PSD", "RGB", ".png"),  # Pillow reads these alone
        (None, "RGB", ".png"),
    ],
)
def test_files_stay_in_their_format_where_it_can_be_written(
    tmp_path: Path, form: str | None, mode: str, ending: str | None
) -> None:
    image = picture(mode)
    image.format = form
    content, found = pillow_images.encode_like_original(image)
    assert found == ending
    path = tmp_path / "file"
    path.write_bytes(content)
    again = pillow_images.open_with_format(path)
    assert again.format == {"MPO": "JPEG"}.get(form or "", form) if ending is None else "PNG"
    assert (again.size, again.mode) == (image.size, image.mode)


def test_what_is_written_beside_the_pixels_stays(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    picture("RGB").save(tmp_path / "a.jpg", exif=exif)
    opened = pillow_images.open_with_format(tmp_path / "a.jpg")
    made = pillow_images.alter_picture(opened, NOISE, BYTES, rng())
    (tmp_path / "b.jpg").write_bytes(pillow_images.encode_like_original(made)[0])
    with Image.open(tmp_path / "b.jpg") as again:
        assert again.getexif()[0x0112] == 6


def test_what_can_be_altered(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    Image.new("RGB", (3, 9)).save(tmp_path / "tiny.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "small.png")
    found = {p.stem: pillow_images.can_be_altered(p) for p in tmp_path.iterdir()}
    assert found == {"broken": False, "tiny": False, "small": True}
