"""Archives of images: of folders of classes, and shards of webdataset."""

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

import vog
from vog.data import open_source
from vog.data.batch_reading import read_batch
from vog.data.images import unchanged
from vog.errors import DataError
from vog.figures.example_reader import reader


def png(red: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (red, 0, 0)).save(stream, "png")
    return stream.getvalue()


FOLDERS = {
    "photos/dog/b.png": png(50),
    "photos/cat/a.png": png(100),
    "photos/cat/2.png": png(150),
    "photos/eel/c.png": png(200),
    "photos/.hidden/x.png": png(1),
    "__MACOSX/photos/cat/._a.png": b"",
}


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))


def save(folder: Path) -> str:
    folder.mkdir()
    for step in range(3):
        torch.manual_seed(step)
        torch.save(small().state_dict(), folder / f"step-{step}.pt")
    return str(folder / "*.pt")


def red_and_label(examples: vog.data.Examples, row: int) -> tuple[int, int]:
    value, label = examples.read(row)
    return round(float(value[0, 0, 0]) * 255), label


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_folders_are_classes(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / ("a.zip" if write is write_zip else "a.tar"), FOLDERS)
    examples = pickle.loads(pickle.dumps(open_source(path, transform=unchanged)))
    assert list(examples.ids) == ["cat/2.png", "cat/a.png", "dog/b.png", "eel/c.png"]
    assert examples.label_names == ("cat", "dog", "eel")
    rows = [red_and_label(examples, row) for row in range(3)]
    assert rows == [(150, 0), (100, 0), (50, 1)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_scores_and_pictures_are_those_of_the_folder(
    tmp_path: Path, write: Callable[..., Path], workers: int
) -> None:
    path = write(tmp_path / ("a.zip" if write is write_zip else "a.tar"), FOLDERS)
    for name, content in FOLDERS.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    checkpoints = save(tmp_path / "run")
    runs = [
        vog.score(
            small,
            checkpoints,
            data,
            tmp_path / f"s-{data.name}",
            transform=unchanged,
            workers=workers,
            quiet=True,
        )
        for data in (path, tmp_path / "photos")
    ]
    assert runs[0].table() == runs[1].table()
    assert reader(runs[0])(1, "cat/a.png").getpixel((0, 0)) == (100, 0, 0)
    path.rename(tmp_path / f"moved{path.suffix}")
    moved = tmp_path / f"moved{path.suffix}"
    assert reader(runs[0], moved)(1, "cat/a.png").getpixel((0, 0)) == (100, 0, 0)


def shards(folder: Path) -> str:
    """Numbers of classes in `.cls`, and samples that do not start again in each shard."""
    for shard in range(2):
        files = {}
        for row in range(3):
            key = f"{3 * shard + row:04d}"
            files |= {f"{key}.png": png(10 * (3 * shard + row)), f"{key}.cls": b"%d" % row}
        write_tar(folder / f"shard-{shard:03d}.tar", files)
    return str(folder / "shard-*.tar")


def test_shards_of_webdataset(tmp_path: Path) -> None:
    pattern = shards(tmp_path)
    examples = open_source(pattern, transform=unchanged)
    assert list(examples.ids) == [f"{row:04d}" for row in range(6)]
    assert [red_and_label(examples, row) for row in (0, 4)] == [(0, 0), (40, 1)]
    assert examples.label_names is None
    by_range = open_source(str(tmp_path / "shard-{000..001}.tar"), transform=unchanged)
    assert by_range.digest == examples.digest
    with pytest.raises(DataError, match=r"shard-002.tar is not there"):
        open_source(str(tmp_path / "shard-{000..002}.tar"))
    with pytest.raises(DataError, match=r"matches no file"):
        open_source(str(tmp_path / "shart-*.tar"))


def test_shards_are_scored_and_shown(tmp_path: Path) -> None:
    how: dict[str, Any] = {"transform": unchanged, "quiet": True}
    pattern = shards(tmp_path)
    run = vog.score(small, save(tmp_path / "run"), pattern, tmp_path / "s", **how)
    assert run.rows == 6
    assert reader(run)(5, "0005").getpixel((0, 0)) == (50, 0, 0)


def test_names_of_classes_in_samples(tmp_path: Path) -> None:
    """Keys that start again in each shard are told apart by its name."""
    for shard, label in enumerate(("b", "a")):
        files = {
            "0.jpg": png(100),
            "0.json": json.dumps({"label": label}).encode(),
            "1.png": png(200),
        }
        write_tar(tmp_path / f"{shard}.tar", files)
    examples = open_source(str(tmp_path / "*.tar"), transform=unchanged)
    assert list(examples.ids) == ["0.tar/0", "0.tar/1", "1.tar/0", "1.tar/1"]
    assert examples.label_names == ("a", "b")
    assert examples.labels is not None
    assert examples.labels.tolist() == [1, -1, 0, -1]


def test_damaged_images_are_marked(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/1.png": b"no image", "b/2.png": png(10)})
    batch = read_batch(open_source(path, transform=unchanged), range(2))
    assert list(batch.problems) == [0]
    assert "cannot identify image" in batch.problems[0]


def test_a_shortened_archive_is_marked(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a/1.png": png(10), "b/2.png": png(20)})
    examples = open_source(path, transform=unchanged)
    path.write_bytes(path.read_bytes()[:1560])
    assert read_batch(examples, range(2)).problems == {1: "a.tar ends within b/2.png"}


@pytest.mark.parametrize(
    ("name", "mode", "files", "sentence"),
    [
        ("a.tar.gz", "w:gz", FOLDERS, "is a compressed tar archive.* Unpack it once"),
        ("a.tgz", "w:gz", FOLDERS, "is a compressed tar archive.* Unpack it once"),
        ("a.tar", "w", {"a.md": b"text"}, "there is no image. Expected a folder for each class"),
        ("a.zip", "w", {"a.png": png(1)}, "cannot be read as an archive"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, name: str, mode: str, files: Mapping[str, bytes], sentence: str
) -> None:
    write_tar(tmp_path / name, files, mode)
    with pytest.raises(DataError, match=sentence):
        open_source(tmp_path / name)


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a/1.png": png(1), "./a/1.png": png(2)})
    with pytest.raises(DataError, match=r"several files named a/1.png"):
        open_source(path)
