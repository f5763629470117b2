"""Models that do with gradients what few do: the numbers of the plain way, or one sentence."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import vog
from plain_models import WIDTH, Base, X, Y, assert_as_plain, plain, save, states_of
from vog.errors import ModelError


class OfAnEnergy(Base):
    """Adds the gradient of an energy by its input, as networks of forces do."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        if not flat.requires_grad:
            flat.requires_grad_()
        energy = self.last(torch.tanh(self.first(flat))).square().sum()
        (force,) = torch.autograd.grad(energy, flat, create_graph=True)
        return self.last(torch.tanh(self.first(flat + force)))


class Ensemble(nn.Module):
    """Three networks at once by `torch.func.vmap`."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList(Base() for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        stacked = torch.func.stack_module_state(list(self.members))
        one = self.members[0]

        def answer(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(one, (parameters, buffers), (x,))

        return torch.func.vmap(answer)(*stacked).mean(0)


class Adapting(Base):
    """Takes a gradient by its own weight, as networks do that learn while they are used."""

    def forward(self, x: Tensor) -> Tensor:
        loss = self.first(x.flatten(1)).square().mean()
        (step,) = torch.autograd.grad(loss, self.first.weight, create_graph=True)
        return self.last(torch.tanh(x.flatten(1) @ (self.first.weight - step).T))


class OfBatches(Base):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x.flatten(1))))


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(WIDTH, 3).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.flatten(1).double())


@pytest.mark.parametrize("build", [OfAnEnergy, Ensemble])
def test_as_the_plain_way(build: type[nn.Module], tmp_path: Path) -> None:
    assert_as_plain(build, states_of(build), tmp_path)


@pytest.mark.parametrize("build", [OfAnEnergy])
def test_scores_that_need_no_gradient(build: type[nn.Module], tmp_path: Path) -> None:
    """Of a model that takes gradients itself; ours are off then."""
    found = save(states_of(build), tmp_path / "ck")
    few = vog.score(build, found, (X, Y), tmp_path / "few", scores="aum").values("aum@all")
    many = vog.score(build, found, (X, Y), tmp_path / "many").values("aum@all")
    assert few == pytest.approx(many, rel=1e-6)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (Adapting, "The model takes gradients with respect to its own weights in its forward pass"),
        (OfBatches, "the model takes 10 examples together and not one alone: ValueError: Expected"),
        (Doubled, "Weights and inputs are float32 here, whatever they were trained in (float64)"),
    ],
)
def test_one_sentence(build: type[nn.Module], said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        vog.score(build, save(states_of(build), tmp_path / "ck"), (X, Y), tmp_path / "run")
    assert said in str(caught.value)
    assert "transform" not in str(caught.value), "it has nothing to do with it"


@pytest.mark.parametrize("given", ["module", "function"])
def test_a_model_without_values(given: str, tmp_path: Path) -> None:
    def build() -> nn.Module:
        with torch.device("meta"):
            return Base()

    found = save(states_of(Base), tmp_path / "ck")
    model = build if given == "function" else build()
    with pytest.raises(ModelError, match="4 tensors of the model are on the meta device"):
        vog.score(model, found, (X, Y), tmp_path / "run")


class Tokens(nn.Module):
    """A convolution with its norm, whose channels become tokens, as in LeViT."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.mix, self.last = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.stem(x)).flatten(2).transpose(1, 2)
        return self.last(torch.tanh(self.mix(tokens)).mean(1))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 3, 10])
@pytest.mark.parametrize("fold", [True, False])
def test_an_example_alone_in_its_batch(batch_size: int, fold: bool, tmp_path: Path) -> None:
    """PyTorch 2.13 and 2.14 give it a wrong gradient in this network, without a word."""
    states = states_of(Tokens)
    run = vog.score(
        *(Tokens, save(states, tmp_path / "ck"), (X, Y), tmp_path / "run"),
        batch_size=batch_size,
        fold=fold,
    )
    assert run.values("vog@all") == pytest.approx(plain(Tokens, states)["vog"], rel=1e-4)
