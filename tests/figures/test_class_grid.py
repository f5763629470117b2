"""`vog grid`: which images it shows on which side, where it finds them, and what stands below."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vog
import world
from command_line import Cli
from photographs import LISTED_PHOTOS, small
from vog.errors import ResultError
from vog.figures import class_grid, example_reader
from vog.figures.image_grid import GridImage
from vog.result import Run
from vog.result.class_names import read_class_names


@pytest.fixture
def run(checkpoints: Path, photos: Path, tmp_path: Path) -> Run:
    out = tmp_path / "run"
    data = str(photos)
    return vog.score(world.build, checkpoints, data, out, transform=small, quiet=True)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[GridImage]]:
    """What the grid is made of, noted while it is drawn."""
    noted: dict[str, list[GridImage]] = {}
    draw = class_grid.image_grid.easiest_and_hardest

    def note(
        easiest: list[GridImage], hardest: list[GridImage], *rest: object, **more: object
    ) -> object:
        noted.update(easiest=easiest, hardest=hardest)
        return draw(easiest, hardest, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("vog.figures.image_grid.easiest_and_hardest", note)
    return noted


def rows_of(tiles: list[GridImage]) -> list[int]:
    """Which images these are, by the grey in their middle."""
    return [np.asarray(t.image)[10, t.image.width // 2, 0] // 10 for t in tiles]


@pytest.mark.slow
def test_the_lowest_are_left_and_the_highest_right(
    run: Run, shown: dict[str, list[GridImage]]
) -> None:
    values = run.table(["vog@late"])["vog@late"].to_numpy()
    order = np.argsort(values)
    assert len(np.unique(values)) == LISTED_PHOTOS
    class_grid.class_grid(run, "vog@late", columns=2)
    assert rows_of(shown["easiest"]) == order[:4].tolist()
    assert rows_of(shown["hardest"]) == order[::-1][:4].tolist()


@pytest.mark.slow
def test_of_a_class_no_image_is_on_both_sides(run: Run, shown: dict[str, list[GridImage]]) -> None:
    class_grid.class_grid(run, "vog@late:class", label=1)
    left, right = rows_of(shown["easiest"]), rows_of(shown["hardest"])
    assert sorted(left + right) == [row for row in range(LISTED_PHOTOS) if row % 3 == 1]
    assert len(left) == len(right) == 4


@pytest.mark.slow
def test_where_low_is_hard_the_hard_end_is_still_right(
    run: Run, shown: dict[str, list[GridImage]]
) -> None:
    values = run.table(["aum@all"])["aum@all"].to_numpy()
    class_grid.class_grid(run, "aum@all", columns=2)
    assert rows_of(shown["hardest"]) == np.argsort(values)[:4].tolist()


@pytest.mark.slow
def test_predictions_stand_below_and_wrong_ones_are_marked(
    run: Run, shown: dict[str, list[GridImage]]
) -> None:
    named = run.with_label_names(["cat, house cat", "dog", "owl", "fox"])
    class_grid.class_grid(named, "vog@early", label="house cat")
    predicted = named.table(["prediction@early", "prediction@all"]).to_pylist()
    assert any(row["prediction@early"] != row["prediction@all"] for row in predicted[::3])
    tiles = shown["easiest"] + shown["hardest"]
    for row, tile in zip(rows_of(tiles), tiles, strict=True):
        expected = ["cat", "dog", "owl", "fox"][predicted[row]["prediction@early"]]
        assert tile.caption == expected
        assert tile.wrong == (predicted[row]["prediction@early"] != 0)
    assert any(tile.wrong for tile in tiles)


def test_what_the_model_saw_is_what_is_shown(photos: Path, tmp_path: Path) -> None:
    """With the imagenet transform, the central 224 of 256 of the shorter side."""
    question = {"data": {"transform": "vog.data.images.imagenet 1"}, "where": {"data": str(photos)}}
    opened = example_reader.image_reader(Run(tmp_path, question))(0, "photos/0.png")
    assert opened.size == (18, 18)
    other = Run(tmp_path, question | {"data": {"transform": "mine.py:crop 1"}})
    assert example_reader.image_reader(other)(0, "photos/0.png").size == (20, 20)


def test_images_of_an_npz(
    checkpoints: Path, tmp_path: Path, shown: dict[str, list[GridImage]]
) -> None:
    data = world.save_npz(tmp_path / "data.npz", 8)
    run = vog.score(world.build, checkpoints, str(data), tmp_path / "run", quiet=True)
    class_grid.class_grid(run, "vog@all", columns=2)
    order = np.argsort(run.table(["vog@all"])["vog@all"].to_numpy())
    inputs = np.load(data)["inputs"]
    for row, tile in zip(order[:4], shown["easiest"], strict=True):
        expected = inputs[row].transpose(1, 2, 0)
        scaled = (expected - expected.min()) / np.ptp(expected) * 255
        np.testing.assert_allclose(np.asarray(tile.image), scaled, atol=1)


@pytest.mark.parametrize(
    ("values", "size", "pixel"),
    [
        (np.full((4, 5), 7, np.uint8), (5, 4), 7),
        (np.full((1, 4, 5), 0.5, np.float32), (5, 4), 128),
        (np.full((3, 4, 5), 1.0), (5, 4), (255, 255, 255)),
        (np.full((4, 5, 3), 9, np.uint8), (5, 4), (9, 9, 9)),
        (np.array([[-1.0, 3.0]]), (2, 1), 0),
    ],
)
def test_rows_as_pictures(values: np.ndarray, size: tuple[int, int], pixel: object) -> None:
    image = example_reader.to_image(values)
    assert (image.size, image.getpixel((0, 0))) == (size, pixel)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ResultError, match=r"shape \(7,\) is no image"):
        example_reader.to_image(np.zeros(7))
    with pytest.raises(ResultError, match=r"shape \(4, 5, 2\) is no image"):
        example_reader.to_image(np.zeros((4, 5, 2)))


@pytest.mark.slow
def test_images_that_cannot_be_found(
    checkpoints: Path, run: Run, photos: Path, tmp_path: Path
) -> None:
    in_memory = vog.score(
        world.build, checkpoints, world.inputs_and_labels(8), tmp_path / "other", quiet=True
    )
    with pytest.raises(ResultError, match="does not say where its images are.*as root"):
        class_grid.class_grid(in_memory)
    (tmp_path / "photos").rename(tmp_path / "moved")
    with pytest.raises(ResultError, match=r"photos/\d+.png cannot be read.*as root"):
        class_grid.class_grid(run)
    (tmp_path / "there").mkdir()
    (tmp_path / "moved").rename(tmp_path / "there" / "photos")
    assert class_grid.class_grid(run, root=tmp_path / "there").width > 1000


def test_arrays_that_have_moved(checkpoints: Path, tmp_path: Path) -> None:
    data = world.save_npz(tmp_path / "data.npz", 8)
    run = vog.score(world.build, checkpoints, str(data), tmp_path / "run", quiet=True)
    data.rename(tmp_path / "moved.npz")
    with pytest.raises(ResultError, match=r"data.npz.*cannot be read.*file as root"):
        class_grid.class_grid(run)
    assert class_grid.class_grid(run, root=tmp_path / "moved.npz").width > 1000
    data.write_bytes(b"no archive")
    with pytest.raises(ResultError, match=r"data.npz.*cannot be read"):
        class_grid.class_grid(run)


def test_images_beside_gradients(tmp_path: Path) -> None:
    """In the last folder that has one, whatever its ending; found again where they moved."""
    for step, row, colour in ((1, 0, "red"), (2, 0, "blue"), (1, 1, "lime")):
        folder = tmp_path / "stored" / f"weight_{step:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), colour).save(folder / f"img_{row:05d}.png")
    question = {"data": {}, "where": {"gradients": str(tmp_path / "stored")}}
    opened = example_reader.image_reader(Run(tmp_path, question))
    assert opened(0, "0").getpixel((5, 5)) == (0, 0, 255)
    assert opened(1, "1").getpixel((5, 5)) == (0, 255, 0)
    assert opened(0, "0").size == (32, 32), "what a model saw of them is not known"
    with pytest.raises(ResultError, match=r"no weight_STEP/img_00002.jpg"):
        opened(2, "2")
    (tmp_path / "stored").rename(tmp_path / "moved")
    assert example_reader.image_reader(Run(tmp_path, question), tmp_path / "moved")(
        1, "1"
    ).size == (
        32,
        32,
    )


@pytest.mark.slow
def test_a_class_of_one(run: Run) -> None:
    with pytest.raises(ResultError, match="there is no class 'fox'"):
        class_grid.class_grid(run, label="fox")
    alone = vog.open(run.folder).with_label_names(["a", "b", "c", "d"])
    with pytest.raises(ResultError, match="d: 0 scored examples"):
        class_grid.class_grid(alone, label="d")


def test_names_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("""{0: "tench, Tinca tinca",\n 2: 'crane', \n3: "crane, bird"}\n\n5: plain\n""")
    names = read_class_names(path)
    assert names == ["tench, Tinca tinca", "1", "crane", "crane, bird", "4", "plain"]
    run = Run(tmp_path, {"data": {}}).with_label_names(names)
    assert run.label_number("Tinca tinca") == 0
    assert run.label_number("crane") == 2, "the whole name goes before a synonym"
    assert run.label_number("bird") == 3
    twice = run.with_label_names(["crane, bird", "crane, machine"])
    with pytest.raises(ResultError, match="classes 0, 1 are all called 'crane'"):
        twice.label_number("crane")


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty"), ("magpie\n", "line 1: 'magpie' is of another"), ("1: a\n1: b", "again")],
)
def test_names_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(ResultError, match=said):
        read_class_names(tmp_path / "names.txt")
    with pytest.raises(ResultError, match="cannot be read"):
        read_class_names(tmp_path / "nowhere.txt")


@pytest.mark.slow
def test_the_command(run: Run, cli: Cli, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text(
        '0: "cat"\n1: "a dog of a breed with a very long name indeed"\n2: "owl"\n3: "x"\n'
    )
    words = (
        "grid",
        str(run.folder),
        "--label",
        "cat",
        "--by",
        "vog@late:class",
        "--classes",
        str(names),
    )
    code, out, _ = cli(*words, "--out", "cat.png")
    assert (code, out.startswith("cat.png: ")) == (0, True)
    with Image.open("cat.png") as image:
        assert image.width > 1500
    code, _, err = cli(*words, "--out", "cat.xyz")
    assert code == 1
    assert "cat.xyz: a picture is saved as .png" in err
    assert not Path("cat.xyz").exists()
    code, out, _ = cli("analyze", str(run.folder), "--classes", str(names))
    assert (code, "owl" in out) == (0, True)
