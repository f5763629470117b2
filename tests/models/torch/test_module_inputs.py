"""Modules that take several tensors by name: what is differentiated, and what is padding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import vog
from plain_models import save, states_of
from vog.errors import ModelError

WIDTH, CLASSES, LONGEST = 4, 3, 5
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, LONGEST + 1, 12)
SEQUENCES = [RNG.normal(size=(length, WIDTH)).astype(np.float32) for length in LENGTHS]
LABELS = RNG.integers(0, CLASSES, len(SEQUENCES))


class Pooled(nn.Module):
    """The mean over real positions of a layer, scaled by a whole number, to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(WIDTH, 6), nn.Linear(6, CLASSES)

    def forward(self, embedded: Tensor, attention_mask: Tensor, times: Tensor) -> Tensor:
        real = attention_mask.float()[..., None]
        hidden = torch.tanh(self.layer(embedded)) * real
        return self.head(hidden.sum(dim=1) / real.sum(dim=1) * times[:, None])


def items(length: int) -> list[tuple[dict[str, np.ndarray], int]]:
    """Every sequence, padded to a length by numbers that must not count."""
    padded = []
    for sequence, label in zip(SEQUENCES, LABELS, strict=True):
        full = np.full((length, WIDTH), 9.0, np.float32)
        full[: len(sequence)] = sequence
        mask = np.arange(length) < len(sequence)
        times = np.array(1 + label, np.int64)
        padded.append(({"embedded": full, "attention_mask": mask, "times": times}, int(label)))
    return padded


@pytest.fixture
def pooled(tmp_path: Path) -> Path:
    return save(states_of(Pooled, 3), tmp_path / "checkpoints")


def plain_vog(pooled: Path) -> np.ndarray:
    """VoG of each sequence as it is, without padding, by the plain way."""
    scores = []
    for sequence, label in zip(SEQUENCES, LABELS, strict=True):
        gradients = []
        for step in range(3):
            module = Pooled()
            module.load_state_dict(torch.load(pooled / f"step-{step}.pt"))
            x = torch.from_numpy(sequence)[None].requires_grad_()
            mask = torch.ones(1, len(sequence), dtype=torch.bool)
            logits = module.eval()(x, mask, torch.tensor([1 + label]))
            gradients.append(torch.autograd.grad(logits[0, int(label)], x)[0][0])
        scores.append(float(torch.stack(gradients).std(dim=0, correction=0).mean()))
    return np.array(scores)


@pytest.mark.parametrize("length", [LONGEST, LONGEST + 4])
def test_scores_are_those_of_what_is_real(length: int, pooled: Path, tmp_path: Path) -> None:
    run = vog.score(Pooled(), pooled, items(length), tmp_path / "run", scores="all", quiet=True)
    np.testing.assert_allclose(run.table()["vog@all"], plain_vog(pooled), rtol=1e-5)
    assert "grand@all" in run.columns
    assert run.problems().num_rows == 0


def test_workers_read_the_same(pooled: Path, tmp_path: Path) -> None:
    here = vog.score(Pooled(), pooled, items(LONGEST), tmp_path / "a", quiet=True, batch_size=5)
    read = vog.score(
        Pooled(), pooled, items(LONGEST), tmp_path / "b", quiet=True, batch_size=5, workers=1
    )
    assert read.table().equals(here.table())


def test_a_mask_of_other_values_is_refused(pooled: Path, tmp_path: Path) -> None:
    """Such as one that is added to attention, where 0 is what is real."""

    def added(item: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**item, "attention_mask": np.where(item["attention_mask"], 0.0, -1e9)}

    data = [(added(inputs), label) for inputs, label in items(LONGEST)]
    with pytest.raises(ModelError, match="attention_mask has other values than 0"):
        vog.score(Pooled(), pooled, data, tmp_path / "run", quiet=True)


class Adding(nn.Module):
    """Takes two tensors of floats."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, CLASSES)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.layer(left + right)


def test_several_tensors_of_floats_are_refused(tmp_path: Path) -> None:
    folder = save(states_of(Adding, 2), tmp_path / "checkpoints")
    pair: Any = {"left": np.ones(2, np.float32), "right": np.ones(2, np.float32)}
    with pytest.raises(ModelError, match=r"the tensors left \(torch.float32\), right \(torch.fl"):
        vog.score(Adding(), folder, [(pair, 0), (pair, 1)], tmp_path / "run", quiet=True)


def test_a_batch_that_does_not_fit_is_shown_by_name(pooled: Path, tmp_path: Path) -> None:
    def wide(item: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**item, "embedded": F.pad(torch.from_numpy(item["embedded"]), (0, 1)).numpy()}

    data = [(wide(inputs), label) for inputs, label in items(LONGEST)]
    with pytest.raises(ModelError, match=r"embedded \(\d+, 5, 5\), attention_mask \(\d+, 5\)"):
        vog.score(Pooled(), pooled, data, tmp_path / "run", quiet=True)
