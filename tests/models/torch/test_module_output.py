"""Gradients with respect to the output of a module inside the model, against a hook by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vog
from plain_models import X as IMAGES
from plain_models import Y as IMAGE_LABELS
from plain_models import save, states_of
from vog.errors import ModelError, ScoreError, VogError
from vog.models.torch.module_output import input_embedding

CLASSES, STEPS = 3, 3
RNG = np.random.default_rng(1)
NUMBERS = RNG.normal(size=(12, 4)).astype(np.float32)
CATEGORIES = RNG.integers(0, 5, (12, 2))
LABELS = RNG.integers(0, CLASSES, 12).tolist()


class Convolutional(nn.Module):
    """Two convolutions with a norm between them, which can be folded into the first."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.head = nn.Conv2d(4, 3, 3), nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        return self.head(torch.tanh(self.second(x)).mean(dim=(2, 3)))


class Table(nn.Module):
    """Numbers and categories."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.layer, self.head = nn.Linear(4 + 6, 8), nn.Linear(8, CLASSES)

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        joined = torch.cat([num, self.embedding(cat).flatten(1)], dim=1)
        return self.head(torch.tanh(self.layer(joined)))


class Categories(nn.Module):
    """Categories without an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(10, CLASSES)

    def forward(self, cat: Tensor) -> Tensor:
        return self.head(nn.functional.one_hot(cat, 5).flatten(1).float())


def checkpoints(build: Callable[[], nn.Module], folder: Path) -> Path:
    return save(states_of(build, STEPS), folder / "checkpoints")


def by_hand(
    build: Callable[[], nn.Module], inputs: tuple[Any, ...], labels: Any, name: str
) -> np.ndarray:
    """VoG over the output of a module, no axis averaged before the spread is taken."""
    gradients = []
    for state in states_of(build, STEPS):
        module = build().eval()
        module.load_state_dict(state)
        leaves: list[Tensor] = []

        def cut(layer: Any, arguments: Any, output: Tensor, leaves: Any = leaves) -> Tensor:
            leaves.append(output.detach().requires_grad_())
            return leaves[0]

        module.get_submodule(name).register_forward_hook(cut)
        logits = module(*map(torch.from_numpy, inputs))
        logits[torch.arange(len(labels)), torch.as_tensor(labels)].sum().backward()
        assert leaves[0].grad is not None
        gradients.append(leaves[0].grad)
    return torch.stack(gradients).std(dim=0, correction=0).flatten(1).mean(1).numpy()


@pytest.mark.parametrize("name", ["first", "norm", "second", "head"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_features_have_no_colours(name: str, precision: str, tmp_path: Path) -> None:
    folder = checkpoints(Convolutional, tmp_path)
    data = (IMAGES, IMAGE_LABELS)
    run = vog.score(
        Convolutional(), folder, data, tmp_path / "run", wrt=name, scores="all", quiet=True,
        precision=precision,  # type: ignore[arg-type]
    )  # fmt: skip
    expected = by_hand(Convolutional, (IMAGES,), IMAGE_LABELS, name)
    tolerance = 2e-6 if precision == "float32" else 0.05
    difference = np.abs(run.values("vog@all") - expected).max()
    assert difference <= tolerance * max(expected.max(), 1)
    assert run.question["wrt"] == name
    assert run.question["layout"] == "none"
    assert "grand@all" in run.columns


def test_a_run_goes_on_only_with_the_same_module(tmp_path: Path) -> None:
    folder = checkpoints(Convolutional, tmp_path)
    data = (IMAGES, IMAGE_LABELS)
    vog.score(Convolutional(), folder, data, tmp_path / "run", wrt="first", quiet=True)
    with pytest.raises(VogError, match=r"wrt: was 'first', is now 'second'"):
        vog.score(Convolutional(), folder, data, tmp_path / "run", wrt="second", quiet=True)


def table_items(form: str) -> list[Any]:
    rows = zip(NUMBERS, CATEGORIES, LABELS, strict=True)
    if form == "pair":
        return [((num, cat), label) for num, cat, label in rows]
    return [{"cat": cat, "num": num, "label": label, "id": 1} for num, cat, label in rows]


@pytest.mark.parametrize("form", ["pair", "dict"])
def test_numbers_are_differentiated_beside_categories(form: str, tmp_path: Path) -> None:
    folder = checkpoints(Table, tmp_path)
    run = vog.score(Table(), folder, table_items(form), tmp_path / "run", quiet=True)
    gradients = []
    for state in states_of(Table, STEPS):
        module = Table()
        module.load_state_dict(state)
        leaf = torch.from_numpy(NUMBERS).requires_grad_()
        logits = module(leaf, torch.from_numpy(CATEGORIES))
        logits[torch.arange(12), torch.tensor(LABELS)].sum().backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    expected = torch.stack(gradients).std(dim=0, correction=0).mean(dim=1).numpy()
    np.testing.assert_allclose(run.values("vog@all"), expected, rtol=1e-5)
    assert "wrt" not in run.question
    other = vog.score(
        Table(), folder, table_items(form), tmp_path / "other", wrt="embeddings", quiet=True
    )
    expected = by_hand(Table, (NUMBERS, CATEGORIES), LABELS, "embedding")
    np.testing.assert_allclose(other.values("vog@all"), expected, rtol=1e-5)
    assert other.question["wrt"] == "embedding"


def test_without_anything_to_differentiate_gradient_scores_are_left_out(tmp_path: Path) -> None:
    folder = checkpoints(Categories, tmp_path)
    data = (CATEGORIES, np.array(LABELS))
    run = vog.score(Categories(), folder, data, tmp_path / "run", quiet=True)
    assert "vog@all" not in run.columns
    assert {"aum@all", "loss@all", "grand@all"} <= set(run.columns)
    with pytest.raises(ScoreError, match="vog needs a gradient, and there is nothing to diff"):
        vog.score(Categories(), folder, data, tmp_path / "other", scores="vog", quiet=True)


class Twice(nn.Module):
    """Calls its embedding twice, and returns a pair from a part."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.never = nn.Embedding(5, 3), nn.Linear(1, 1)
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, cat: Tensor) -> Tensor:
        words = self.embedding(cat) + self.embedding(cat.flip(1))
        return self.head(self.lstm(words)[0].mean(dim=1))


@pytest.mark.parametrize(
    ("wrt", "message"),
    [
        (None, "wrt='embedding': Embedding is called twice in a forward pass"),
        ("never", "wrt='never': the model does not call this module in its forward pass"),
        ("lstm", "wrt='lstm': LSTM returns tuple; expected one tensor of floats"),
        ("lstn", "wrt='lstn': the model has no module of that name. Did you mean 'lstm'"),
    ],
)
def test_modules_that_cannot_be_differentiated(
    wrt: str | None, message: str, tmp_path: Path
) -> None:
    folder = checkpoints(Twice, tmp_path)
    data = (CATEGORIES, np.array(LABELS))
    with pytest.raises(ModelError, match=message):
        vog.score(Twice(), folder, data, tmp_path / "run", wrt=wrt, quiet=True)


def test_colours_of_features_are_refused(tmp_path: Path) -> None:
    folder = checkpoints(Convolutional, tmp_path)
    with pytest.raises(ScoreError, match="layout='channels-first': the output of first is diff"):
        vog.score(
            *(Convolutional(), folder, (IMAGES, IMAGE_LABELS), tmp_path / "run"),
            wrt="first", layout="channels-first", quiet=True,
        )  # fmt: skip


def test_the_input_embedding_is_found() -> None:
    assert input_embedding(Twice()) == "embedding"
    assert input_embedding(nn.Sequential(nn.Linear(2, 2), nn.Embedding(2, 2))) == "1"
    assert input_embedding(Categories()) is None
