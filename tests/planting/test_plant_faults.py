"""Planting into image files and arrays: what is written, and what the record says of it."""

import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import world
from planting_data import ALL, NAMES, contents, listed, of_kind, photo, save_arrays, state
from vog.data import open_source
from vog.errors import DataError, ResultError
from vog.files.whole_folder import whole_folder
from vog.planting import plant
from vog.planting.image_file_target import FilePlanter, _FileWriter
from vog.result.planting_record import (
    CORRUPT,
    DUPLICATE,
    FLIP,
    OUTSIDE,
    THRESHOLD,
    Plant,
    Planted,
    load_planting_record,
)


def check_record(planted: Planted, out: Path, before: Any, after: Any) -> None:
    """What holds of every kind of data: the record names what can be found in them."""
    assert load_planting_record(out) == planted
    labels_of = dict(zip(after.ids, after.labels.tolist(), strict=True))
    was_of = dict(zip(before.ids, before.labels.tolist(), strict=True))
    data = planted.question["data"]
    assert (data["was"], data["examples"]) == (len(before), len(after))
    assert all(labels_of[one.id] == one.label for one in planted.plants)
    assert all(
        was_of[one.source] == one.original_label for one in planted.plants if one.source is not None
    )
    assert len({one.id for one in planted.plants}) == len(planted.plants)
    added = [one for one in planted.plants if one.kind in (DUPLICATE, OUTSIDE)]
    assert len(after) - len(before) == len(added)
    assert not {one.id for one in added} & {one.id for one in planted.plants if one not in added}
    moved = [one for one in planted.plants if one.kind in (FLIP, THRESHOLD)]
    changes = Counter(labels_of.values()) - Counter(was_of.values())
    assert sum(changes.values()) <= len(added) + len(moved)


def test_an_image_folder(photos: Path, tmp_path: Path) -> None:
    before, out = state(photos), tmp_path / "planted"
    planted = plant(photos, out, **ALL, quiet=True)
    assert state(photos) == before
    assert not (out / "data" / "cat" / "notes.txt").exists()
    after = open_source(out / "data")
    check_record(planted, out, open_source(photos), after)
    assert after.label_names == (*NAMES, "empty")
    counts = {kind: len(of_kind(planted, kind)) for kind in planted.kinds}
    assert counts == {FLIP: 4, DUPLICATE: 4, CORRUPT: 6, OUTSIDE: 4}
    made = state(out / "data")
    same: list[Any] = [one for one in planted.plants if one.kind == FLIP]
    same += [Plant(name, "", "", 0, name, 0) for name in after.ids if name in before]
    altered = {one.id for one in of_kind(planted, CORRUPT)}
    assert all(made[one.id] == before[one.source] for one in same if one.id not in altered)
    assert all(made[one.id][0] != before[one.source][0] for one in of_kind(planted, CORRUPT))
    assert all(one.id == one.source for one in of_kind(planted, CORRUPT))
    assert all("-duplicate.png" in one.id for one in of_kind(planted, DUPLICATE))
    assert not any(path.is_symlink() for path in out.rglob("*"))
    for one in of_kind(planted, FLIP):
        assert one.id.partition("/")[0] == (*NAMES, "empty")[one.label]


def test_flipped_files_get_another_name_where_theirs_is_taken(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "two" / name).mkdir(parents=True)
        for at in range(10):
            photo(at).save(tmp_path / "two" / name / f"{at}.png")
    planted = plant(tmp_path / "two", tmp_path / "out", flip=0.5, quiet=True)
    after = open_source(tmp_path / "out" / "data")
    check_record(planted, tmp_path / "out", open_source(tmp_path / "two"), after)
    originals = {f"{name}/{at}.png" for name in ("a", "b") for at in range(10)}
    for one in planted.plants:
        assert one.id.endswith("-2.png")
        assert one.id not in originals, "not even where both files of a name change places"


def test_an_image_folder_with_links(photos: Path, tmp_path: Path) -> None:
    before = state(photos)
    plant(photos, tmp_path / "copied", **ALL, quiet=True)
    planted = plant(photos, tmp_path / "linked", **ALL, link=True, quiet=True)
    assert contents(tmp_path / "copied" / "data") == contents(tmp_path / "linked" / "data")
    assert state(photos) == before
    new = {one.id for one in planted.plants if one.kind != FLIP}
    for path in (p for p in (tmp_path / "linked" / "data").rglob("*") if p.is_file()):
        is_new = path.relative_to(tmp_path / "linked" / "data").as_posix() in new
        assert path.stat().st_nlink == (1 if is_new else 2)


def test_links_are_followed_and_copied_where_there_can_be_none(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = next(path for path in photos.rglob("0.png"))
    shutil.move(first, tmp_path / "elsewhere.png")
    first.symlink_to(tmp_path / "elsewhere.png")
    plant(photos, tmp_path / "linked", corrupt=0.01, link=True, quiet=True)

    def refuses(*given: Any, **more: Any) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", refuses)
    plant(photos, tmp_path / "copied", corrupt=0.01, link=True, quiet=True)
    for out in ("linked", "copied"):
        assert not any(path.is_symlink() for path in (tmp_path / out).rglob("*"))
    assert contents(tmp_path / "linked" / "data") == contents(tmp_path / "copied" / "data")


def test_threshold_samples_are_a_class_that_comes_last(photos: Path, tmp_path: Path) -> None:
    # 40 examples of 4 classes, one of them empty: 40 / 5 = 8.
    planted = plant(photos, tmp_path / "out", threshold=True, quiet=True)
    after = open_source(tmp_path / "out" / "data")
    check_record(planted, tmp_path / "out", open_source(photos), after)
    assert after.label_names == (*NAMES, "empty", "~threshold")
    assert after.labels is not None
    assert (after.labels == 4).sum() == len(planted.plants) == 8
    (photos / "été").mkdir()
    with pytest.raises(DataError, match="'été' comes after it"):
        plant(photos, tmp_path / "out2", threshold=True, quiet=True)
    with pytest.raises(DataError, match="'~threshold' comes after it"):
        plant(tmp_path / "out" / "data", tmp_path / "out2", threshold=True, quiet=True)


def test_a_list_file(photos: Path, tmp_path: Path) -> None:
    listing, out = listed(photos, tmp_path / "train.txt"), tmp_path / "planted"
    before = state(photos)
    planted = plant(listing, out, root=photos, **ALL, threshold=True, quiet=True)
    assert state(photos) == before
    source, after = open_source(listing, photos), open_source(out / "data.txt", out / "data")
    check_record(planted, out, source, after)
    assert list(after.ids[: len(source)]) == list(source.ids)  # paths and order stay
    assert {one.label for one in of_kind(planted, FLIP)} == {0, 7}  # classes without any: no
    assert {one.label for one in of_kind(planted, THRESHOLD)} == {8}


def test_a_list_that_leads_out_of_its_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    for name, before in (("up.txt", "../photos/"), ("full.txt", f"{photos.as_posix()}/")):
        listing = listed(photos, tmp_path / "lists" / name, before)
        out = tmp_path / f"out-{name}"
        planted = plant(listing, out, flip=0.1, duplicate=0.1, quiet=True)
        after = open_source(out / "data.txt", out / "data")
        check_record(planted, out, open_source(listing), after)
        assert (out / "data" / after.ids[0]).is_relative_to(out / "data")
        assert not any(name.startswith((".", "/")) for name in after.ids)


@pytest.mark.slow
@pytest.mark.parametrize("corrupt", [0.2, 0.8])
def test_a_list_that_leads_out_in_part_leaves_the_originals(
    photos: Path, tmp_path: Path, corrupt: float
) -> None:
    """Its own pictures are below it, the others beside it, and there are such beside `--out`."""
    lists = tmp_path / "lists"
    shutil.copytree(photos, lists / "own")
    names = sorted(one.relative_to(photos).as_posix() for one in photos.rglob("*.*"))
    relative = photos.relative_to(tmp_path).as_posix()
    lines = [f"../{relative}/{name} 0\n" for name in names] + [f"own/{name} 1\n" for name in names]
    (lists / "list.txt").write_text("".join(lines))
    before = state(photos), state(lists)
    planted = plant(lists / "list.txt", tmp_path / "out", corrupt=corrupt, quiet=True)
    assert (state(photos), state(lists)) == before
    after = open_source(tmp_path / "out" / "data.txt", tmp_path / "out" / "data")
    check_record(planted, tmp_path / "out", open_source(lists / "list.txt"), after)
    assert not any(".." in name for name in after.ids)


def test_nothing_is_written_over_another_file(photos: Path, tmp_path: Path) -> None:
    examples = open_source(photos)
    writing = _FileWriter(
        FilePlanter(examples, examples.files, None, None),  # type: ignore[arg-type]
        tmp_path / "data",
        0,
        False,
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").touch()
    for name in ("../other.jpg", "b/../../other.jpg", "a.jpg"):
        with pytest.raises(DataError, match="would be written over another file"):
            writing._new_path(name)


def test_only_one_process_plants_into_a_folder(photos: Path, tmp_path: Path) -> None:
    with suppress(KeyError), whole_folder(tmp_path / "out", "planting") as unfinished:
        (unfinished / "theirs").touch()
        with pytest.raises(ResultError, match="another process is planting into out"):
            plant(photos, tmp_path / "out", flip=0.1, quiet=True)
        assert (unfinished / "theirs").exists()
        raise KeyError
    assert not any(path.name.startswith(".out") for path in tmp_path.iterdir()), "nothing is left"
    plant(photos, tmp_path / "out", flip=0.1, quiet=True)
    shutil.rmtree(tmp_path / "out" / "data")
    with pytest.raises(ResultError, match="has lost data. Remove the folder, and plant again"):
        plant(photos, tmp_path / "out", flip=0.1, quiet=True)
    others = tmp_path / "others"
    shutil.copytree(photos, others)
    with pytest.raises(DataError, match="is inside of outside_from="):
        plant(photos, others / "more", outside=0.1, outside_from=others, quiet=True)


def test_images_of_no_class_from_elsewhere(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "any"
    other.mkdir(parents=True)
    for at in range(5):
        photo(100 + at).save(other / f"{at}.bmp")
    (other / "broken.png").write_bytes(b"no image")
    given: dict[str, Any] = {"outside_from": tmp_path / "other", "quiet": True}
    planted = plant(photos, tmp_path / "out", outside=0.1, **given)
    assert {(one.method, one.source, one.original_label) for one in planted.plants} == {
        ("other", None, None)
    }
    theirs = set(contents(tmp_path / "other").values()) - {b"no image"}
    ours = contents(tmp_path / "out" / "data")
    assert all(ours[one.id] in theirs for one in planted.plants)
    with pytest.raises(DataError, match="outside_from has only 6, or fewer that can be decoded"):
        plant(photos, tmp_path / "out2", outside=0.15, **given)
    npz = world.save_npz(tmp_path / "x.npz", 5)
    with pytest.raises(DataError, match="outside_from has to be image files"):
        plant(photos, tmp_path / "out3", outside=0.1, outside_from=npz, quiet=True)


def test_files_whose_format_cannot_be_written_become_png(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "two" / name).mkdir(parents=True)
        for at in range(5):
            image = photo(at).convert("RGBA")
            image.save(tmp_path / "two" / name / f"{at}.jpg", "PNG")
            # A PNG by another name stays one, and so does its name.
            Image.new("CMYK", (8, 8)).save(tmp_path / "two" / name / f"{at}.tif")
    planted = plant(tmp_path / "two", tmp_path / "out", corrupt=0.8, quiet=True)
    assert {Path(one.id).suffix for one in planted.plants} == {".jpg", ".tif"}
    for one in planted.plants:
        with Image.open(tmp_path / "out" / "data" / one.id) as image:
            assert image.format == {".jpg": "PNG", ".tif": "TIFF"}[Path(one.id).suffix]


def test_a_changed_ending_is_in_the_record(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in list(photos.rglob("*.png")):
        path.rename(path.with_suffix(".bmp"))
    monkeypatch.setattr(
        "vog.planting.pillow_images.encode_like_original", lambda image: (b"x", ".png")
    )
    planted = plant(photos, tmp_path / "out", corrupt=0.1, duplicate=0.1, quiet=True)
    assert {Path(one.id).suffix for one in planted.plants} == {".png"}
    assert all((tmp_path / "out" / "data" / one.id).read_bytes() == b"x" for one in planted.plants)
    assert not (tmp_path / "out" / "data" / of_kind(planted, CORRUPT)[0].source).exists()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz(tmp_path: Path, save: Callable[..., None]) -> None:
    names = np.array(["a", "b", "c", "d"])
    extra = {"label_names": names, "test_images": np.ones(3), "weight": np.ones(40)}
    path, out = save_arrays(tmp_path / "m.npz", save, **extra), tmp_path / "planted"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    planted = plant(path, out, **ALL, threshold=True, quiet=True)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    opened = [open_source(one, transform=np.float32) for one in (path, out / "data.npz")]
    check_record(planted, out, *opened)
    with np.load(out / "data.npz") as file, np.load(path) as old:
        new = {key: file[key] for key in file.files}
        assert set(new) == {"images", "labels", "ids", "label_names", "test_images"}
        assert {key: new[key].dtype for key in ("images", "labels")} == {
            "images": np.uint8,
            "labels": np.uint8,
        }
        assert new["label_names"].tolist() == ["a", "b", "c", "d", "threshold"]
        at = {name: row for row, name in enumerate(new["ids"].tolist())}
        altered = [one for one in planted.plants if one.kind == CORRUPT]
        same = [row for row in range(40) if str(row) not in {one.id for one in altered}]
        np.testing.assert_array_equal(new["images"][same], old["images"][same])
        for one in altered:
            assert (new["images"][at[one.id]] != old["images"][int(one.source or -1)]).any()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out / "data.npz") as new:
        assert old.infolist()[0].compress_type == new.infolist()[0].compress_type
    assert {one.id for one in of_kind(planted, DUPLICATE)} == {
        f"{one.source}-duplicate" for one in of_kind(planted, DUPLICATE)
    }
    assert [one.id for one in of_kind(planted, OUTSIDE)] == [f"outside-{at}" for at in range(4)]


def test_ids_of_an_npz_stay_and_new_ones_do_not_collide(tmp_path: Path) -> None:
    ids = np.array([f"x{at}" for at in range(39)] + ["outside-0"])
    path = save_arrays(tmp_path / "m.npz", ids=ids)
    plant(path, tmp_path / "out", outside=0.05, quiet=True)
    with np.load(tmp_path / "out" / "data.npz") as file:
        assert file["ids"].tolist() == [*ids.tolist(), "outside-0-2", "outside-1"]


def test_arrays_of_rows_that_are_no_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.uniform(size=(50, 6)).astype(np.float64) + 10 * np.arange(6)
    planted = plant((inputs, np.arange(50) % 2), tmp_path / "out", **ALL, quiet=True)
    assert {one.method for one in planted.plants} == {"uniform", "noise", "jittered", "columns"}
    assert planted.question["corruptions"] == ["noise"]
    assert planted.question["data"]["spec"] is None
    with np.load(tmp_path / "out" / "data.npz") as file:
        new, at = file["inputs"], {name: row for row, name in enumerate(file["ids"].tolist())}
        assert new.dtype == np.float64
    for one in of_kind(planted, OUTSIDE):
        row = new[at[one.id]]
        assert set(row) <= set(inputs.reshape(-1))  # what there was, column for column
        assert (row // 10 == np.arange(6)).all()
        assert not (row == inputs).all(axis=1).any()
    for one in of_kind(planted, DUPLICATE):
        away = np.abs(new[at[one.id]] - inputs[int(one.source or -1)])
        assert (away > 0).all()
        assert (away < 0.06).all()
    tensors = (torch.from_numpy(inputs), torch.arange(50) % 2)
    again = plant(tensors, tmp_path / "out2", **ALL, quiet=True)
    assert again.plants == planted.plants
    with pytest.raises(DataError, match="no images, so blur and occlusion cannot be done"):
        plant(tensors, tmp_path / "x", corrupt=0.1, corruptions=("blur", "occlusion"), quiet=True)


def test_rows_of_no_class_from_another_npz(tmp_path: Path) -> None:
    path = save_arrays(tmp_path / "m.npz")
    other = save_arrays(tmp_path / "o.npz", images=np.full((9, 8, 8), 7, np.uint8), labels=[0] * 9)
    plant(path, tmp_path / "out", outside=0.2, outside_from=other, quiet=True)
    with np.load(tmp_path / "out" / "data.npz") as file:
        assert (file["images"][40:] == 7).all()
        assert len(file["images"]) == 48
    odd = save_arrays(tmp_path / "p.npz", images=np.zeros((9, 8, 9), np.uint8), labels=[0] * 9)
    with pytest.raises(DataError, match=r"items of uint8 \(8, 9\); the data have uint8 \(8, 8\)"):
        plant(path, tmp_path / "out2", outside=0.2, outside_from=odd, quiet=True)
    odd = save_arrays(tmp_path / "q.npz", images=np.zeros((9, 8, 8), np.float32), labels=[0] * 9)
    with pytest.raises(DataError, match="items of float32"):
        plant(path, tmp_path / "out2", outside=0.2, outside_from=odd, quiet=True)
    (tmp_path / "f" / "a").mkdir(parents=True)
    photo(0).save(tmp_path / "f" / "a" / "1.png")
    with pytest.raises(DataError, match="outside_from has to be an .npz"):
        plant(path, tmp_path / "out2", outside=0.2, outside_from=tmp_path / "f", quiet=True)


def test_labels_without_room_for_a_class_more(tmp_path: Path) -> None:
    labels = np.arange(40) % 2 * 127
    path = save_arrays(tmp_path / "m.npz", labels=labels.astype(np.int8))
    with pytest.raises(DataError, match="labels of int8 end at 127. Store them as int64"):
        plant(path, tmp_path / "out", threshold=True, quiet=True)


def test_inputs_that_are_no_numbers(tmp_path: Path) -> None:
    path = save_arrays(tmp_path / "m.npz", images=np.full((40, 8, 8), "a"))
    with pytest.raises(DataError, match="the inputs are <U1; expected floats or whole numbers"):
        plant(path, tmp_path / "out", flip=0.1, quiet=True)
