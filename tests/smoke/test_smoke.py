"""Every command once, as a user runs it: that the installed versions of all libraries will do."""

import json
import re
import runpy
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

_MODEL = """
import numpy as np
import torch
from torch import nn

def build():
    layers = nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
    return nn.Sequential(*layers)

def transform(image):
    return torch.from_numpy(np.array(image.convert("L"))[None] / np.float32(240))
"""
VOG = Path(sys.executable).with_name("vog")


def vog(*words: object) -> str:
    """Run a command; return what it printed."""
    ended = subprocess.run([VOG, *map(str, words)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _model(home: Path) -> tuple[str, ...]:
    net = home / "net.py"
    return ("--model", f"{net}:build", "--transform", f"{net}:transform")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, one of checkpoints of either kind, a model, and a run of each kind."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "net.py").write_text(_MODEL)
    images, targets = load_digits(return_X_y=True)
    pixels, labels = images.reshape(-1, 8, 8)[:200], targets[:200]
    for row, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / "data" / str(label)).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((image * 15).astype(np.uint8))
        picture.save(folder / "data" / str(label) / f"{row:03d}.png")
    inputs, wanted = torch.from_numpy(pixels[:, None] / 16).float(), torch.from_numpy(labels)
    for seed, kind in enumerate(("pt", "safe")):
        _train(folder, kind, seed, inputs, wanted)
    for kind in ("pt", "safe"):
        words = ("--checkpoints", folder / kind, "--out", folder / f"run-{kind}")
        vog("score", *_model(folder), "--data", folder / "data", *words, "--scores", "all")
    return folder


def _train(folder: Path, kind: str, seed: int, inputs: torch.Tensor, labels: torch.Tensor) -> None:
    torch.manual_seed(seed)
    module = runpy.run_path(str(folder / "net.py"))["build"]()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    (folder / kind).mkdir()
    for step in range(1, 4):
        for _ in range(10):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs), labels).backward()
            optimizer.step()
        if kind == "pt":
            torch.save(module.state_dict(), folder / kind / f"step-{step}.pt")
        else:
            save_file(module.state_dict(), folder / kind / f"step-{step}.safetensors")


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_exports(home: Path, tmp_path: Path, name: str) -> None:
    vog("export", home / "run-pt", "--out", tmp_path / name)
    assert (tmp_path / name).stat().st_size > 0


def test_what_is_told_of_a_run(home: Path, tmp_path: Path) -> None:
    assert "vog" in vog("top", home / "run-pt", "--count", "3")
    assert "agree" in vog("compare", home / "run-pt", home / "run-safe").lower()
    vog("analyze", home / "run-pt", "--out", tmp_path / "analysis")
    vog("suspects", home / "run-pt")
    vog("select", home / "run-pt", "--keep-hardest", "50%", "--out", tmp_path / "kept.txt")
    vog("combine", home / "run-pt", home / "run-safe", "--out", tmp_path / "mean")
    assert (tmp_path / "kept.txt").read_text().strip()


def test_figures(home: Path, tmp_path: Path) -> None:
    vog("report", home / "run-pt", "--out", tmp_path / "report.html", "--figures", tmp_path / "f")
    assert "<svg" in (tmp_path / "report.html").read_text() or list((tmp_path / "f").iterdir())
    vog("grid", home / "run-pt", "--label", "3", "--out", tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.width > 100


def test_planted_faults_are_verified(home: Path, tmp_path: Path) -> None:
    plant = ("plant", "--data", home / "data", "--flip", "10%", "--out", tmp_path / "planted")
    data = re.search(r"vog score --data (.*) --model", vog(*plant))
    assert data is not None
    model = (*_model(home), "--checkpoints", home / "pt")
    vog("score", *model, "--data", *data.group(1).split(), "--out", tmp_path / "run")
    assert "flip" in vog("verify", tmp_path / "run", "--planted", tmp_path / "planted")


def test_stored_gradients_are_imported(home: Path, tmp_path: Path) -> None:
    model = (*_model(home), "--checkpoints", home / "pt")
    vog("gradients", *model, "--data", home / "data", "--out", tmp_path / "g", "--limit", "9")
    vog("import", tmp_path / "g", "--out", tmp_path / "run")
    vog("export", tmp_path / "run", "--out", tmp_path / "rows.csv")
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1 + 9


def test_pages_of_the_viewer(home: Path) -> None:
    words = [str(VOG), "view", str(home / "run-pt"), "--port", "0", "--no-open"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as it:
        assert it.stdout is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
            line = it.stdout.readline()
            assert line, said
            said += line
        try:
            for page in ("/", "/classes", "/example/3", "/compare", "/review", "/review.csv"):
                with urllib.request.urlopen(found.group() + page) as answer:
                    assert answer.status == 200
        finally:
            it.terminate()


def test_a_run_has_its_question(home: Path) -> None:
    assert json.loads((home / "run-pt" / "question.json").read_text())["scores"]
