"""`experiments/cifar.py` from its files to its figures: a training of nine epochs, scored."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image

import vog
from cifar_files import SCRIPT, cifar10


def test_cifar10_end_to_end(tmp_path: Path) -> None:
    cifar10(tmp_path)
    command = [sys.executable, str(SCRIPT), "--data", str(tmp_path), "--out", str(tmp_path / "o")]
    command += ["--epochs", "9", "--batch-size", "16", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert "epoch 9 of 9" in done.stdout
    assert "test, late:" in done.stdout
    out = tmp_path / "o"
    saved = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert saved == [f"ckpt_{epoch:03d}.pth" for epoch in range(9)]
    assert set(torch.load(out / "checkpoints/ckpt_007.pth", weights_only=True)) == {"net"}
    assert not (out / "training.pt").exists()
    for name, rows in (("train", 40), ("test", 12)):
        run = vog.open(out / name)
        assert (run.rows, run.problems().num_rows) == (rows, 0)
        assert run.question["stages"] == {
            "early": [0, 3],
            "middle": [3, 6],
            "late": [6, 9],
            "all": [0, 9],
        }
        analysis = json.loads((out / f"{name}-analysis" / "analysis.json").read_text())
        assert {one["label_name"] for one in analysis["classes"]} == {
            *("airplane", "automobile", "bird", "cat")
        }
        with Image.open(out / f"{name}-analysis" / "error_by_decile.png") as image:
            assert image.width > 1000
    other = [*command[:-2], "--seed", "1"]
    refused = subprocess.run(other, capture_output=True, text=True, env=os.environ, check=False)
    assert refused.returncode == 1
    assert "was begun otherwise: seed was 0, is 1. Give another --out." in refused.stderr
    stamps = {path: path.stat().st_mtime_ns for path in (out / "checkpoints").iterdir()}
    again = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert again.returncode == 0
    assert "epoch" not in again.stdout
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
