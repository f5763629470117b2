"""What is computed of models of other libraries equals the plain way, or is refused."""

from pathlib import Path

import pytest
import torch

from architectures import ARCHITECTURES, Architecture
from comparison import TOLERANCE, Comparison, compare
from vog.scores import SCORES


def test_there_are_enough_architectures() -> None:
    assert len(ARCHITECTURES) >= 25
    assert len({one.title for one in ARCHITECTURES}) == len(ARCHITECTURES)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda one: one.title)
def test_scores_equal_the_plain_way(
    architecture: Architecture, tmp_path: Path, rows: list[Comparison]
) -> None:
    torch.use_deterministic_algorithms(True)
    comparison = compare(architecture, tmp_path)
    rows.append(comparison)
    if comparison.refusal:
        return
    assert comparison.steady >= 1
    assert len(comparison.differences) >= len(SCORES) - 1  # grand needs a linear head
    wrong = {name: of for name, of in comparison.differences.items() if not of <= TOLERANCE}
    assert not wrong, f"{comparison.title}: {wrong}"
