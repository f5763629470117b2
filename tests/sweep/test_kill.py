"""`kill -9` at random moments: the table in the end is that of an uninterrupted run."""

from pathlib import Path

import numpy as np
import pytest
import torch

import kills
import vog
import world


@pytest.mark.process
@pytest.mark.slow
def test_kills_end_in_the_same_table(checkpoints: Path, tmp_path: Path) -> None:
    first = kills.finish(checkpoints, tmp_path / "whole")
    kills.killed_often(checkpoints, tmp_path / "whole", first, tmp_path / "killed", kills=6)


def test_equal_tables_is_a_check_that_can_fail(checkpoints: Path, tmp_path: Path) -> None:
    inputs, labels = world.inputs_and_labels(9)
    one = vog.score(world.build, checkpoints, (inputs, labels), tmp_path / "a")
    inputs[4, 0, 0, 0] = np.nextafter(inputs[4, 0, 0, 0], np.float32(9))
    assert torch.is_grad_enabled()
    other = vog.score(world.build, checkpoints, (inputs + 1e-3, labels), tmp_path / "b")
    assert not one.table().equals(other.table())
