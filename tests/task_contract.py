"""What holds for the tasks in every framework: a dense layer gives what it gives in PyTorch.

A test file of a framework makes a class that inherits `TaskContract`, with a fixture `dense`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import vog
from adapter_contract import assert_equal_runs

WIDTH, ROWS, STEPS = 6, 24, 4
_RANDOM = np.random.default_rng(0)
INPUTS = _RANDOM.normal(size=(ROWS, WIDTH)).astype(np.float32)
_TOKENS = _RANDOM.integers(0, 4, (ROWS, 2))
_TOKENS[:5, 1] = -100


@dataclass(frozen=True)
class TaskCase:
    """A task with the outputs of a dense layer, and labels.

    Attributes:
        shape: of the outputs of an example.
        labels: of all examples.
        activation: of the layer in frameworks that leave it out at the end, as Keras does.
    """

    shape: tuple[int, ...]
    labels: np.ndarray
    activation: str | None = None

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return int(np.prod(self.shape))

    def weights(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the matrix, inputs first, and the bias of a step."""
        random = np.random.default_rng(step)
        kernel = random.normal(size=(WIDTH, self.outputs)).astype(np.float32)
        return kernel, random.normal(size=self.outputs).astype(np.float32)


CASES = {
    "binary": TaskCase((1,), _RANDOM.integers(0, 2, ROWS), "sigmoid"),
    "multi-label": TaskCase((3,), _RANDOM.integers(0, 2, (ROWS, 3)), "sigmoid"),
    "regression": TaskCase((2,), _RANDOM.normal(size=(ROWS, 2))),
    "tokens": TaskCase((2, 4), _TOKENS),
}
# From a case and an empty folder: the arguments that name model and checkpoints.
Dense = Callable[[TaskCase, Path], dict[str, Any]]


def dense_of_torch(case: TaskCase, folder: Path) -> dict[str, Any]:
    """Return the layer in PyTorch."""

    def build() -> nn.Sequential:
        layer = nn.Linear(WIDTH, case.outputs)
        return nn.Sequential(layer, *([nn.Unflatten(1, case.shape)] if len(case.shape) > 1 else []))

    module = build()
    layer = module[0]
    for step in range(STEPS):
        kernel, bias = case.weights(step)
        layer.load_state_dict(
            {"weight": torch.from_numpy(kernel.T), "bias": torch.from_numpy(bias)}
        )
        torch.save(module.state_dict(), folder / f"step-{step}.pt")
    return {"model": build, "checkpoints": str(folder / "*.pt")}


def run_of(options: dict[str, Any], case: TaskCase, out: Path, task: str) -> vog.Run:
    data = (INPUTS, case.labels)
    return vog.score(**options, data=data, out=out, task=task, scores="all", quiet=True)


class TaskContract:
    """The tests; a class that inherits them has the fixture `dense`."""

    @pytest.fixture
    def dense(self) -> Dense:
        raise NotImplementedError("a class of a framework has this fixture")

    @pytest.mark.parametrize("name", list(CASES))
    def test_every_task_is_that_of_torch(self, dense: Dense, name: str, tmp_path: Path) -> None:
        case = CASES[name]
        for folder in ("theirs", "torch"):
            (tmp_path / folder).mkdir()
        run = run_of(dense(case, tmp_path / "theirs"), case, tmp_path / "run", "auto")
        options = dense_of_torch(case, tmp_path / "torch")
        assert run.task == name
        assert_equal_runs(run, run_of(options, case, tmp_path / "expected", name))
