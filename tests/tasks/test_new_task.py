"""A task is one class, with outcomes and a loss; scores that need others are left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

import vog
from plain_models import save, states_of
from vog.errors import DataError, ModelError, ScoreError
from vog.observation import Observation, Outcome, Signal
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request
from vog.tasks import Task
from vog.tasks.targets import Target


def half_squared_error(values: Tensor, labels: Tensor) -> Tensor:
    return (values[:, 0] - labels).square() / 2


def _error(observation: Observation) -> Tensor:
    return (observation.signal(Signal.LOGITS)[..., 0] - observation.labels).abs()


_OUTCOMES: Mapping[Outcome, Callable[[Observation], Tensor]] = {
    Outcome.ERROR: _error,
    Outcome.LOSS: lambda observation: _error(observation).square() / 2,
}


@dataclass(frozen=True)
class Counting(Task):
    """How many there are: one output, and a label that is a whole number."""

    @property
    def name(self) -> str:
        return "counting"

    @property
    def outcomes(self) -> frozenset[Outcome]:
        return frozenset(_OUTCOMES)

    @property
    def loss(self) -> Target:
        return Target("half squared error", half_squared_error)

    def check_outputs(self, values: Float[Tensor, "n *outputs"]) -> None:
        if values.shape[1] != 1:
            raise ModelError(f"the model returns {values.shape[1]} outputs; expected one.")

    def are_labels(
        self, labels: Shaped[np.ndarray, "n *label"], outputs: int
    ) -> Bool[np.ndarray, "n"]:
        return labels >= 0

    def expected_labels(self, outputs: int) -> str:
        return "the numbers from 0"

    def complete(self, observation: Observation, names: frozenset[Outcome]) -> Observation:
        return replace(observation, outcomes={name: _OUTCOMES[name](observation) for name in names})


INPUTS = np.random.default_rng(0).normal(size=(24, 5)).astype(np.float32)
LABELS = np.arange(24)


@pytest.fixture
def counters(tmp_path: Path) -> Path:
    return save(states_of(build), tmp_path / "checkpoints")


def build() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))


def first_output(values: Tensor, labels: Tensor) -> Tensor:
    return values[:, 0]


def request(counters: Path, out: Path, scores: str = "all", labels: object = LABELS) -> Request:
    data = (INPUTS, labels)
    return Request(build, counters, data, out, scores=scores, target=first_output, quiet=True)


def assert_close(column: Any, expected: Tensor) -> None:
    np.testing.assert_allclose(column, expected, rtol=1e-5, atol=1e-6)


def test_its_scores_are_those_of_its_own_loss(counters: Path, tmp_path: Path) -> None:
    job = prepare(request(counters, tmp_path / "run"), Counting())
    assert isinstance(job.task, Task)
    assert [score.name for score in job.scores] == [
        *("vog", "grad_norm", "volg", "csg", "grand", "loss", "el2n")
    ]
    assert job.left_out["aum"] == "counting has no margin"
    sweep(job)
    table = vog.open(tmp_path / "run").table()
    losses, norms, squares = [], [], []
    for step in range(4):
        module = build()
        module.load_state_dict(torch.load(counters / f"step-{step}.pt"))
        x = torch.from_numpy(INPUTS).requires_grad_()
        each = half_squared_error(module(x), torch.from_numpy(LABELS))
        (gradient,) = torch.autograd.grad(each.sum(), x, retain_graph=True)
        squares.append(gradient.square().sum(dim=1))
        losses.append(each.detach())
        last = [
            torch.autograd.grad(one, list(module[2].parameters()), retain_graph=True)
            for one in each
        ]
        norms.append(torch.stack([torch.cat([g.flatten() for g in pair]).norm() for pair in last]))
    assert_close(table["loss@all"], torch.stack(losses).mean(dim=0))
    assert_close(table["csg@all"], torch.stack(squares).sum(dim=0))
    assert_close(table["grand@all"], torch.stack(norms).mean(dim=0))
    assert not [name for name in table.column_names if name.startswith("prediction")]


def test_what_it_lacks_is_refused_by_name(counters: Path, tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match=r"aum needs the margin, which counting does not have"):
        prepare(request(counters, tmp_path / "run", "vog,aum"), Counting())


def test_its_own_checks_hold(counters: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="so the task is unknown. If they are amounts, pass task=.regression"
    ):
        prepare(request(counters, tmp_path / "run"))
    labels = LABELS.copy()
    labels[3] = -5
    with pytest.raises(DataError, match="1 of 24 labels are outside the numbers from 0"):
        prepare(request(counters, tmp_path / "run", labels=labels), Counting())
