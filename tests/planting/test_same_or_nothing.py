"""Planting is whole or not at all, the same again, and through the command line."""

import json
import shutil
import sys
import textwrap
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vog
import world
from command_line import Cli
from planting_data import ALL, contents, listed, save_arrays, state
from vog.errors import DataError, ResultError, VogError
from vog.planting import plant, reopen
from vog.result.planting_record import (
    CORRUPT,
    DUPLICATE,
    FLIP,
    OUTSIDE,
    load_planting_record,
)


@pytest.fixture
def sources(photos: Path, module: Path, tmp_path: Path) -> Mapping[str, Any]:
    return {
        "folder": photos,
        "list": listed(photos, photos / "list.txt"),
        "npz": save_arrays(tmp_path / "m.npz"),
        "dataset": f"{module}:array",
    }


KINDS_OF_DATA = pytest.mark.parametrize("kind", ["folder", "list", "npz", "dataset"])


@KINDS_OF_DATA
def test_the_same_seed_plants_the_same_bytes_and_another_seed_others(
    sources: Mapping[str, Any], tmp_path: Path, kind: str
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        plant(sources[kind], tmp_path / name, **ALL, seed=seed, quiet=True)
    first, second, third = (contents(tmp_path / name) for name in "abc")
    assert first == second
    assert first["planted.csv"] != third["planted.csv"]
    assert json.loads(first["planted.json"])["seed"] == 3


@KINDS_OF_DATA
def test_what_is_there_already_is_returned_and_anything_else_refused(
    sources: Mapping[str, Any], tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out"
    planted = plant(sources[kind], out, flip=0.1, quiet=True)
    before = state(out)
    assert plant(sources[kind], out, flip=0.1, quiet=True) == planted
    with pytest.raises(ResultError, match="planted with different flip. Use a new out"):
        plant(sources[kind], out, flip=0.2, quiet=True)
    with pytest.raises(ResultError, match="planted with different seed, duplicate. Use"):
        plant(sources[kind], out, flip=0.1, duplicate=0.1, seed=1, quiet=True)
    assert state(out) == before


def test_data_are_found_again_from_another_folder(
    sources: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("m.npz", "own_dataset.py:array"):
        planted = plant(given, Path("out") / given[:1], flip=0.1, quiet=True)
        assert planted.question["data"]["spec"] == str(tmp_path / given)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(reopen(tmp_path / "out" / "o")) == 40


def test_a_folder_with_other_things_is_refused_and_an_empty_one_taken(tmp_path: Path) -> None:
    path = save_arrays(tmp_path / "m.npz")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(ResultError, match="full holds other files"):
        plant(path, tmp_path / "full", flip=0.1, quiet=True)
    with pytest.raises(ResultError, match=r"m.npz is a file. Give a new folder"):
        plant(path, path, flip=0.1, quiet=True)
    (tmp_path / "empty").mkdir()
    plant(path, tmp_path / "empty", flip=0.1, quiet=True)
    assert (tmp_path / "empty" / "data.npz").exists()
    plant(path, tmp_path / "some" / "deep" / "folder", flip=0.1, quiet=True)


@KINDS_OF_DATA
def test_what_is_interrupted_leaves_nothing_and_what_was_killed_is_cleared(
    sources: Mapping[str, Any], tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, unfinished = tmp_path / "out", tmp_path / ".out.unfinished"
    (unfinished / "data" / "ant").mkdir(parents=True)
    (unfinished / "data" / "ant" / "left.png").touch()
    with monkeypatch.context() as patch:
        save = world.interrupted(lambda folder, planted: None, at=1)
        patch.setattr("vog.planting.plant_faults.write_record", save)
        with pytest.raises(KeyboardInterrupt):
            plant(sources[kind], out, flip=0.1, quiet=True)
    assert not out.exists()
    assert not unfinished.exists()
    (unfinished / "data" / "ant").mkdir(parents=True)
    (unfinished / "data" / "ant" / "left.png").touch()
    plant(sources[kind], out, flip=0.1, quiet=True)
    assert not unfinished.exists()
    assert not list(out.rglob("left.png"))


@KINDS_OF_DATA
def test_a_small_disk_is_told_before_anything_is_written(
    sources: Mapping[str, Any], tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = namedtuple("Usage", "free")(10)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ResultError, match="out needs about 1 MB, and 0 MB are free"):
        plant(sources[kind], tmp_path / "out", **ALL, quiet=True)
    assert sorted(tmp_path.iterdir()) == before


def test_how_much_disk_is_needed(photos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Images: all that is copied, and once more what is altered; linked files take none."""
    asked: list[int] = []
    monkeypatch.setattr(
        "vog.planting.plant_faults._refuse_small_disk",
        lambda out, needed: asked.append(needed),
    )
    for link in (False, True):
        plant(photos, tmp_path / f"{link}", corrupt=0.1, link=link, quiet=True)
    whole = sum(
        path.stat().st_size for path in photos.rglob("*") if path.suffix in (".png", ".jpg")
    )
    assert asked[0] - asked[1] == whole
    assert 0 < asked[1] < whole / 5


def test_a_file_that_vanishes_is_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanishes(source: Path, target: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory", str(source))

    monkeypatch.setattr(shutil, "copy2", vanishes)
    with pytest.raises(ResultError, match="photos/ant/.* could not be copied or written: No such"):
        plant(photos, tmp_path / "out", flip=0.1, quiet=True)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out.unfinished").exists()


def test_a_planted_folder_inside_of_the_data_is_refused(photos: Path) -> None:
    with pytest.raises(DataError, match="is inside of data=.* would become a class of these data"):
        plant(photos, photos / "planted", flip=0.1, quiet=True)


@pytest.mark.slow
def test_planted_digits_are_scored(cli: Cli, tmp_path: Path) -> None:
    """The whole way: plant, score with a transform, and find the planted rows in the run."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 6, 6)).astype(np.uint8)
    np.savez(tmp_path / "bytes.npz", images=images, labels=np.arange(40) % world.CLASSES)
    words = ("--flip", "10%", "--duplicate", "0.05", "--corrupt", "7.5%", "--outside", "5%")
    code, out, err = cli("plant", "--data", "bytes.npz", *words, "--out", "planted")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()[:7]] == [
        ["kind", "how", "examples"],
        ["flip", "uniform", "4"],
        ["corrupt", "noise", "1"],
        ["corrupt", "blur", "1"],
        ["corrupt", "occlusion", "1"],
        ["duplicate", "shifted", "2"],
        ["outside", "patches", "1"],
    ]
    assert "planted/data.npz: 44 examples (was 40 before)" in out
    assert "vog verify RUN --planted planted" in out
    model = f"{Path(world.__file__)}:build"
    script = tmp_path / "scaled_digits.py"
    script.write_text(
        textwrap.dedent("""
        import numpy as np

        def scaled(row):
            return np.repeat(row[None] / np.float32(255), 3, axis=0)
        """)
    )
    words = ("--model", model, "--checkpoints", "c/*.pt", "--transform", f"{script}:scaled")
    code, out, _ = cli("score", "--data", "planted/data.npz", *words, "--out", "run")
    assert code == 0, out
    rows = load_planting_record(tmp_path / "planted").rows(vog.open(tmp_path / "run"))
    assert {kind: int(mask.sum()) for kind, mask in rows.items()} == {
        FLIP: 4,
        CORRUPT: 3,
        DUPLICATE: 2,
        OUTSIDE: 2,
    }


@pytest.mark.slow
def test_a_planted_dataset_is_scored(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "own_tensors.py").write_text(
        "import torch, world\n"
        "def data():\n"
        "    x, y = world.inputs_and_labels(40)\n"
        "    return torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))\n"
    )
    code, out, _ = cli("plant", "--data", "own_tensors.py:data", "--flip", "10%", "--out", "p")
    assert code == 0
    assert "vog score --data p/planted_data.py:data --model" in out
    words = ("--model", f"{Path(world.__file__)}:build", "--checkpoints", "c/*.pt", "--out", "run")
    try:
        assert cli("score", "--data", "p/planted_data.py:data", *words, "--quiet")[0] == 0
    finally:
        for name in ("own_tensors", "planted_data"):
            sys.modules.pop(name, None)
    assert load_planting_record(tmp_path / "p").rows(vog.open(tmp_path / "run"))[FLIP].sum() == 4


def test_what_the_command_says_next(cli: Cli, photos: Path, tmp_path: Path) -> None:
    listing = listed(photos, photos / "list.txt")
    words = ("--threshold", "--flip", "10%", "--out", "p")
    code, out, _ = cli("plant", "--data", str(listing), *words)
    assert code == 0
    assert "train on p/data.txt with a model of 9 classes, then" in out
    assert "vog score --data p/data.txt --root p/data --model" in out
    code, out, _ = cli("plant", "--data", str(listing), *words)
    assert "(was there already, finished)" in out
    code, out, err = cli("plant", "--data", str(listing), *words, "--format", "csv")
    assert out.splitlines() == ["kind,how,examples", "flip,uniform,4", "threshold,moved,4"]
    assert "vog verify RUN" in err
    words = ("--link", "--seed", "7", "--corrupt", "10%", "--corruptions", "blur", "--quiet")
    assert cli("plant", "--data", "photos", *words, "--out", "q") == (0, "", "")
    assert {one.method for one in load_planting_record(tmp_path / "q").plants} == {"blur"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "there is nothing to plant. Give one of --flip, --duplicate"),
        ("--flip 5", "--flip 5: expected a share of the examples, such as 5% or 0.05"),
        ("--flip 1", "--flip 1: expected a share"),
        ("--flip=-1%", "--flip -1%: expected a share"),
        ("--outside 101%", "--outside 101%: expected a share .* from 0 to 100%"),
        ("--corrupt nan%", "--corrupt nan%: expected a share"),
        ("--corrupt few", "--corrupt few: expected a share"),
        ("--flip 100%", "of 20 examples 20 would be changed and 0 left as they are"),
        ("--flip 5% --seed=-1", "--seed -1: expected a whole number from 0 on"),
        ("--corrupt 5% --corruptions fog", "--corruptions: there is no 'fog'. Known: noise, blur"),
        ("--corrupt 5% --corruptions blur,blur", "give one or more of noise, blur, occlusion"),
        ("--corrupt 5% --corruptions ,", "give one or more of noise, blur, occlusion"),
        ("--corrupt 5% --confusion c.csv", "--confusion needs a share of labels for --flip"),
        ("--flip 5% --confusion c.csv", "--confusion c.csv cannot be read: .*No such file"),
        ("--flip 5% --outside-from data.npz", "--outside-from needs a share for --outside too"),
        ("--flip 5% --data nothing", "--data 'nothing': there is no such folder or file"),
        ("--flip 5% --data wrong.npz", "wrong.npz holds x; expected `images` or `inputs`"),
        ("--flip 5% --link", "--link is for image files"),
    ],
)
def test_mistakes(cli: Cli, words: str, said: str) -> None:
    np.savez("wrong.npz", x=1)
    code, out, err = cli("plant", "--data", "data.npz", "--out", "p", *words.split())
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert "Traceback" not in err
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(err)
    assert not Path("p").exists()


@pytest.mark.parametrize(("name", "share"), [("flip", 1.5), ("outside", -0.1), ("corrupt", np.nan)])
def test_shares_given_in_python(tmp_path: Path, name: str, share: float) -> None:
    asked: dict[str, Any] = {name: share, "quiet": True}
    with pytest.raises(VogError, match=f"{name}=.*: expected a share of the examples from 0 to"):
        plant(save_arrays(tmp_path / "m.npz"), tmp_path / "out", **asked)
