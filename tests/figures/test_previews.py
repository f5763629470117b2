"""What stands for an example on a page, wherever its data are; and what is never opened or run."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vog.errors import FunctionError, ResultError
from vog.figures import example_reader
from vog.figures.previews import Preview, encode_thumbnail, preview_of, previewer
from vog.result import Run

RED, BLUE = (255, 0, 0), (0, 0, 255)


def run_of(folder: Path, transform: str | None = None, **where: Path | str) -> Run:
    """A run that says this of its data, and no more than previews need."""
    said = {name: str(value) for name, value in where.items()}
    return Run(folder, {"data": {"transform": transform}, "where": said})


def pixel(preview: Preview) -> object:
    """The colour in the middle of a picture."""
    assert preview.image is not None
    assert (preview.text, preview.values, preview.missing) == (None, None, None)
    return preview.image.getpixel((preview.image.width // 2, preview.image.height // 2))


def missing(preview: Preview) -> str:
    assert (preview.image, preview.text, preview.values) == (None, None, None)
    assert preview.missing is not None
    return preview.missing


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a red image in a folder, and a blue one outside."""
    (tmp_path / "photos" / "a").mkdir(parents=True)
    Image.new("RGB", (40, 20), RED).save(tmp_path / "photos" / "a" / "1.png")
    Image.new("RGB", (40, 20), BLUE).save(tmp_path / "outside.png")
    return tmp_path / "photos"


def test_image_files(photos: Path, tmp_path: Path) -> None:
    """In the folder that was scored, beside a list of files, and where either has moved."""
    assert pixel(previewer(run_of(tmp_path, data=photos))(0, "a/1.png")) == RED
    assert pixel(previewer(run_of(tmp_path, data=photos / "train.txt"))(0, "a/1.png")) == RED
    assert pixel(previewer(run_of(tmp_path, data=tmp_path, root=photos))(0, "a/1.png")) == RED
    moved = previewer(run_of(tmp_path, data="/nowhere"), root=photos)
    assert pixel(moved(0, "a/1.png")) == RED


def test_what_the_model_saw_of_an_image(photos: Path, tmp_path: Path) -> None:
    for transform, size in (("vog.data.images.imagenet 1", 18), ("mine.py:crop 1", 20)):
        shown = previewer(run_of(tmp_path, transform, data=photos))(0, "a/1.png").image
        assert shown is not None
        assert shown.size == (size, size)


@pytest.mark.parametrize("size", [(60, 20), (20, 60)])
def test_the_middle_of_an_image_is_shown(tmp_path: Path, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, BLUE)
    image.paste(RED, (size[0] // 2 - 10, size[1] // 2 - 10, size[0] // 2 + 10, size[1] // 2 + 10))
    image.save(tmp_path / "a.png")
    shown = previewer(run_of(tmp_path, data=tmp_path))(0, "a.png").image
    assert shown is not None
    assert shown.getcolors() == [(400, RED)]


def test_a_large_jpeg_is_decoded_at_a_fraction(tmp_path: Path) -> None:
    Image.new("RGB", (800, 800), RED).save(tmp_path / "large.jpg")
    whole, small = (
        previewer(run_of(tmp_path, data=tmp_path), size=size)(0, "large.jpg").image
        for size in (None, 100)
    )
    assert whole is not None
    assert small is not None
    assert (whole.size, small.size) == ((800, 800), (200, 200))


def test_images_of_arrays(tmp_path: Path) -> None:
    """`images` go before `inputs`, which were standardised."""
    images = np.zeros((2, 3, 8, 8), np.uint8)
    images[1, 2] = 255
    np.savez(tmp_path / "a.npz", images=images, inputs=np.zeros((2, 5)))
    assert pixel(previewer(run_of(tmp_path, data=tmp_path / "a.npz"))(1, "1")) == BLUE
    np.savez(tmp_path / "b.npz", inputs=np.stack([np.eye(9), 1 - np.eye(9)]))
    look = previewer(run_of(tmp_path, data=tmp_path / "b.npz"))
    assert (pixel(look(0, "0")), pixel(look(1, "1"))) == ((255, 255, 255), (0, 0, 0))
    moved = previewer(run_of(tmp_path, data="/nowhere/b.npz"), tmp_path / "b.npz")
    assert pixel(moved(1, "1")) == (0, 0, 0)


def test_texts_and_features_of_arrays(tmp_path: Path) -> None:
    tokens = np.array([[1.0, 2.0], [3.0, 4.5]])
    np.savez(tmp_path / "t.npz", inputs=tokens, texts=["a film", "<b>bad</b>"])
    assert previewer(run_of(tmp_path, data=tmp_path / "t.npz"))(1, "1").text == "<b>bad</b>"
    for names, values in (
        (["age", "<i>"], {"age": 3.0, "<i>": 4.5}),
        (["age"], {"0": 3.0, "1": 4.5}),  # they are those of another file
        ([], {"0": 3.0, "1": 4.5}),
    ):
        np.savez(tmp_path / "f.npz", inputs=tokens, feature_names=np.array(names, str))
        found = previewer(run_of(tmp_path, data=tmp_path / "f.npz"))(1, "1")
        assert found == Preview(values=values)


def test_names_of_features_are_not_those_of_pixels(tmp_path: Path) -> None:
    names = [str(i) for i in range(9)]
    np.savez(tmp_path / "a.npz", inputs=np.ones((2, 9, 9)), feature_names=names)
    look = previewer(run_of(tmp_path, data=tmp_path / "a.npz"))
    assert pixel(look(0, "0")) == (255, 255, 255)


def test_folders_with_odd_names(photos: Path, tmp_path: Path) -> None:
    """A colon makes no function of a folder, nor the name of a class a folder of gradients."""
    photos.rename(tmp_path / "2024:05")
    look = previewer(run_of(tmp_path, data=tmp_path / "2024:05"), inside=True)
    assert pixel(look(0, "a/1.png")) == RED
    look = previewer(run_of(tmp_path, data="my.py:build", root=tmp_path / "2024:05"))
    assert pixel(look(0, "a/1.png")) == RED
    (tmp_path / "2024:05" / "a").rename(tmp_path / "2024:05" / "weight_of_cats")
    look = previewer(run_of(tmp_path, data=tmp_path / "2024:05"))
    assert pixel(look(0, "weight_of_cats/1.png")) == RED


def test_images_beside_gradients(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stored" / "weight_00001"
    folder.mkdir(parents=True)
    (photos / "a" / "1.png").rename(folder / "img_00007.png")
    look = previewer(run_of(tmp_path, gradients=tmp_path / "stored"), inside=True)
    assert pixel(look(7, "7")) == RED
    assert "holds no weight_STEP/img_00008.jpg" in missing(look(8, "8"))
    assert "images as root" in missing(look(8, "8"))


class Pairs:
    """A dataset whose items are a value and a label."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.values[index], 3


class Shows(Pairs):
    """One that knows what its examples look like; its items are what the model takes."""

    def preview(self, index: int) -> str:
        return f"row {index}"

    def __getitem__(self, index: int) -> tuple[Any, int]:
        pytest.fail("the item was read")


def test_items_of_a_dataset(tmp_path: Path) -> None:
    image = torch.zeros(3, 8, 8)
    image[0] = 1
    data = Pairs(Image.new("RGB", (9, 9), BLUE), image, "a film", torch.tensor([0.5, -2.0]))
    run = run_of(tmp_path, data="elsewhere.py:build")
    look = previewer(run, data=data)
    assert (pixel(look(0, "a")), pixel(look(1, "b"))) == (BLUE, RED)
    assert (look(2, "c").text, look(3, "d").values) == ("a film", {"0": 0.5, "1": -2})
    assert previewer(run, data=["no pair"])(0, "a").text == "no pair"
    assert previewer(run, data=[["in a list", 3]])(0, "a").text == "in a list"
    assert previewer(run, data=Shows())(5, "a").text == "row 5"
    said = missing(look(4, "the fifth"))
    assert said.startswith("the example 'the fifth' cannot be read: IndexError: ")
    assert "test_previews.py, line" in said


def test_a_dataset_that_a_function_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "made_for_previews.py").write_text(
        "def texts():\n    return ['first', 'second']\n"
        "def fails():\n    raise KeyError('no such split')\n"
    )
    run, file = run_of(tmp_path), tmp_path / "made_for_previews.py"
    assert previewer(run, data=f"{file}:texts")(1, "1").text == "second"
    with pytest.raises(FunctionError, match=r"data .* failed: KeyError: 'no such split'"):
        previewer(run, data=f"{file}:fails")
    with pytest.raises(FunctionError, match=r"has no 'text'. Did you mean 'texts'"):
        previewer(run, data=f"{file}:text")


def test_nothing_that_the_run_names_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run folder may come from anyone; what is passed as `data` comes from the user."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "leaves_a_trace.py"
    file.write_text(
        "from pathlib import Path\nPath(__file__).with_suffix('.trace').touch()\n"
        "def build(*_):\n    return ['shown']\n"
    )
    trace = file.with_suffix(".trace")
    for named in (f"{file}:build", "leaves_a_trace.py:build", "leaves_a_trace:build"):
        run = run_of(tmp_path, f"{named} 1", data=named)
        assert f"Give the function as data={named!r}" in missing(previewer(run)(0, "0"))
        run = run_of(tmp_path, f"{named} 1", data=named, root=named, gradients=named)
        missing(previewer(run, inside=True)(0, "0"))
        missing(previewer(run, root=tmp_path)(0, "leaves_a_trace.py"))
    assert not trace.exists()
    assert "leaves_a_trace" not in sys.modules
    assert previewer(run_of(tmp_path), data=f"{file}:build")(0, "0").text == "shown"
    assert trace.exists(), "else this test could not fail"


@pytest.mark.parametrize("error", [SyntaxError, RuntimeError, Image.DecompressionBombError])
def test_decoders_have_their_own_errors(
    photos: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fails(*_: object) -> None:
        raise error("broken header")

    monkeypatch.setattr(Image.Image, "convert", fails)
    found = missing(previewer(run_of(photos, data=photos))(0, "a/1.png"))
    assert found.startswith(f"the image {photos / 'a' / '1.png'} cannot be read: broken header.")
    assert (
        missing(preview_of(Image.new("RGB", (1, 1))))
        == "the picture cannot be read: broken header."
    )


class Runs:
    """What a pickle calls when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_no_pickled_object_is_loaded(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    np.savez(tmp_path / "a.npz", inputs=np.array([Runs(trace)], object))
    said = missing(previewer(run_of(tmp_path, data=tmp_path / "a.npz"))(0, "0"))
    assert "a.npz with the images of the run cannot be read: inputs holds pickled objects" in said
    assert not trace.exists()
    with np.load(tmp_path / "a.npz", allow_pickle=True) as file:
        assert len(file["inputs"]) == 1
    assert trace.exists(), "else this test could not fail"


def test_why_nothing_can_be_shown(photos: Path, tmp_path: Path) -> None:
    """Each message names the option that helps."""
    (photos / "text.png").write_text("no image")
    whole = (photos / "a" / "1.png").read_bytes()
    (photos / "half.png").write_bytes(whole[: len(whole) // 2])
    np.savez(tmp_path / "short.npz", inputs=np.zeros((2, 3)))
    np.savez(tmp_path / "other.npz", predictions=np.zeros(3))
    np.savez(tmp_path / "objects.npz", inputs=np.array([None, {}], object))
    np.save(tmp_path / "array.npy", np.zeros((2, 3)))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "half.npz").write_bytes((tmp_path / "short.npz").read_bytes()[:200])
    np.savez(tmp_path / "scalar.npz", inputs=3.0)
    np.savez_compressed(tmp_path / "packed.npz", inputs=np.zeros((2, 3)))
    packed = (tmp_path / "packed.npz").read_bytes()
    begin, listed = 30 + len("inputs.npy") + int(packed[28]), packed.index(b"PK\1\2")
    (tmp_path / "packed.npz").write_bytes(packed[:begin] + b"\xff" + packed[begin + 1 :])
    odd = packed[: listed + 10] + b"\x63" + packed[listed + 11 :]  # a method that nobody knows
    (tmp_path / "method.npz").write_bytes(odd)
    said = {
        name: missing(previewer(run_of(tmp_path, data=tmp_path / f"{name}.npz"))(2, "the third"))
        for name in ("short", "other", "objects", "array", "empty", "half", "nowhere")
    }
    for name in ("scalar", "packed", "method"):
        said[name] = missing(previewer(run_of(tmp_path, data=tmp_path / f"{name}.npz"))(1, "1"))
    assert "short.npz has 2 rows, and 'the third' was row 2 of what was scored" in said["short"]
    assert all(f"{name}.npz " in text and "file as root" in text for name, text in said.items())
    look = previewer(run_of(tmp_path, data=photos))
    for name in ("nowhere.png", "text.png", "half.png", "a", "", "a\0b", "a" * 5000):
        found = missing(look(0, name))
        assert f"the image {photos / name} cannot be read" in found
        assert "relative to as root" in found
    in_python = missing(previewer(run_of(tmp_path))(0, "0"))
    assert "came from an object in Python" in in_python
    assert "as root" in in_python
    gone = missing(previewer(run_of(tmp_path, root="gone:away/photos"))(0, "a.png"))
    assert "gone:away/photos with the images of the run cannot be read" in gone
    assert "Give the folder that the ids are relative to as root" in gone
    function = missing(previewer(run_of(tmp_path, data="my.py:build"))(0, "0"))
    assert "Give the function as data='my.py:build', or a folder of images as root" in function


def test_links_and_paths_out_of_the_folder_are_refused(photos: Path, tmp_path: Path) -> None:
    """With `inside`; without it they are the user's own files."""
    outside = tmp_path / "outside.png"
    (photos / "out.png").symlink_to(outside)
    (photos / "b").symlink_to(tmp_path)
    (photos / "photos-of-others").mkdir()
    (tmp_path / "photos-2").mkdir()
    Image.new("RGB", (40, 20), BLUE).save(tmp_path / "photos-2" / "1.png")
    run = run_of(tmp_path, data=photos)
    refused = ["out.png", "b/outside.png", "../outside.png", "a/../../outside.png", str(outside)]
    refused.append("../photos-2/1.png")
    for name in refused:
        said = missing(previewer(run, inside=True)(0, name))
        assert said == f"{name!r} leads out of {photos}, so it is not shown."
        assert pixel(previewer(run)(0, name)) == BLUE
    (photos / "circle.png").symlink_to(photos / "circle.png")
    for name in ("circle.png", "a\0b.png", "/etc/passwd", "\ud800.png", "..", "b"):
        missing(previewer(run, inside=True)(0, name))


def test_links_inside_the_folder_are_fine(photos: Path, tmp_path: Path) -> None:
    (photos / "link.png").symlink_to(photos / "a" / "1.png")
    (photos / "b").symlink_to("a")
    (tmp_path / "alias").symlink_to(photos)
    for place in (photos, tmp_path / "alias", tmp_path / "alias" / ".." / "photos"):
        look = previewer(run_of(tmp_path, data=place), inside=True)
        names = ("link.png", "b/1.png", "a/../a/1.png", str(place / "a" / "1.png"))
        assert {pixel(look(0, name)) for name in names} == {RED}


def test_links_beside_gradients_are_refused_too(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stored" / "weight_00001"
    folder.mkdir(parents=True)
    (folder / "img_00000.png").symlink_to(tmp_path / "outside.png")
    run = run_of(tmp_path, gradients=tmp_path / "stored")
    said = missing(previewer(run, inside=True)(0, "0"))
    assert said.startswith("'weight_00001/img_00000.png' leads out of ")
    assert pixel(previewer(run)(0, "0")) == BLUE
    (folder.parent / "weight_00002").symlink_to(photos)
    Image.new("RGB", (9, 9), RED).save(photos / "img_00000.png")
    assert "leads out of" in missing(previewer(run, inside=True)(0, "0"))


def test_a_long_vector_shows_its_largest_values() -> None:
    """Of 1,000 the 400 largest by absolute value, in the order of the data."""
    values = np.arange(1000.0) * (-1) ** np.arange(1000)
    found = preview_of(values[::-1]).values
    assert found is not None
    assert list(found) == [str(i) for i in range(400)]
    assert found["0"] == -999
    values[[3, 4, 5]] = [np.inf, -np.inf, np.nan]
    found = preview_of(values).values
    assert found is not None
    assert list(found) == ["3", "4", *(str(i) for i in range(602, 1000))]
    assert len(preview_of(np.zeros(400)).values or ()) == 400
    cube = np.zeros((10, 10, 10))
    cube[9, 0, 2] = -1
    found = preview_of(cube).values
    assert found is not None
    assert (len(found), list(found)[-1], found["9, 0, 2"]) == (400, "9, 0, 2", -1)


def test_a_long_text_is_cut() -> None:
    assert preview_of("x" * 2000).text == "x" * 2000
    assert preview_of("x" * 2001).text == "x" * 2000 + "\u2026"


class Awkward:
    """Nothing that numpy takes."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("on another device")

    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (np.str_("a"), Preview(text="a")),
        (5, Preview(text="5")),
        (None, Preview(text="None")),
        (b"a", Preview(text="b'a'")),
        ([[1], [1, 2]], Preview(text="[[1], [1, 2]]")),
        (np.array(["2020-01-01"], "datetime64[D]"), Preview(text="['2020-01-01']")),
        (Awkward(), Preview(text="something else")),
        ([1, True], Preview(values={"0": 1.0, "1": 1.0})),
        (np.array([True, False]), Preview(values={"0": 1.0, "1": 0.0})),
        ({"a": None}, Preview(text="{'a': None}")),
        (torch.ones(1, dtype=torch.bfloat16), Preview(text="tensor([1.], dtype=torch.bfloat16)")),
        (
            {"a": 1, "b": np.float32(2), 3: torch.tensor(3.0)},
            Preview(values={"a": 1.0, "b": 2.0, "3": 3.0}),
        ),
        ({"image": "a.png", "label": 3}, Preview(text="{'image': 'a.png', 'label': 3}")),
        ({"x": torch.ones(2)}, Preview(text="{'x': tensor([1., 1.])}")),
        (np.zeros((0, 5)), Preview(missing="an example of shape (0, 5) has no values.")),
    ],
)
def test_whatever_an_example_is(found: object, expected: Preview) -> None:
    assert preview_of(found) == expected


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "I;16", "F", "CMYK", "1"])
def test_pictures_are_in_rgb(mode: str) -> None:
    image = preview_of(Image.new(mode, (3, 2))).image
    assert image is not None
    assert (image.mode, image.size) == ("RGB", (3, 2))


def test_a_picture_that_was_not_read_yet(photos: Path) -> None:
    """As a dataset hands it out, which opens files without decoding them."""
    path = photos / "half.png"
    Image.effect_noise((64, 64), 9).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with Image.open(path) as image:
        said = missing(preview_of(image))
    assert said == "the picture cannot be read: image file is truncated."


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[np.nan, 0.5, 1.0]], [0, 128, 255]),
        ([[np.nan, np.nan]], [0, 0]),
        ([[-np.inf, 0.5, np.inf]], [0, 128, 255]),
        ([[-np.inf, 0.0, 2.0, np.inf, np.nan]], [0, 0, 255, 255, 0]),
        ([[-1.0, 0.0, 3.0]], [0, 64, 255]),
        ([[-1.0, -0.5, 0.0]], [0, 128, 255]),
        ([[7.0, 7.0]], [0, 0]),
    ],
)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_as_pictures(values: list[list[float]], expected: list[int], kind: type) -> None:
    """Those outside of [0, 1] are stretched; what is not finite stretches nothing."""
    image = example_reader.to_image(np.array(values, kind))
    assert np.asarray(image).tolist() == [expected]


def test_whole_numbers_as_pictures() -> None:
    image = example_reader.to_image(np.array([[-5, 7, 300]]))
    assert np.asarray(image).tolist() == [[0, 7, 255]]


def test_the_largest_halves_and_no_pixels() -> None:
    image = example_reader.to_image(np.array([[-65504, 0, 65504]], np.float16))
    assert np.asarray(image).tolist() == [[0, 128, 255]]
    with pytest.raises(ResultError, match=r"shape \(0, 5\) is no image"):
        example_reader.to_image(np.zeros((0, 5)))


def decoded(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image


@pytest.mark.parametrize(
    ("size", "asked", "shown", "kind"),
    [
        ((32, 32), 240, (32, 32), "PNG"),
        ((64, 10), 64, (64, 10), "PNG"),
        ((65, 10), 240, (65, 10), "WEBP"),  # not enlarged
        ((600, 300), 240, (240, 120), "WEBP"),
        ((300, 600), 240, (120, 240), "WEBP"),
        ((2000, 2), 100, (100, 1), "WEBP"),
        ((50, 50), 20, (20, 20), "WEBP"),
    ],
)
def test_encoded_images(
    size: tuple[int, int], asked: int, shown: tuple[int, int], kind: str
) -> None:
    """Small ones without loss, others at most as large as asked, in their proportions."""
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    content, media = encode_thumbnail(image, asked)
    found = decoded(content)
    assert (found.size, found.format, media) == (shown, kind, f"image/{kind.lower()}")
    assert image.size == size, "the image itself is left as it is"
    if kind == "PNG":
        np.testing.assert_array_equal(np.asarray(found), noise)
