"""Texts and values of tables beside the rows that are printed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import vog
import world
from command_line import Cli
from vog.figures.row_texts import with_texts
from vog.result import Run

REVIEWS = ["a good film", "bad\nand long", "x" * 100, ""]


def lengths(text: str) -> np.ndarray:
    return np.array([len(text), text.count("o")], np.float32)


def linear() -> nn.Module:
    return nn.Linear(2, 2)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "run"
    folder.mkdir()
    for step in range(3):
        torch.manual_seed(step)
        torch.save(linear().state_dict(), folder / f"step-{step}.pt")
    frame = pd.DataFrame({"text": REVIEWS * 5, "label": [0, 1, 1, 0] * 5})
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    return vog.score(
        linear,
        str(folder / "*.pt"),
        tmp_path / "reviews.csv",
        tmp_path / "s",
        transform=lengths,
        quiet=True,
    )


def test_texts_are_on_one_line_and_cut(run: Run) -> None:
    rows = with_texts(run, [{"id": str(row)} for row in range(4)])
    texts = [row["text"] for row in rows]
    assert texts == ["a good film", "bad, and long", "x" * 60 + "\u2026", ""]


def test_top_prints_them_for_people_alone(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(capsys, monkeypatch)
    monkeypatch.setenv("COLUMNS", "200")
    assert "a good film" in cli("top", str(run.folder), "--count", "20")[1]
    assert "a good film" not in cli("top", str(run.folder), "--format", "csv")[1]


def test_without_the_data_there_is_no_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").unlink()
    assert with_texts(run, [{"id": "0"}]) == [{"id": "0"}]


def test_data_of_another_kind_have_no_column(checkpoints: Path, tmp_path: Path) -> None:
    path = world.save_npz(tmp_path / "a.npz", 8)
    pattern = str(checkpoints / "*.pt")
    run = vog.score(world.build, pattern, path, tmp_path / "s", quiet=True)
    assert with_texts(run, [{"id": "0"}]) == [{"id": "0"}]
