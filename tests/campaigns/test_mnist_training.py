"""`experiments/mnist.py` end to end on a few digits: trainings, scores, figures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import mnist
import vog

KINDS = {"rotated", "inverted", "uci", "uniform", "gaussian"}


def save_digits(path: Path, count: int) -> Path:
    """Real digits of 8 x 8 pixels, enlarged, in the format of the file."""
    pixels, labels = load_digits(return_X_y=True)
    small = (pixels[:count].reshape(-1, 8, 8) / 16 * 255).astype(np.uint8)
    images = np.stack([np.asarray(Image.fromarray(one).resize((28, 28))) for one in small])
    np.savez(path, images=images, labels=labels[:count].astype(np.uint8))
    return path


def test_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "EPOCHS": 6,
        "CHECKPOINTS": 6,
        "SHUFFLED_EPOCHS": 6,
        "TEST": 100,
        "BATCH": 16,
    }.items():
        monkeypatch.setattr(mnist, name, value)
    data = save_digits(tmp_path / "digits.npz", 400)
    mnist.main(data, tmp_path / "out", seeds=1)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["accuracy"]["recipe"][0]["train"] > 0.5
    for split in ("label", "prediction"):
        stages = found[f"error by {split}"]
        assert set(stages) == set(mnist.STAGES)
        assert sum(one["examples"] for one in stages["late"]["deciles"]) == 100
        assert 0 <= stages["early"]["auroc"][0] <= 1
    assert set(found["outside"]) == KINDS
    assert 40 <= found["memorization"]["changed"][0] <= 60, "of 60, some keep theirs by chance"
    late = found["outside"]["uniform"]["vog@late"][0]
    assert set(late) == {"auroc", "aupr", "fpr95"}
    for name in ("error_by_label", "error_by_prediction", "memorization", "outside"):
        with Image.open(tmp_path / "out" / f"{name}.png") as image:
            assert image.width > 1000
    run = vog.open(tmp_path / "out/seed-0/recipe/test-predicted")
    assert (run.rows, run.question["target"]) == (100, "predicted")
    checkpoints = tmp_path / "out/seed-0/recipe/checkpoints"
    stamps = {path: path.stat().st_mtime_ns for path in checkpoints.iterdir()}
    mnist.main(data, tmp_path / "out", seeds=1)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    again = json.loads((tmp_path / "out" / "results.json").read_text())
    assert again == found
