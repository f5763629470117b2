"""The user's model is afterwards as it was, whatever happened in between."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import vog
import world
from vog.errors import VogError

Data = tuple[np.ndarray, np.ndarray]


def state_of(module: nn.Module) -> dict[str, object]:
    """Everything that scoring could have changed."""
    return {
        "training": [m.training for m in module.modules()],
        "requires_grad": [p.requires_grad for p in module.parameters()],
        "grad": [None if p.grad is None else p.grad.tolist() for p in module.parameters()],
        "values": {name: value.tolist() for name, value in module.state_dict().items()},
        "identity": [id(p) for p in module.parameters()] + [id(b) for b in module.buffers()],
        "device": [str(p.device) for p in module.parameters()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules()],
    }


@pytest.fixture
def module() -> nn.Sequential:
    """In the middle of training: modes mixed, a frozen layer, a gradient that is kept."""
    module = world.build()
    module[1].eval()
    module[0].bias.requires_grad_(False)
    module[5].weight.grad = torch.ones(4, 96)
    return module


@pytest.mark.slow
def test_after_scoring(
    module: nn.Sequential, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    before = state_of(module)
    vog.score(module, checkpoints, digits, tmp_path / "run", scores="all")
    assert state_of(module) == before
    assert torch.is_grad_enabled()


def test_after_a_failure(
    module: nn.Sequential, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    before = state_of(module)
    inputs, labels = digits
    with pytest.raises(VogError):
        vog.score(module, checkpoints, (inputs, labels + 9), tmp_path / "run")
    assert state_of(module) == before


def test_after_a_failure_in_the_middle(
    module: nn.Sequential, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    before = state_of(module)

    def breaks_later(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        if len(classes) == 2:  # the ragged last batch
            raise ZeroDivisionError
        return logits.gather(1, classes[:, None])[:, 0]

    with pytest.raises(VogError, match="failed: ZeroDivisionError"):
        vog.score(module, checkpoints, digits, tmp_path / "run", target=breaks_later, batch_size=7)
    assert state_of(module) == before


@pytest.mark.slow
def test_random_numbers_of_the_user_are_not_drawn(
    module: nn.Sequential, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    vog.score(module, checkpoints, digits, tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_the_users_arrays_are_not_written_to(
    module: nn.Sequential, checkpoints: Path, tmp_path: Path
) -> None:
    """Not even by a first layer that works in place."""
    inputs, labels = world.inputs_and_labels(12)
    copy = inputs.copy()
    first_in_place = nn.Sequential(nn.ReLU(inplace=True), *module)
    folder = tmp_path / "shifted"
    folder.mkdir()
    for i in range(3):
        torch.save(nn.Sequential(nn.ReLU(), *world.build()).state_dict(), folder / f"{i}.pt")
    vog.score(first_in_place, folder, (inputs, labels), tmp_path / "run")
    np.testing.assert_array_equal(inputs, copy)
