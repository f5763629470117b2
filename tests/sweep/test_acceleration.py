"""bfloat16: when it is taken, what is kept in float32, and what the question says of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vog
import world
from observing import fitted, observer
from vog.analysis.one_run.correlation import spearman
from vog.errors import ModelError
from vog.models.torch.adapter import TorchModel
from vog.models.torch.linear_head import Head
from vog.scores import Signal
from vog.sweep import acceleration
from vog.sweep.prepare import prepare
from vog.sweep.request import PrecisionSpec, Request

Data = tuple[np.ndarray, np.ndarray]


def request(checkpoints: Path, data: Data, out: Path, **words: Any) -> Request:
    return Request(world.build, checkpoints, data, out, quiet=True, **words)


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What timing says, which depends on the machine."""
    said = {"speed": 2.0}
    monkeypatch.setattr(acceleration, "_speedup", lambda *_: said["speed"])
    return said


@pytest.mark.slow
def test_the_fidelity_is_measured_and_stored(
    checkpoints: Path, speed: dict[str, float], tmp_path: Path
) -> None:
    data = world.inputs_and_labels(100)
    job = prepare(request(checkpoints, data, tmp_path / "a", precision="auto"))
    assert isinstance(job.model, TorchModel)
    assert job.model.precision == job.question["precision"] == "bfloat16"
    found = job.question["fidelity"]
    assert found["examples"] == 100
    exact = vog.score(world.build, checkpoints, data, tmp_path / "exact").table()
    halved = vog.score(world.build, checkpoints, data, tmp_path / "b", precision="auto")
    for column in ("vog@early", "vog@late", "vog@all", "loss@all"):
        expected = spearman(exact[column].to_numpy(), halved.table()[column].to_numpy())
        assert found["spearman"][column] == pytest.approx(expected, abs=1e-4)
        assert not exact[column].equals(halved.table()[column])
    assert "bfloat16: vog@" in job.notes["precision"]
    assert "2.00 times as fast" in job.notes["precision"]
    assert halved.question["fidelity"] == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spearman_of", "times", "taken"),
    [
        ({"vog@late": 0.9949, "vog@all": 1.0}, 2.0, False),
        ({"vog@late": 0.9951, "vog@all": 1.0, "loss@all": 0.9}, 2.0, True),
        ({"vog@late": 1.0, "vog@all": 1.0}, 0.9, False),
        ({"loss@all": 0.99, "aum@all": 1.0}, 2.0, False),
        ({}, 2.0, False),
    ],
    ids=["one stage unfaithful", "faithful", "slower", "without vog", "constant scores"],
)
def test_when_it_is_taken(
    spearman_of: dict[str, float],
    times: float,
    taken: bool,
    checkpoints: Path,
    digits: Data,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = acceleration.Fidelity(spearman_of, 30, times)
    monkeypatch.setattr(acceleration, "compare_computations", lambda *_: found)
    job = prepare(request(checkpoints, digits, tmp_path / "run", precision="auto"))
    assert job.question["precision"] == ("bfloat16" if taken else "float32")
    assert ("fidelity" in job.question) == taken
    assert job.notes["precision"].startswith(job.question["precision"])
    assert next(iter(job.weights.each()))["0.weight"].dtype == (
        torch.bfloat16 if taken else torch.float32
    )


def test_asked_for_by_name_it_is_taken_whatever_is_found(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        acceleration,
        "compare_computations",
        lambda *_: acceleration.Fidelity({"vog@all": 0.2}, 30, 0.5),
    )
    job = prepare(request(checkpoints, digits, tmp_path / "run", precision="bfloat16"))
    assert job.question["precision"] == "bfloat16"
    assert job.question["fidelity"]["spearman"] == {"vog@all": 0.2}
    assert "in bfloat16 has rank correlation 0.2000 with float32" in job.notes["precision"]


@pytest.mark.slow
def test_a_run_that_is_continued_keeps_its_precision(
    checkpoints: Path, digits: Data, tmp_path: Path, speed: dict[str, float]
) -> None:
    """However fast each is on the machine where it is continued."""
    asked: tuple[tuple[PrecisionSpec, float], ...] = (
        *(("auto", 2.0), ("auto", 0.5)),
        *(("bfloat16", 2.0), ("float32", 2.0)),
    )
    for first, times in asked:
        out = tmp_path / f"{first}-{times}"
        speed["speed"] = times
        before = vog.score(world.build, checkpoints, digits, out, precision=first)
        speed["speed"] = 1 / times
        after = vog.score(world.build, checkpoints, digits, out, precision="auto")
        assert after.question == before.question
        assert after.table().equals(before.table())


def test_logits_of_the_head_are_float32() -> None:
    """1 + 2^-10 is no bfloat16: a logit of it tells whether the head was rounded."""
    layer = nn.Linear(2, 2, bias=False)
    module = nn.Sequential(nn.Identity(), layer)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1 + 2**-10, 0], [0, 1]]))
    model = TorchModel(module, head=Head("1", layer), precision="bfloat16")
    weights = model.ready(fitted(model))
    with model.evaluation_mode():
        seen = observer(model)(
            weights, torch.eye(2), torch.tensor([0, 1]), frozenset({Signal.INPUT_GRADIENT})
        )
    expected = torch.tensor([[[1 + 2**-10, 0], [0, 1]]])
    assert torch.equal(seen.signal(Signal.LOGITS), expected)
    assert torch.equal(seen.signal(Signal.INPUT_GRADIENT), expected)


def test_only_convolutions_and_linear_layers_are_rounded() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2, 3))
            self.norm = nn.LayerNorm(3)
            self.conv, self.inner, self.head = nn.Conv1d(2, 2, 1), nn.Linear(3, 3), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.inner(self.conv(self.norm(x * self.scale))).flatten(1))

    module = Net()
    model = TorchModel(module, head=Head("head", module.head), precision="bfloat16")
    weights = model.ready(fitted(model))
    halved = {key for key, value in weights.items() if value.dtype == torch.bfloat16}
    assert halved == {"conv.weight", "conv.bias", "inner.weight", "inner.bias"}
    with model.evaluation_mode():
        seen = observer(model)(
            weights, torch.randn(4, 2, 3), torch.zeros(4).long(), frozenset({Signal.LOSS_GRADIENT})
        )
    assert seen.signal(Signal.LOSS_GRADIENT).dtype == torch.float32


class Stubborn(nn.Module):
    """Refuses what is not float32, in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 2, 3), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if y.dtype != torch.float32:
            raise TypeError("expected float32")
        return self.fc(y.flatten(1))


def test_a_model_that_does_not_run_in_it(digits: Data, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for step in range(2):
        torch.manual_seed(step)
        torch.save(Stubborn().state_dict(), folder / f"{step}.pt")
    run = vog.score(Stubborn(), folder, digits, tmp_path / "a", precision="auto")
    assert run.question["precision"] == "float32"
    with pytest.raises(ModelError, match=r"(?s)in bfloat16: TypeError: .*leave out precision"):
        vog.score(Stubborn(), folder, digits, tmp_path / "b", precision="bfloat16")


def test_a_precision_that_there_is_not(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    asked = request(checkpoints, digits, tmp_path / "run")
    object.__setattr__(asked, "precision", "float16")  # as a caller without type checks does
    with pytest.raises(ModelError, match="precision='float16': expected one of float32, bf"):
        prepare(asked)
