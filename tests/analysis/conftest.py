"""A run to be analysed."""

from pathlib import Path

import pytest

import vog
import world
from vog.result import Run


@pytest.fixture
def run(checkpoints: Path, tmp_path: Path) -> Run:
    data = world.inputs_and_labels(120)
    return vog.score(world.build, checkpoints, data, tmp_path / "run", quiet=True)
