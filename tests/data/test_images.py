"""Image files as they are stored: their depth, their EXIF, thin ones, and what is no file."""

import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

import vog
import world
from vog import data, pixels
from vog.data import drafted, images, open_source, pixel_values
from vog.data.kinds import image_files
from vog.errors import DataError
from vog.figures import example_reader
from vog.models.torch.adapter import TorchModel
from vog.sweep.make_question import make_question
from vog.sweep.request import Request
from vog.sweep.resolve import resolve

RNG = np.random.default_rng(0)
DEEP = RNG.integers(2_000, 60_000, (40, 30)).astype(np.uint16)
ORIENTATION = 0x0112


def deep_file(path: Path) -> Path:
    """Sixteen bits in whatever the ending stands for; `.msb.tif` has the other order of bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pgm":
        head = f"P5 {DEEP.shape[1]} {DEEP.shape[0]} 65535\n".encode()
        path.write_bytes(head + DEEP.astype(">u2").tobytes())
    elif path.name.endswith(".msb.tif"):
        Image.frombytes("I;16B", DEEP.shape[::-1], DEEP.astype(">u2").tobytes()).save(path)
    else:
        Image.fromarray(DEEP).save(path)
    return path


@pytest.mark.parametrize("name", ["1.png", "1.tif", "1.msb.tif", "1.pgm"])
def test_sixteen_bits_are_scaled_and_not_cut_off(name: str, tmp_path: Path) -> None:
    deep_file(tmp_path / "a" / name)
    plain, label = open_source(tmp_path, transform="none").read(0)
    assert label == 0
    np.testing.assert_allclose(plain, np.broadcast_to(DEEP / 65535, (3, *DEEP.shape)), atol=1e-6)
    resized = Image.fromarray((DEEP / 65535).astype(np.float32)).resize(
        (256, 256 * 40 // 30), Image.Resampling.BILINEAR
    )
    top = round((256 * 40 // 30 - 224) / 2)
    centre = np.asarray(resized)[top : top + 224, 16 : 16 + 224]
    expected = (centre[None] - pixel_values.MEAN) / pixel_values.STD
    np.testing.assert_allclose(open_source(tmp_path).read(0)[0], expected, atol=1e-4)
    shown = np.asarray(image_files.open_picture(tmp_path / "a" / name), np.float64)
    np.testing.assert_allclose(shown, (DEEP / 257.0)[..., None].repeat(3, 2), atol=1)


def tiff(path: Path, values: np.ndarray, bits: int, white_is_zero: bool) -> None:
    """An uncompressed grey file, as microscopes and radiographs write them."""
    path.parent.mkdir()
    if bits == 12:  # two values in three bytes
        one, other = values.reshape(-1, 2).T.astype(int)
        parts = [one >> 4, (one & 15) << 4 | other >> 8, other & 255]
        content = np.stack(parts, 1).astype(np.uint8).tobytes()
    else:
        content = values.astype("<u2").tobytes()
    high, wide = values.shape
    tags = {256: wide, 257: high, 258: bits, 259: 1, 262: 0 if white_is_zero else 1, 273: 0}
    tags |= {277: 1, 278: high, 279: len(content)}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    path.write_bytes(head + entries + struct.pack("<I", 0) + content)


@pytest.mark.parametrize(("bits", "white_is_zero"), [(12, False), (16, False), (16, True)])
def test_a_tiff_file_says_what_is_black_and_white(
    bits: int, white_is_zero: bool, tmp_path: Path
) -> None:
    values = DEEP >> (16 - bits)
    tiff(tmp_path / "a" / "1.tif", values, bits, white_is_zero)
    shares = values / (2**bits - 1)
    expected = 1 - shares if white_is_zero else shares
    read = open_source(tmp_path, transform="none").read(0)[0]
    np.testing.assert_allclose(read[0], expected, atol=1e-6)
    shown = np.asarray(image_files.open_picture(tmp_path / "a" / "1.tif"), np.float64)
    np.testing.assert_allclose(shown[..., 0], expected * 255, atol=1)


def test_a_transform_of_the_user_gets_all_bits(tmp_path: Path) -> None:
    deep_file(tmp_path / "a" / "1.png")
    seen: list[tuple[str, np.ndarray]] = []

    def transform(image: Image.Image) -> np.ndarray:
        seen.append((image.mode, np.asarray(image)))
        return np.zeros(2, np.float32)

    open_source(tmp_path, transform=transform).read(0)
    assert seen[0][0].startswith("I")
    assert np.array_equal(seen[0][1], DEEP)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "YCbCr"])
def test_a_transform_of_the_user_gets_eight_bits_in_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a" / ("1.tif" if mode in ("CMYK", "YCbCr") else "1.png")
    path.parent.mkdir()
    Image.new(mode, (8, 6)).save(path)
    modes: list[str] = []
    examples = open_source(tmp_path, transform=lambda image: modes.append(image.mode))
    examples.read(0)
    assert modes == ["RGB"]


@pytest.mark.parametrize("transform", ["imagenet", "none"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_values_of_unknown_range_mark_their_row(
    dtype: type, transform: str, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    Image.fromarray((DEEP * 10.0 - 5).astype(dtype)).save(tmp_path / "a" / "1.tif")
    batch = data.read_batch(open_source(tmp_path, transform=transform), range(1))
    assert "the file does not say which value is white" in batch.problems[0]
    assert f"mode {'F' if dtype is np.float32 else 'I'}" in batch.problems[0]
    shown = np.asarray(image_files.open_picture(tmp_path / "a" / "1.tif"))
    assert shown.min() == 0
    assert shown.max() == 255, "for people it is stretched"


def turned_file(path: Path, way: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A photo whose EXIF says how it has to be turned; its pixels as they are stored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = RNG.integers(0, 255, (size[1] // 10, size[0] // 10, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize(size)
    exif = Image.Exif()
    exif[ORIENTATION] = way
    quality: dict[str, Any] = {} if path.suffix == ".png" else {"quality": 95}
    image.save(path, exif=exif, **quality)
    return image


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("way", TURNS)
def test_exif_is_applied_where_that_is_asked(way: int, tmp_path: Path) -> None:
    stored = np.asarray(turned_file(tmp_path / "a" / "1.png", way))
    as_stored = open_source(tmp_path, transform=np.asarray).read(0)[0]
    turned = open_source(tmp_path, transform=np.asarray, exif=True).read(0)[0]
    assert np.array_equal(as_stored, stored)
    assert np.array_equal(turned, TURNS[way](stored))
    shown = image_files.open_picture(tmp_path / "a" / "1.png", exif=True)
    assert np.array_equal(np.asarray(shown), turned)


def test_rotations_that_are_not_applied_are_counted(tmp_path: Path) -> None:
    for number, way in enumerate([1, 6, 8]):
        turned_file(tmp_path / "a" / f"{number}.jpg", way)
    (tmp_path / "a" / "3.jpg").write_bytes(b"damaged")
    said = "2 of 4 images carry an EXIF rotation, which is not applied; exif=True applies it"
    assert open_source(tmp_path).notes == (said,)
    assert open_source(tmp_path, exif=True).notes == ()
    for number in range(4, 200):
        os.link(tmp_path / "a" / "1.jpg", tmp_path / "a" / f"{number:03}.jpg")
    assert "of 64 images looked at carry" in open_source(tmp_path).notes[0]


def test_drafts_are_turned_too(tmp_path: Path) -> None:
    photo = Image.fromarray(load_sample_image("china.jpg")).resize((3264, 2448))
    (tmp_path / "a").mkdir()
    for way in (6, 1):
        exif = Image.Exif()
        exif[ORIENTATION] = way
        photo.save(tmp_path / "a" / f"{way}.jpg", exif=exif)
    exact = open_source(tmp_path, exif=True)
    quick = drafted(exact)
    assert quick is not exact
    for row in range(2):
        difference = np.abs(exact.read(row)[0] - quick.read(row)[0]) * pixel_values.STD
        assert difference.mean() <= images.TOLERANCE


def test_exif_stands_in_the_question_and_is_of_files(checkpoints: Path, tmp_path: Path) -> None:
    for label in range(world.CLASSES):
        turned_file(tmp_path / "photos" / f"class{label}" / "1.jpg", 6)
    (tmp_path / "tests_of_pixels.py").write_text(
        "import numpy as np\n"
        "def small(image):\n"
        "    return np.asarray(image.resize((6, 6)), np.float32).transpose(2, 0, 1) / 255\n"
    )
    transform = f"{tmp_path / 'tests_of_pixels.py'}:small"
    request = Request(
        world.build, checkpoints, tmp_path / "photos", tmp_path / "r", transform=transform
    )
    assert "4 of 4 images carry" in resolve(request).notes["data"]
    values = {}
    for exif in (False, True):
        out = tmp_path / f"run{exif}"
        vog.score(
            world.build, checkpoints, tmp_path / "photos", out,
            transform=transform, exif=exif, scores="loss", workers=0, quiet=True,
        )  # fmt: skip
        values[exif] = vog.open(out).table(["loss@all"]).column(0).to_pylist()
        question = json.loads((out / "question.json").read_text())
        assert question["data"].get("exif", False) == exif
        picture = example_reader.image_reader(vog.open(out), tmp_path / "photos")(0, "class0/1.jpg")
        assert picture.size == (40, 40)
    assert values[False] != values[True]
    with pytest.raises(DataError, match="exif=True rotates image files, but the data are not"):
        open_source(world.inputs_and_labels(3), exif=True)


def test_a_run_of_0_1_is_finished_unless_its_images_were_cut_off(
    checkpoints: Path, tmp_path: Path
) -> None:
    """The names of our transforms are those it noted; deep images are another question."""
    for kind in ("flat", "deep"):
        for label in range(world.CLASSES):
            turned_file(tmp_path / kind / f"class{label}" / "1.png", 1)
    deep_file(tmp_path / "deep" / "class0" / "2.png")
    questions = {}
    for kind in ("flat", "deep"):
        examples = open_source(tmp_path / kind)
        request = Request(world.build, checkpoints, tmp_path / kind, tmp_path / "run")
        asked = make_question(request, TorchModel(world.build()), [], [], [], examples, [])
        questions[kind] = asked["data"]
        assert asked["data"]["transform"] == "vog.data.images.imagenet e0852b9786532a41"
    assert questions["deep"]["deep"]
    assert "deep" not in questions["flat"]


@pytest.mark.parametrize("size", [(700, 90), (90, 700), (300, 260)])
def test_what_is_cropped_while_it_is_resized_is_the_same(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(1).integers(0, 255, (size[1] // 10, size[0] // 10, 3))
    image = Image.fromarray(values.astype(np.uint8)).resize(size)
    whole = images.imagenet(image)
    monkeypatch.setattr(images, "_LONGEST", 0)
    cropped = images.imagenet(image)
    assert np.abs((whole - cropped) * pixel_values.STD).max() <= 1.01 / 255


@pytest.mark.parametrize("size", [(6000, 1), (1, 6000), (60_000, 3)])
def test_a_thin_image_takes_no_gigabytes(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    resize, made = Image.Image.resize, []

    def noted(self: Image.Image, to: tuple[int, int], *more: object) -> Image.Image:
        made.append(to[0] * to[1])
        return resize(self, to, *more)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Image.Image, "resize", noted)
    grey = np.linspace(0, 255, max(size)).round().astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(grey, (min(size), max(size))).copy())
    image = image if size[0] > size[1] else image.transpose(Image.Transpose.ROTATE_270)
    values = images.imagenet(image.convert("RGB")) * pixel_values.STD + pixel_values.MEAN
    assert max(made) <= 256 * images._LONGEST
    np.testing.assert_allclose(values, 0.5, atol=0.05)  # the middle of it


def test_what_is_no_file_has_a_row_that_says_so(tmp_path: Path) -> None:
    turned_file(tmp_path / "a" / "1.png", 1)
    (tmp_path / "a" / "2.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "a" / "3.png")
    (tmp_path / "a" / "5.png").symlink_to("5.png")
    (tmp_path / "a" / "6.png").symlink_to(os.devnull)
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(tmp_path / "a")  # the names of sockets are short
        listening.bind("4.png")
        os.chdir(here)
        listing = tmp_path / "list.txt"
        listing.write_text("".join(f"a/{number}.png 0\n" for number in range(1, 7)))
        for examples in (open_source(tmp_path), open_source(listing)):
            batch = data.read_batch(examples, range(6))
            assert batch.positions.tolist() == [0]
            assert batch.labels.tolist() == [0] * 6
            whys = ["", "a link to a file that", "a FIFO", "a socket", "a link to a", "a device"]
            assert all(whys[row] in why for row, why in batch.problems.items())
            assert sorted(batch.problems) == [1, 2, 3, 4, 5]
            assert drafted(examples) is examples
    with pytest.raises(OSError, match="is a FIFO"):
        pixels.refuse_special(tmp_path / "a" / "3.png")
    with pytest.raises(vog.VogError, match="is a FIFO, not a file"):
        image_files.open_picture(tmp_path / "a" / "3.png")
