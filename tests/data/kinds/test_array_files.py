"""Arrays of files: `.npy` as a memory map, and named tensors."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import vog
import world
from vog.data import open_source
from vog.data.kinds.npy_file import MappedReader
from vog.errors import DataError
from vog.figures.example_reader import reader
from vog.inspection.inspector import inspector
from vog.item_keys import ItemKeys

ROWS = 20


def npy(folder: Path, inputs: np.ndarray, labels: np.ndarray) -> tuple[Path, dict[str, Any]]:
    np.save(folder / "x.npy", inputs)
    np.save(folder / "y.npy", labels)
    return folder / "x.npy", {"label": "y.npy"}


def torch_file(folder: Path, inputs: np.ndarray, labels: np.ndarray) -> tuple[Path, dict[str, Any]]:
    tensors = {"inputs": torch.from_numpy(inputs), "labels": torch.from_numpy(labels)}
    torch.save(tensors, folder / "data.pt")
    return folder / "data.pt", {}


def safetensors(
    folder: Path, inputs: np.ndarray, labels: np.ndarray
) -> tuple[Path, dict[str, Any]]:
    tensors = {"first": torch.from_numpy(inputs), "second": torch.from_numpy(labels)}
    save_file(tensors, folder / "data.safetensors")
    return folder / "data.safetensors", {"input": "first", "label": "second"}


@pytest.mark.parametrize("write", [npy, torch_file, safetensors])
def test_scores_pictures_and_inspection_are_those_of_the_arrays(
    write: Any, checkpoints: Path, tmp_path: Path
) -> None:
    inputs, labels = world.inputs_and_labels(ROWS)
    path, how = write(tmp_path, inputs, labels)
    pattern = str(checkpoints / "*.pt")
    run = vog.score(world.build, pattern, path, tmp_path / "s", quiet=True, limit=10, **how)
    run = vog.score(world.build, pattern, path, tmp_path / "s", quiet=True, **how)
    same = vog.score(world.build, pattern, (inputs, labels), tmp_path / "same", quiet=True)
    assert run.table() == same.table()
    assert np.array_equal(reader(run)(4, "4"), inputs[4])
    assert inspector(run, model=world.build)(4).differs == ()


def test_a_map_stays_a_map(tmp_path: Path) -> None:
    inputs, labels = world.inputs_and_labels(ROWS)
    path, _ = npy(tmp_path, inputs, labels)
    read = open_source(path, keys=ItemKeys(None, "y.npy")).read
    assert isinstance(read, MappedReader)
    assert isinstance(read.inputs, np.memmap)
    sent = pickle.dumps(read)
    assert len(sent) < inputs.nbytes / 4
    again = pickle.loads(sent)
    assert isinstance(again.inputs, np.memmap)
    assert np.array_equal(again(3)[0], inputs[3])


def test_workers_map_the_file_themselves(checkpoints: Path, tmp_path: Path) -> None:
    path, how = npy(tmp_path, *world.inputs_and_labels(ROWS))
    how |= {"transform": abs, "quiet": True}
    pattern = str(checkpoints / "*.pt")
    runs = [
        vog.score(world.build, pattern, path, tmp_path / f"s{workers}", workers=workers, **how)
        for workers in (0, 2)
    ]
    assert runs[0].table() == runs[1].table()


def test_a_changed_file_has_another_digest(tmp_path: Path) -> None:
    inputs, labels = world.inputs_and_labels(ROWS)
    path, _ = npy(tmp_path, inputs, labels)
    first = open_source(path, keys=ItemKeys(None, "y.npy")).digest
    np.save(path, inputs[:, :, :5])
    assert open_source(path, keys=ItemKeys(None, "y.npy")).digest != first


@pytest.mark.parametrize(
    ("name", "keys", "sentence"),
    [
        ("x.npy", ItemKeys(None, "z.npy"), r"label='z.npy': there is no such file"),
        ("x.npy", ItemKeys(("a",)), r"holds one without a name. Leave input out"),
        ("objects.npy", ItemKeys(), r"objects.npy cannot be read as .npy: it holds Python objects"),
        ("damaged.npy", ItemKeys(), r"damaged.npy cannot be read as .npy"),
        ("data.pt", ItemKeys(("q",)), r"input='q': .* no such array. It has inputs, labels"),
        ("data.pt", ItemKeys(("q", "r")), r"expected one name"),
        ("other.pt", ItemKeys(), r"has the arrays weight; expected one named images, inputs"),
        ("damaged.pt", ItemKeys(), r"cannot be read as data: .*Expected tensors by name"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, name: str, keys: ItemKeys, sentence: str
) -> None:
    npy(tmp_path, *world.inputs_and_labels(4))
    torch_file(tmp_path, *world.inputs_and_labels(4))
    np.save(tmp_path / "objects.npy", np.array([{}, []], object), allow_pickle=True)
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY and no more")
    (tmp_path / "damaged.pt").write_bytes(b"no tensors")
    torch.save({"weight": torch.zeros(2, 2)}, tmp_path / "other.pt")
    with pytest.raises(DataError, match=sentence):
        open_source(tmp_path / name, keys=keys)
