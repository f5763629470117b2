"""Real digits, some of them mislabelled, trained on and scored: what other tools are given."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import vog
from vog.experiments import demo
from vog.result import Run

SCORES = "vog,aum,confidence,loss,forgetting"
NAMES = [f"digit {number}" for number in range(10)]


@dataclass(frozen=True)
class Scored:
    """Digits and what was found about them.

    Attributes:
        run: with `SCORES`.
        inputs: n x 64, in [0, 1].
        labels: what the model was trained on.
        shown: what the images show.
    """

    run: Run
    inputs: np.ndarray
    labels: np.ndarray
    shown: np.ndarray


def train_digits(folder: Path) -> demo.Digits:
    """The training digits of `vog demo`; six checkpoints of its network are in the folder."""
    train, test = demo._load_data()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "EPOCHS", 6)
        demo._train(train, test, folder)
    return train


def score_digits(train: demo.Digits, checkpoints: Path, folder: Path) -> Scored:
    """The digits in an array, scored."""
    data = folder / "digits.npz"
    np.savez(data, images=train.images, labels=train.labels, label_names=np.array(NAMES))
    run = vog.score(
        demo.build, checkpoints, str(data), folder / "run", scores=SCORES, quiet=True, workers=0
    )
    return Scored(run, train.images.reshape(-1, 64), train.labels, train.truth)
