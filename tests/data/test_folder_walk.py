"""Folders of images as they really are: links, names that are not UTF-8, and no permission."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vog
import world
from vog.data import open_source
from vog.errors import DataError
from vog.figures import example_reader
from vog.files.file_names import all_printable, path_below, printable
from vog.models.torch.adapter import TorchModel
from vog.planting import plant
from vog.sweep.make_question import make_question
from vog.sweep.request import Request
from vog.sweep.resolve import resolve


def picture(path: Path, grey: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), (grey, 90, 20)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        picture(tmp_path / "photos" / name)
    return tmp_path / "photos"


OWN = ["a/1.png", "a/2.png", "b/3.png"]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("a/all", ".."),
        ("a/further", "../.."),
        ("a/itself", "."),
        ("all", "."),
        ("up", ".."),
        ("b/twin", "../a"),
        ("b/deep/twin", "../../a"),
        ("c", "a"),
    ],
)
def test_a_link_to_what_has_rows_already_is_not_followed(
    link: str, target: str, folder: Path
) -> None:
    (folder / link).parent.mkdir(exist_ok=True)
    (folder / link).symlink_to(target)
    examples = open_source(folder)
    assert list(examples.ids) == OWN
    assert examples.label_names == ("a", "b")
    assert examples.notes == (f"not followed, as their images have rows already: links {link}",)


def test_hidden_folders_have_no_rows_at_any_level(folder: Path) -> None:
    for name in (".trash/1.png", "a/.ipynb_checkpoints/1.png", "b/deep/.cache/deeper/1.png"):
        picture(folder / name)
    assert list(open_source(folder).ids) == OWN
    as_before = open_source(folder, hidden=True)
    assert "a/.ipynb_checkpoints/1.png" in as_before.ids
    assert len(as_before) == len(OWN) + 2


def test_a_run_that_0_1_began_has_the_rows_it_had(folder: Path, checkpoints: Path) -> None:
    """Of hidden folders too."""
    picture(folder / "a" / ".thumbnails" / "1.png")
    out = folder.parent / "run"
    request = Request(world.build, checkpoints, folder, out)
    assert len(resolve(request).examples) == len(OWN)
    examples = open_source(folder, hidden=True)
    asked = make_question(request, TorchModel(world.build()), [], [], [], examples, [])
    out.mkdir()
    (out / "question.json").write_text(json.dumps(asked))
    assert len(resolve(request).examples) == len(OWN) + 1
    assert len(resolve(replace(request, overwrite=True)).examples) == len(OWN)


@pytest.mark.parametrize("place", ["run", "a/run"])
@pytest.mark.parametrize("question", ['{"data": {"examples": 3}}', '{"data": {'])
def test_a_run_in_the_folder_is_no_class_of_it(place: str, question: str, folder: Path) -> None:
    before = open_source(folder)
    (folder / place).mkdir()
    (folder / place / "question.json").write_text(question)
    picture(folder / place / "chart.png")
    after = open_source(folder)
    assert (after.label_names, after.digest) == (before.label_names, before.digest)
    assert after.notes == (f"left out, as they hold runs of vog: folders {place}",)


def test_a_question_of_something_else_is_no_run(folder: Path) -> None:
    (folder / "b" / "question.json").write_text('["what is this?"]')
    assert list(open_source(folder).ids) == OWN


def test_links_in_a_circle_end(folder: Path) -> None:
    (folder / "a" / "b").symlink_to("../b")
    (folder / "b" / "a").symlink_to("../a")
    (folder / "a" / "own").symlink_to("own")
    assert list(open_source(folder).ids) == OWN


def test_links_to_folders_elsewhere_are_followed_once(folder: Path, tmp_path: Path) -> None:
    """As data sets are often made, classes and parts of classes."""
    picture(tmp_path / "pool" / "x" / "4.png")
    (tmp_path / "pool" / "x" / "back").symlink_to("..")
    (tmp_path / "pool" / "x" / "home").symlink_to(folder)
    (folder / "c").symlink_to(tmp_path / "pool" / "x")
    (folder / "b" / "more").symlink_to(tmp_path / "pool" / "y")
    picture(tmp_path / "pool" / "y" / "5.png")
    (folder / "d").mkdir()
    (folder / "d" / "again").symlink_to(tmp_path / "pool" / "x")
    (folder / "b" / "6.png").symlink_to(folder / "a" / "1.png")
    examples = open_source(folder)
    assert len({os.path.realpath(folder / name) for name in examples.ids}) == 5
    assert set(OWN) < set(examples.ids)
    assert "b/more/5.png" in examples.ids
    assert "b/6.png" in examples.ids, "a file has the name that its link gives it"
    assert examples.label_names == ("a", "b", "c", "d")


def test_rows_stand_in_the_order_they_had(tmp_path: Path) -> None:
    """Sorted as paths, part by part, which text is not: `a b` comes before `a/`."""
    names = ["c/a/2.png", "c/a b/1.png", "c/a.png", "c/.hidden.png", "c/.in/3.png"]
    for name in names:
        picture(tmp_path / name)
    expected = sorted(Path(name) for name in names if name != "c/.hidden.png")
    found = open_source(tmp_path, hidden=True)
    assert list(found.ids) == [path.as_posix() for path in expected]


def test_a_folder_that_may_not_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"photos/b cannot be read: Permission denied"):
        open_source(folder)


def test_files_that_may_not_be_read_are_called_that(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "list.txt").write_text("a/1.png 0\n")
    np.savez(folder / "arrays.npz", inputs=np.zeros((2, 2)), labels=np.zeros(2, int))

    def refuse(*given: object, **more: object) -> object:
        raise PermissionError(13, "Permission denied", "it")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(DataError, match=r"list.txt cannot be read: Permission denied"):
        open_source(folder / "list.txt")
    with pytest.raises(DataError, match=r"arrays.npz cannot be read: you lack the permission"):
        open_source(folder / "arrays.npz")


def not_utf8(folder: Path, name: bytes, grey: int = 0) -> None:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    try:
        picture(path, grey)
    except OSError:
        pytest.skip("this disk takes no such names")


def test_names_that_are_not_utf8_are_stored_shown_and_found_again(
    checkpoints: Path, tmp_path: Path
) -> None:
    photos, transform = tmp_path / "photos", tmp_path / "six_by_six.py"
    transform.write_text(
        "import numpy as np\n"
        "def small(image):\n"
        "    return np.asarray(image.resize((6, 6)), np.float32).transpose(2, 0, 1) / 255\n"
    )
    for label in range(world.CLASSES - 1):
        picture(photos / f"class{label}" / "1.png")
    not_utf8(photos, b"d\xe9but/caf\xe9.png", 200)
    not_utf8(photos, b"d\xe9but/caf\\xe9.png", 100)
    out = tmp_path / "run"
    score = {"transform": f"{transform}:small", "scores": "loss", "quiet": True, "workers": 0}
    vog.score(world.build, checkpoints, photos, out, **score)
    run = vog.open(out)
    ids = run.table(["id"]).column(0).to_pylist()
    assert len(set(ids)) == 5
    assert not len(run.problems())
    greys = {
        name: np.asarray(example_reader.image_reader(run, photos)(row, name))[0, 0, 0]
        for row, name in enumerate(ids)
        if name.startswith("d\\xe9but")
    }
    assert sorted(greys.values()) == [100, 200]
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{name} 0\n" for name in ids))
    again = open_source(listing, photos)
    assert set(again.ids) == set(ids)
    assert again.read(0)[0] is not None


def test_such_names_are_planted_into(tmp_path: Path) -> None:
    for label in range(2):
        for number in range(4):
            not_utf8(tmp_path / "photos", b"c\xe9%d/%d\xff.png" % (label, number))
    planted = plant(tmp_path / "photos", tmp_path / "out", flip=0.25, duplicate=0.25, quiet=True)
    assert len(planted.plants) == 4
    examples = open_source(tmp_path / "out" / "data")
    assert {plant.id for plant in planted.plants} <= set(examples.ids)
    assert examples.label_names == ("c\\xe90", "c\\xe91")


def test_printable_names() -> None:
    raw = os.fsdecode(b"caf\xe9.png")
    assert printable("plain \\xe9 and é") == "plain \\xe9 and é"
    assert printable(raw) == "caf\\xe9.png"
    assert printable("\ud800") == "\\xed\\xa0\\x80"
    assert len(set(all_printable([raw, "caf\\xe9.png", "caf\\\\xe9.png"]))) == 3
    assert path_below(Path("/nowhere"), "caf\\xe9.png") == Path("/nowhere/caf\\xe9.png")


def test_what_cannot_be_copied_is_named_when_planting(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "a" / "9.png")
    with pytest.raises(DataError, match=r"a/9.png cannot be copied: it is no file"):
        plant(folder, tmp_path / "out", flip=0.5, quiet=True)
