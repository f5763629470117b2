"""Planting into a dataset of the user's: nothing is copied, and reading gives what was planted."""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from planting_data import ALL, contents, of_kind, save_arrays
from vog.data.stored_inputs import open_as_stored
from vog.errors import DataError, ResultError
from vog.planting import plant, reopen
from vog.result.planting_record import (
    CORRUPT,
    FLIP,
    THRESHOLD,
)


def is_same(one: Any, other: Any) -> bool:
    return bool((np.asarray(one) == np.asarray(other)).all())


@pytest.mark.parametrize("make", ["array", "tensor", "image", "vector"])
def test_a_dataset_is_wrapped_and_not_copied(module: Path, tmp_path: Path, make: str) -> None:
    out = tmp_path / "planted"
    planted = plant(f"{module}:{make}", out, **ALL, threshold=True, quiet=True)
    assert sum(len(content) for content in contents(out).values()) < 10_000
    data, own = reopen(out), sys.modules["own_dataset"].Own(make)
    assert (len(data), len(data.ids), len(data.targets)) == (48, 48, 48)
    assert data.classes == ["a", "b", "c", "d", "threshold"]
    at = {name: row for row, name in enumerate(data.ids)}
    changed = {one.id for one in planted.plants if one.kind not in (FLIP, THRESHOLD)}
    labels = {one.id: one.label for one in planted.plants}
    for row in range(make == "image", 48):
        value, label = data[row]
        assert label == data.targets[row] == labels.get(data.ids[row], row % 4)
        assert type(value) is type(own[5][0])
        assert np.asarray(value).dtype == np.asarray(own[5][0]).dtype
        assert is_same(value, data[row][0])  # each time it is read
        if row < 40:
            assert is_same(value, own[row][0]) == (data.ids[row] not in changed)
    assert {planted.plants[0].kind} == {FLIP}
    assert all(at[one.id] == int(one.source or -1) for one in of_kind(planted, CORRUPT))
    assert is_same(data[-1][0], data[47][0])
    with pytest.raises(IndexError):
        data[48]


def test_a_planted_dataset_of_images_decides_as_arrays_do(module: Path, tmp_path: Path) -> None:
    own, pair = f"{module}:array", save_arrays(tmp_path / "m.npz")
    plant(own, tmp_path / "a", **ALL, quiet=True)
    values = sys.modules["own_dataset"].VALUES
    np.savez(pair, images=values, labels=np.arange(40) % 4)
    plant(pair, tmp_path / "b", **ALL, quiet=True)
    data = reopen(tmp_path / "a")
    with np.load(tmp_path / "b" / "data.npz") as file:
        assert file["ids"].tolist() == data.ids
        assert file["labels"].tolist() == data.targets
        # But for what depends on the mean of all, of which a dataset shows a sample.
        np.testing.assert_array_equal(file["images"], np.stack([value for value, _ in data]))


def test_labels_are_read_where_nothing_else_tells_them(module: Path, tmp_path: Path) -> None:
    planted = plant(f"{module}:unlabelled", tmp_path / "out", **ALL, quiet=True)
    told = plant(f"{module}:image", tmp_path / "told", corrupt=0.1, quiet=True)
    assert "0" not in {one.id for one in planted.plants}  # it cannot be read, nor its label
    assert not hasattr(reopen(tmp_path / "out"), "targets"), "an unreadable item has no label"
    assert len(of_kind(told, CORRUPT)) == 4
    half = plant(f"{module}:half", tmp_path / "half", **ALL, quiet=True)
    value, _ = reopen(tmp_path / "half")[int(of_kind(half, CORRUPT)[0].id)]
    assert value.dtype == torch.bfloat16


def test_what_was_planted_tells_datasets_apart(module: Path, tmp_path: Path) -> None:
    """One row of forty, which is not among the few that a digest looks at."""
    own = open_as_stored(f"{module}:image", None).digest
    digests = [own]
    for seed in range(6):
        out = tmp_path / str(seed)
        plant(f"{module}:image", out, corrupt=0.025, seed=seed, quiet=True)
        digests.append(open_as_stored(reopen(out), None).digest)
        assert open_as_stored(reopen(out), None).digest == digests[-1]
    assert len(set(digests)) == 7


def test_worker_processes_read_the_same(module: Path, tmp_path: Path) -> None:
    plant(f"{module}:tensor", tmp_path / "out", **ALL, quiet=True)
    data = reopen(tmp_path / "out")
    again = pickle.loads(pickle.dumps(data))
    plain = torch.cat([value for value, _ in data])
    torch.testing.assert_close(torch.cat([value for value, _ in again]), plain)
    loaded = [values for values, _ in DataLoader(data, 12, num_workers=1)]
    torch.testing.assert_close(torch.cat(loaded)[:, 0], plain)


def test_a_dataset_can_be_read_otherwise_for_training(module: Path, tmp_path: Path) -> None:
    plant(f"{module}:tensor", tmp_path / "out", flip=0.2, quiet=True)
    own = sys.modules["own_dataset"].Own
    other = reopen(tmp_path / "out", own("image"))
    assert isinstance(other[1][0], Image.Image)
    assert other.targets == reopen(tmp_path / "out").targets
    with pytest.raises(DataError, match="has different examples .*: 20 now, 40 then"):
        reopen(tmp_path / "out", torch.utils.data.Subset(own("tensor"), range(20)))


def test_a_dataset_that_changed_is_refused(module: Path, tmp_path: Path) -> None:
    plant(f"{module}:tensor", tmp_path / "out", flip=0.2, quiet=True)
    sys.modules["own_dataset"].VALUES[0] = 1
    with pytest.raises(DataError, match="own_dataset.py:tensor has different examples than when"):
        reopen(tmp_path / "out")


def test_reopening_what_is_not_there(module: Path, tmp_path: Path) -> None:
    plant(save_arrays(tmp_path / "m.npz"), tmp_path / "out", flip=0.2, quiet=True)
    with pytest.raises(ResultError, match="holds data of its own, and no dataset to reopen"):
        reopen(tmp_path / "out")
    plant(f"{module}:tensor", tmp_path / "own", flip=0.2, quiet=True)
    (tmp_path / "own" / "recipe.npz").write_bytes(b"no archive")
    with pytest.raises(ResultError, match="recipe.npz cannot be read: .*Plant again"):
        reopen(tmp_path / "own")


@pytest.mark.parametrize(("make", "other"), [("image", "array"), ("array", "image")])
def test_other_items_have_to_be_alike(module: Path, tmp_path: Path, make: str, other: str) -> None:
    given: dict[str, Any] = {"outside": 0.1, "outside_from": f"{module}:{other}", "quiet": True}
    with pytest.raises(DataError, match="outside_from has items of type .* read in the same way"):
        plant(f"{module}:{make}", tmp_path / "out", **given)
    given["outside_from"] = f"{module}:vector"
    with pytest.raises(DataError, match="outside_from has items of"):
        plant(f"{module}:{make}", tmp_path / "out", **given)


def test_other_items_from_files_and_arrays(module: Path, photos: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"outside": 0.1, "quiet": True}
    plant(f"{module}:image", tmp_path / "a", outside_from=photos, **given)
    value, _ = reopen(tmp_path / "a")[40]
    assert isinstance(value, Image.Image)
    other = np.full((9, 1, 8, 8), 0.5)
    np.savez(tmp_path / "o.npz", inputs=other, labels=[0] * 9)
    plant(f"{module}:tensor", tmp_path / "b", outside_from=tmp_path / "o.npz", **given)
    value, _ = reopen(tmp_path / "b")[43]
    assert value.dtype == torch.float32
    assert (value == 0.5).all()


def test_datasets_that_cannot_be_planted_into(module: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="item .*'0' .*text|cannot be made into an input|type str"):
        plant(f"{module}:text", tmp_path / "out", flip=0.1, quiet=True)
    plant(f"{module}:array", tmp_path / "made", flip=0.1, quiet=True)
    data = reopen(tmp_path / "made")
    with pytest.raises(DataError, match="of type PlantedDataset, which .* Give file.py:function"):
        plant(data, tmp_path / "out", flip=0.1, quiet=True)
    with pytest.raises(DataError, match="link=True is for image files; no dataset is copied"):
        plant(f"{module}:array", tmp_path / "out", flip=0.1, link=True, quiet=True)
    with pytest.raises(DataError, match="link=True is for image files; arrays are always copied"):
        plant(save_arrays(tmp_path / "m.npz"), tmp_path / "out", flip=0.1, link=True, quiet=True)
    assert not (tmp_path / "out").exists()
