"""`experiments/cifar.py`, from files of the binary format that are written here to its figures."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import cifar
import world
from cifar_files import SCRIPT, cifar10, images, records
from vog.errors import DataError


def cifar100(folder: Path) -> None:
    (folder / "train.bin").write_bytes(records(images(20, 4, 0), True))
    (folder / "test.bin").write_bytes(records(images(12, 4, 9), True))
    (folder / "fine_label_names.txt").write_text("apple\nbaby\nbear\nbed\n")


def test_the_formats(tmp_path: Path) -> None:
    for write, train in ((cifar10, 40), (cifar100, 20)):
        folder = tmp_path / write.__name__
        folder.mkdir()
        write(folder)
        read = cifar.read_cifar(folder)
        assert (len(read.train.labels), len(read.test.labels), len(read.names)) == (train, 12, 4)
        np.testing.assert_array_equal(read.test.pixels, images(12, 4, 9).pixels)
        np.testing.assert_array_equal(read.test.labels, images(12, 4, 9).labels)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "test_batch.bin").write_bytes(b"123"), "3 bytes; expected a mul"),
        (lambda folder: (folder / "test_batch.bin").unlink(), "test_batch.bin is missing"),
        (lambda folder: (folder / "batches.meta.txt").unlink(), "names of the classes is missing"),
        (lambda folder: (folder / "batches.meta.txt").write_text("a\nb"), "names 2 classes"),
        (lambda folder: (folder / "data_batch_1.bin").unlink(), "holds neither train.bin"),
    ],
)
def test_damaged_sets(tmp_path: Path, spoil: object, said: str) -> None:
    cifar10(tmp_path)
    assert callable(spoil)
    spoil(tmp_path)
    with pytest.raises(DataError, match=said):
        cifar.read_cifar(tmp_path)


@pytest.mark.process
@pytest.mark.slow
def test_a_mistake_is_a_message(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--data", str(tmp_path), "--out", str(tmp_path / "o")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_snapshots() -> None:
    assert cifar.snapshots(350) == [0, 1, 2, 174, 175, 176, 347, 348, 349]
    assert cifar.snapshots(9) == list(range(9))


def test_augmentation_moves_and_mirrors() -> None:
    """Every result is the padded image cut somewhere, mirrored or not, and both happen."""
    torch.manual_seed(0)
    originals = torch.from_numpy(cifar.standardised(images(60, 4, 0).pixels))
    padded = torch.nn.functional.pad(originals, (4, 4, 4, 4))
    found = set()
    for one, whole in zip(cifar.augment(originals), padded, strict=True):
        places = [
            (down, right, mirrored)
            for down in range(9)
            for right in range(9)
            for mirrored in (False, True)
            if torch.equal(
                one.flip(2) if mirrored else one, whole[:, down : down + 32, right : right + 32]
            )
        ]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) > 40
    assert {mirrored for *_, mirrored in found} == {True, False}


def test_a_stopped_training_goes_on_as_if_it_had_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cifar10(tmp_path)
    read = cifar.read_cifar(tmp_path)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    monkeypatch.setattr(
        cifar,
        "resnet18",
        lambda classes: torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(4, classes),
        ),
    )
    cpu = torch.device("cpu")
    cifar.train(read, whole, 9, 16, 0, cpu)
    one_epoch = cifar.train_epoch
    monkeypatch.setattr(cifar, "train_epoch", world.interrupted(one_epoch, at=5))
    with pytest.raises(KeyboardInterrupt):
        cifar.train(read, stopped, 9, 16, 0, cpu)
    monkeypatch.setattr(cifar, "train_epoch", one_epoch)
    cifar.train(read, stopped, 9, 16, 0, cpu)
    for epoch in range(9):
        name = f"checkpoints/ckpt_{epoch:03d}.pth"
        one, other = (torch.load(at / name, weights_only=True)["net"] for at in (whole, stopped))
        assert all(torch.equal(one[key], other[key]) for key in one)
