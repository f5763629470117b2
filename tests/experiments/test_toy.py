"""The toy in full: what the authors claim of it holds once its defects are mended."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from sklearn.datasets import make_blobs

import vog
from command_line import Cli
from vog.errors import ResultError
from vog.experiments import toy


def slow_vog(probability_gradients: np.ndarray) -> np.ndarray:
    """The paper's definition over (epochs, points, 2), spelled out."""
    epochs = len(probability_gradients)
    mean = probability_gradients.sum(axis=0) / epochs
    squares = ((probability_gradients - mean) ** 2).sum(axis=0) / epochs
    return np.sqrt(squares).mean(axis=1)


def last_fifty() -> tuple[np.ndarray, np.ndarray]:
    """The test points and their classes."""
    made = make_blobs(500, centers=3, cluster_std=2, random_state=212)
    return np.asarray(made[0], np.float32)[450:], (np.asarray(made[1])[450:] > 0).astype(np.int64)


def gradients_by_hand(folder: Path, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """d p_y / d x = p_0 p_1 (w_y - w_other), from the saved weights, epochs first."""
    found = []
    for epoch in range(1, 16):
        weights = torch.load(folder / f"epoch-{epoch:02d}.pt", weights_only=True)
        w1, b1, w2, b2 = (weights[k].double().numpy() for k in weights)
        logits = (points @ w1.T + b1) @ w2.T + b2
        p1 = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
        towards_1 = (w2 @ w1)[1] - (w2 @ w1)[0]
        found.append((p1 * (1 - p1) * np.where(labels == 1, 1, -1))[:, None] * towards_1)
    return np.stack(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "mode", "below"),
    [
        ("test", "early", -0.75),
        ("test", "middle", -0.8),
        ("test", "complete", -0.9),
        ("train", "early", -0.8),
        ("train", "middle", -0.85),
        ("train", "complete", -0.95),
    ],
)
def test_the_claim(tmp_path: Path, split: toy.Split, mode: toy.Mode, below: float) -> None:
    made = toy.run_toy(tmp_path, split, mode, quiet=True)
    assert made.spearman < below
    assert made.train_accuracy == 1


@pytest.mark.slow
def test_against_the_definition_by_hand(tmp_path: Path) -> None:
    made = toy.run_toy(tmp_path, "test", "middle", "raw", quiet=True)
    points, labels = last_fifty()
    gradients = gradients_by_hand(tmp_path / "checkpoints", points, labels)
    table = made.run.table()
    np.testing.assert_array_equal(table["label"], labels)
    for stage, epochs in (("early", slice(0, 5)), ("middle", slice(5, 10)), ("all", slice(15))):
        expected = slow_vog(gradients[epochs])
        np.testing.assert_allclose(table[f"vog@{stage}"], expected, rtol=1e-3, atol=1e-9)
    last = torch.load(tmp_path / "checkpoints" / "epoch-15.pt", weights_only=True)
    w1, b1, w2, b2 = (last[k].double().numpy() for k in last)
    normal, offset = (w2 @ w1)[1] - (w2 @ w1)[0], (w2 @ b1 + b2)[1] - (w2 @ b1 + b2)[0]
    distances = np.abs(points @ normal + offset) / np.sqrt((normal**2).sum())
    expected = spearmanr(slow_vog(gradients[5:10]), distances)[0]
    assert made.spearman == pytest.approx(expected, abs=1e-6)
    told = json.loads(made.summary.read_text())["boundary"]
    np.testing.assert_allclose([*told["normal"], told["offset"]], [*normal, offset], rtol=1e-4)


@pytest.mark.slow
def test_the_logit_cannot_tell_one_point_of_a_class_from_another(tmp_path: Path) -> None:
    """Why the probability is differentiated here and the logit everywhere else."""
    made = toy.run_toy(tmp_path, quiet=True)
    data = last_fifty()
    run = vog.score(toy.build, tmp_path / "checkpoints", data, tmp_path / "logit", quiet=True)
    values, labels = run.table()["vog@all"].to_numpy(), data[1]
    for label in (0, 1):
        assert np.ptp(values[labels == label]) < 1e-6 * values[labels == label].mean()
    assert np.ptp(made.run.table()["vog@all"].to_numpy()) > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("vog_cal", ["raw", "normalize", "abs_normalize"])
def test_the_command(cli: Cli, vog_cal: str) -> None:
    code, out, _ = cli("toy", "--mode", "complete", "--vog_cal", vog_cal, "--out", "t", "--quiet")
    assert code == 0
    told = json.loads(Path("t/toy.json").read_text())
    assert (told["split"], told["mode"], told["vog_cal"]) == ("test", "complete", vog_cal)
    assert f"{told['spearman']:.3f}" in out
    run = vog.open("t/run")
    assert (run.rows, len(run.question["checkpoints"])) == (50, 15)
    column = "vog@all" if vog_cal == "raw" else "vog@all:class"
    values = run.table([column])[column].to_numpy()
    assert told["test_accuracy"] == 1
    for name in ("decision_regions", "vog_against_distance"):
        with Image.open(f"t/{name}.png") as image:
            assert image.width > 1000
        svg = ElementTree.parse(f"t/{name}.svg")
        points = [e for e in svg.iter() if e.get("aria-roledescription") == "point"]
        assert len(points) == 50
    described = [point.get("aria-label", "").replace("\u2212", "-") for point in points]
    shown = [float(re.search(r"; vog: ([-\d.e]+)", text)[1]) for text in described]  # type: ignore[index]
    expected = np.abs(values) if vog_cal == "abs_normalize" else values
    np.testing.assert_allclose(shown, expected, rtol=0.01)
    distances = [float(re.search(r"boundary: ([\d.]+)", text)[1]) for text in described]  # type: ignore[index]
    assert spearmanr(shown, distances)[0] == pytest.approx(told["spearman"], abs=0.01)


@pytest.mark.slow
def test_a_second_call_replaces_the_first(tmp_path: Path) -> None:
    toy.run_toy(tmp_path, "train", quiet=True)
    made = toy.run_toy(tmp_path, "test", quiet=True)
    assert made.run.rows == 50


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(ResultError, match="holds other files, and its checkpoints"):
        toy.run_toy(tmp_path, quiet=True)
    assert not (tmp_path / "checkpoints").exists()


def test_a_distance_by_hand() -> None:
    """3 x + 4 y = 5: the point (3, 4) is |9 + 16 - 5| / 5 = 4 away, the point (3, -1) is on it."""
    boundary = toy.Boundary(np.array([3.0, 4.0]), -5.0)
    np.testing.assert_allclose(boundary.distance(np.array([[3.0, 4.0], [3.0, -1.0]])), [4, 0])
