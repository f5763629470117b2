"""The recipe of docs/frameworks.md for TensorFlow: the network is trained, saved and scored."""

import sys
from pathlib import Path

import numpy as np
import pytest

import recipes
import vog
from command_line import Cli


def test_the_recipe_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mynet", raising=False)
    ((file, code, training),) = recipes.recipes("TensorFlow")
    images, labels = recipes.begin(file, code)
    exec(training, {"folder": "runs/a", "data": (images, labels)})
    status, _, errors = Cli(capsys, monkeypatch)(*recipes.command("TensorFlow"))
    assert status == 0, errors
    run = vog.open("scores/a")
    assert [entry["step"] for entry in run.question["checkpoints"]] == [1, 2, 3]
    assert np.ptp(run.values("vog@all")) > 0
