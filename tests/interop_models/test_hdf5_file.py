"""Data in files of HDF5, which need `h5py`."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import vog
import world
from vog.data import open_source
from vog.errors import DataError
from vog.figures.example_reader import reader
from vog.item_keys import ItemKeys

ROWS = 20


def write(path: Path, inputs: np.ndarray, labels: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file["train/x"] = inputs
        file["train/y"] = labels
    return path


@pytest.mark.parametrize("workers", [0, 2])
def test_scores_are_those_of_the_arrays(tmp_path: Path, workers: int) -> None:
    inputs, labels = world.inputs_and_labels(ROWS)
    path = write(tmp_path / "a.h5", inputs, labels)
    world.save_checkpoints(tmp_path / "run", 3)
    pattern = str(tmp_path / "run" / "*.pt")
    run = vog.score(
        world.build,
        pattern,
        path,
        tmp_path / "s",
        input="train/x",
        label="train/y",
        workers=workers,
        quiet=True,
    )
    same = vog.score(world.build, pattern, (inputs, labels), tmp_path / "same", quiet=True)
    assert run.table() == same.table()
    assert np.array_equal(reader(run)(4, "4"), inputs[4])


def test_arrays_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", *world.inputs_and_labels(ROWS))
    with pytest.raises(DataError, match=r"has the arrays train/x, train/y; expected one named"):
        open_source(path)
    with pytest.raises(DataError, match=r"expected one whole number a row"):
        open_source(path, keys=ItemKeys(("train/x",), "train/x"))
    (tmp_path / "b.h5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match=r"b.h5 cannot be read as HDF5"):
        open_source(tmp_path / "b.h5")
