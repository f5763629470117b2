"""The paper's toy: blobs in the plane and a linear network, VoG against the distance to its line.

vog toy --split test --mode complete --out toy

Data, network, optimizer and stages are those of the authors' script. Three things are corrected:
gradients do not accumulate over epochs, the mean is over the epochs of the stage, and the distance
is to the learned boundary instead of a fixed line.

The probability is differentiated, not the logit: the network is linear, so the gradient of
a logit is a row of its weights, the same for every example of a class, and VoG could not tell one
example from another. The gradient of the probability is p (1 - p) times a constant.

Expected: every training point on the right side; Spearman's correlation of VoG within the class
with the distance, test split, below -0.75 early, below -0.8 in the middle, below -0.9 complete.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.datasets import make_blobs
from torch import nn
from torch.nn import functional as F

import vog
from vog.analysis.one_run.correlation import spearman
from vog.figures import charts
from vog.files.writing import as_json, make_folder, refuse_foreign_files, write_text
from vog.result import Run

EPOCHS, SEED = 15, 212
STAGES = {"early": (0, 5), "middle": (5, 10), "late": (10, 15)}
_TRAIN, _TEST = 450, 50
_SUMMARY = "toy.json"
_SPANS = {stage: f"epochs {a + 1} to {b}" for stage, (a, b) in STAGES.items()}
_SPANS["complete"] = f"epochs 1 to {EPOCHS}"
_AXES = {
    "raw": "VoG of the probability",
    "normalize": "VoG of the probability, standardised within the class",
    "abs_normalize": "absolute value of VoG standardised within the class",
}

Split = Literal["train", "test"]
Mode = Literal["early", "middle", "late", "complete"]
Calibration = Literal["raw", "normalize", "abs_normalize"]


@dataclass(frozen=True)
class Points:
    """Points of the plane and their class, 0 or 1."""

    xy: Float[np.ndarray, "n 2"]
    labels: Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Boundary:
    """The learned line normal . x + offset = 0; class 1 is on its positive side."""

    normal: Float[np.ndarray, "2"]
    offset: float

    def distance(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n"]:
        """Return the perpendicular distance of each point from the line."""
        return np.abs(points @ self.normal + self.offset) / np.linalg.norm(self.normal)


@dataclass(frozen=True)
class Toy:
    """The results of the toy and the paths of its files."""

    run: Run
    spearman: float
    train_accuracy: float
    test_accuracy: float
    figures: tuple[Path, ...]
    summary: Path


def build() -> nn.Module:
    """Return two linear layers with nothing between them: 2 to 10 to 2."""
    return nn.Sequential(nn.Linear(2, 10), nn.Linear(10, 2))


def run_toy(
    out: Path,
    split: Split = "test",
    mode: Mode = "early",
    vog_cal: Calibration = "normalize",
    quiet: bool = False,
) -> Toy:
    """Train, score one split, and draw; files of an earlier call in `out` are replaced.

    Args:
        out: a folder for checkpoints, run, figures and `toy.json`.
        split: which points are scored.
        mode: the epochs that VoG is taken over.
        vog_cal: raw VoG, standardised within the class, or the absolute value of that.
        quiet: no progress bar.

    Raises:
        ResultError: `out` holds files that are not of an earlier toy.
    """
    train, test = _make_data()
    refuse_foreign_files(out, _SUMMARY)
    make_folder(out)
    write_text(out / _SUMMARY, as_json({"split": split, "mode": mode, "vog_cal": vog_cal}))
    make_folder(out / "checkpoints")
    model = _train(train, out / "checkpoints")
    points = train if split == "train" else test
    run = _score(out / "checkpoints", points, out / "run", quiet)
    boundary = _boundary(model)
    values = _calibrated_vog(run, mode, vog_cal)
    distances = boundary.distance(points.xy)
    results = {
        "split": split,
        "mode": mode,
        "vog_cal": vog_cal,
        "spearman": spearman(values, distances),
        "train_accuracy": _accuracy(model, train),
        "test_accuracy": _accuracy(model, test),
        "boundary": {"normal": boundary.normal.tolist(), "offset": boundary.offset},
    }
    summary = out / _SUMMARY
    write_text(summary, as_json(results))
    subtitle = f"{len(values)} {split} points, {_SPANS[mode]}; Spearman {results['spearman']:.2f}"
    distance_chart = charts.vog_against_distance(
        values, distances, points.labels, _AXES[vog_cal], subtitle
    )
    return Toy(
        run=run,
        spearman=results["spearman"],
        train_accuracy=results["train_accuracy"],
        test_accuracy=results["test_accuracy"],
        figures=(
            *_save_chart(_regions_chart(points, boundary), out / "decision_regions"),
            *_save_chart(distance_chart, out / "vog_against_distance"),
        ),
        summary=summary,
    )


def _score(folder: Path, points: Points, out: Path, quiet: bool) -> Run:
    return vog.score(
        build,
        folder,
        (points.xy, points.labels),
        out,
        target="probability",
        stages=STAGES,
        overwrite=True,
        quiet=quiet,
    )


def _make_data() -> tuple[Points, Points]:
    """Return 450 training and 50 test points; the second and third blob are one class."""
    blobs = make_blobs(_TRAIN + _TEST, n_features=2, centers=3, cluster_std=2, random_state=SEED)
    xy, labels = np.asarray(blobs[0], np.float32), (np.asarray(blobs[1]) > 0).astype(np.int64)
    return Points(xy[:_TRAIN], labels[:_TRAIN]), Points(xy[_TRAIN:], labels[_TRAIN:])


def _train(train: Points, folder: Path) -> nn.Module:
    """Train by full-batch SGD from weights of N(0, 1); save a checkpoint every epoch."""
    model = build()
    inputs, labels = torch.from_numpy(train.xy), torch.from_numpy(train.labels)
    with torch.random.fork_rng(), torch.no_grad():
        for layer in model.children():
            torch.manual_seed(0)  # before each layer, as the authors' script does
            nn.init.normal_(layer.get_parameter("weight"))
            nn.init.zeros_(layer.get_parameter("bias"))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for epoch in range(1, EPOCHS + 1):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        torch.save(model.state_dict(), folder / f"epoch-{epoch:02d}.pt")
    return model


def _accuracy(model: nn.Module, points: Points) -> float:
    with torch.no_grad():
        predicted = model(torch.from_numpy(points.xy)).argmax(1).numpy()
    return float((predicted == points.labels).mean())


def _boundary(model: nn.Module) -> Boundary:
    """Return the line where both logits are equal, from the logits of three points."""
    with torch.no_grad():
        logits = model(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])).double().numpy()
    origin, right, up = logits[:, 1] - logits[:, 0]
    return Boundary(np.array([right - origin, up - origin]), float(origin))


def _calibrated_vog(run: Run, mode: Mode, vog_cal: Calibration) -> Float[np.ndarray, "n"]:
    column = f"vog@{'all' if mode == 'complete' else mode}"
    if vog_cal != "raw":
        column += ":class"
    values = run.values(column)
    return np.abs(values) if vog_cal == "abs_normalize" else values


def _regions_chart(points: Points, boundary: Boundary) -> charts.Chart:
    return charts.decision_regions(points.xy, points.labels, boundary.normal, boundary.offset)


def _save_chart(chart: charts.Chart, path: Path) -> list[Path]:
    return [charts.save_chart(chart, path.with_suffix(f".{kind}")) for kind in ("png", "svg")]
