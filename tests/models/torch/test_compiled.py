"""torch.compile: one graph for all checkpoints, the same numbers, and only where it pays."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

import vog
import world
from command_line import TESTS
from vog.data.inputs import Uniform
from vog.models.torch import adapter
from vog.models.torch.adapter import TorchModel
from vog.models.torch.linear_head import Forward, Head
from vog.models.torch.weights_in_place import TorchWeights
from vog.sweep import acceleration
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

Data = tuple[np.ndarray, np.ndarray]
needs_compiler = pytest.mark.skipif(
    shutil.which("c++") is None, reason="no C++ compiler (c++), which torch.compile calls"
)


def request(model: Any, checkpoints: Path, data: Data, out: Path, **words: Any) -> Request:
    return Request(model, checkpoints, data, out, quiet=True, compile=True, **words)


# In a process of its own: the compiler does not see through the checks of shapes in this one.
COMPILE = """
import sys
sys.path.insert(0, sys.argv[1])
import torch, vog, world
from vog.sweep import acceleration
acceleration._speedup = lambda *_: 2.0
run = vog.score(world.build, sys.argv[2], world.inputs_and_labels(30), sys.argv[3], scores="all",
                batch_size=8, precision=sys.argv[4], compile=True)
assert run.question["compiled"] is True
print(torch._dynamo.utils.counters["stats"]["unique_graphs"])
"""


@pytest.mark.process
@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_compiled_run_is_an_uncompiled_one(
    precision: Any, checkpoints: Path, tmp_path: Path
) -> None:
    """All scores, a ragged last batch, and a graph that is made once and not once a checkpoint."""
    out = tmp_path / "compiled"
    words = [str(TESTS), str(checkpoints), str(out), precision]
    process = subprocess.run(
        [sys.executable, "-c", COMPILE, *words], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == "1\n"
    data = world.inputs_and_labels(30)
    plain = vog.score(
        *(world.build, checkpoints, data, tmp_path / "plain"),
        scores="all",
        batch_size=8,
        precision=precision,
    )
    run, rounding = vog.open(out), 1e-4 if precision == "float32" else 0.05
    for column in plain.score_columns:
        np.testing.assert_allclose(
            run.table()[column], plain.table()[column], rtol=rounding, atol=1e-3, err_msg=column
        )


def forward(module: nn.Module, head: Head | None) -> Forward:
    return TorchModel(module, head=head)._run


@pytest.mark.parametrize(("speed", "used"), [(0.99, False), (1.5, True)])
def test_it_is_used_only_where_it_is_faster(
    speed: float,
    used: bool,
    checkpoints: Path,
    digits: Data,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter, "compile_forward", forward)
    monkeypatch.setattr(acceleration, "_speedup", lambda *_: speed)
    job = prepare(request(world.build, checkpoints, digits, tmp_path / "run"))
    assert isinstance(job.model, TorchModel)
    assert (job.model.compiled is not None) == used == ("compiled" in job.question)
    assert f"{'yes' if used else 'no'}: {speed:.2f} times as fast" in job.notes["compile"]


def test_it_is_not_used_where_it_gives_other_numbers(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(module: nn.Module, head: Head | None) -> Forward:
        def scaled(weights: TorchWeights, inputs: Uniform) -> tuple[Tensor, Tensor | None]:
            assert isinstance(inputs, Tensor)
            return forward(module, head)(weights, inputs * 1.001)

        return scaled

    monkeypatch.setattr(adapter, "compile_forward", wrong)
    monkeypatch.setattr(acceleration, "_speedup", lambda *_: 2.0)
    job = prepare(request(world.build, checkpoints, digits, tmp_path / "run"))
    assert job.notes["compile"] == "no: the compiled model gives different numbers"


class Branching(nn.Module):
    """Decides by its data, which no graph can."""

    def __init__(self) -> None:
        super().__init__()
        self.net = world.build()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x if x.sum() > 1e9 else x * 1)


@pytest.mark.slow
def test_what_cannot_be_compiled_runs_as_it_is(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    run = vog.score(Branching(), checkpoints, digits, tmp_path / "a", compile=True)
    plain = vog.score(Branching(), checkpoints, digits, tmp_path / "b")
    assert "compiled" not in run.question
    assert run.table().equals(plain.table())


@pytest.mark.slow
def test_a_run_that_is_continued_is_not_measured_again(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vog.score(world.build, checkpoints, digits, tmp_path / "run")
    monkeypatch.setattr(acceleration, "try_compiling", lambda *_: pytest.fail("measured"))
    job = prepare(request(world.build, checkpoints, digits, tmp_path / "run"))
    assert job.notes["compile"] == "no: as when the run began"
