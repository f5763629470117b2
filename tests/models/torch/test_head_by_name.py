"""`head`: the layer that a user names is taken as the last one, if it is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vog
from plain_models import WIDTH, X, Y, save, states_of
from vog.errors import DifferentQuestionError, ModelError


class WithAuxiliary(nn.Module):
    """A network whose linear layer that is called last is not the one that it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(WIDTH, 8), nn.Linear(8, 3)
        self.auxiliary = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = torch.tanh(self.first(x.flatten(1)))
        logits = self.head(features)
        self.auxiliary(features)
        return logits


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return save(states_of(WithAuxiliary), tmp_path / "checkpoints")


def test_the_layer_that_is_named_is_the_last(trained: Path, tmp_path: Path) -> None:
    """Where the one called last is another, grand is left out without its name."""
    words = {"scores": "all", "quiet": True}
    without = vog.score(WithAuxiliary, trained, (X, Y), tmp_path / "without", **words)
    assert "grand@all" not in without.score_columns
    assert "head" not in without.question
    run = vog.score(WithAuxiliary, trained, (X, Y), tmp_path / "run", head="head", **words)
    assert run.question["head"] == "head"
    np.testing.assert_allclose(run.values("grand@all"), expected_norms(), rtol=1e-4)


def expected_norms() -> np.ndarray:
    """The mean over checkpoints of the norm of the gradient by the layer, from autograd."""
    norms = []
    for state in states_of(WithAuxiliary):
        module = WithAuxiliary()
        module.load_state_dict(state)
        for image, label in zip(torch.from_numpy(X), torch.from_numpy(Y), strict=True):
            module.zero_grad()
            nn.functional.cross_entropy(module(image[None]), label[None]).backward()
            gradients = [p.grad for p in module.head.parameters() if p.grad is not None]
            norms.append(float(torch.cat([g.flatten() for g in gradients]).norm()))
    return np.array(norms).reshape(-1, len(Y)).mean(axis=0)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("last", "head='last': the model has no linear layer of that name. Expected one of first,"),
        ("auxiliary", "head='auxiliary': the output of this layer, its weights times one vector"),
        ("first", "head='first': the output of this layer"),
    ],
)
def test_a_layer_that_is_not_the_last(
    trained: Path, tmp_path: Path, head: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        vog.score(WithAuxiliary, trained, (X, Y), tmp_path / "run", head=head, quiet=True)
    assert not (tmp_path / "run").exists()


def test_another_layer_is_another_question(trained: Path, tmp_path: Path) -> None:
    vog.score(WithAuxiliary, trained, (X, Y), tmp_path / "run", scores="vog", quiet=True)
    with pytest.raises(DifferentQuestionError, match="head"):
        vog.score(
            *(WithAuxiliary, trained, (X, Y), tmp_path / "run"),
            scores="vog",
            head="head",
            quiet=True,
        )
