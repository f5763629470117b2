"""Runs of real digits that the other tools are given."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vog
from scored import NAMES, SCORES, Scored, score_digits, train_digits
from vog.experiments import demo
from vog.result import Run

# Beside a CPU build of torch, PyPI's torchvision finds none of its own operators and cannot be
# imported, which pytorch-ood does; nothing here calls one.
if not hasattr(torch.ops.torchvision, "nms"):
    OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[demo.Digits, Path]:
    """Digits, and checkpoints of a network that was trained on them."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return train_digits(folder), folder


@pytest.fixture(scope="session")
def scored(trained: tuple[demo.Digits, Path], tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Digits in an array."""
    return score_digits(*trained, tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def pictures(trained: tuple[demo.Digits, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The first of them as image files, in folders whose names have spaces."""
    train, checkpoints = trained
    folder = tmp_path_factory.mktemp("pictures")
    for row in range(200):
        place = folder / "my data" / NAMES[train.labels[row]]
        place.mkdir(parents=True, exist_ok=True)
        pixels = (train.images[row, 0] * 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{row}.png")
    return vog.score(
        demo.build,
        checkpoints,
        folder / "my data",
        folder / "run",
        transform=_as_trained,
        scores=SCORES,
        quiet=True,
        workers=0,
    )


def _as_trained(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"), np.float32)[None] / 255
