"""`vog.models.torch.adapter`: what a module may return, its linear head, and what is refused."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import vog
import world
from observing import fitted, observer
from vog.errors import DataError, FunctionError, ModelError, ScoreError
from vog.models import Weights
from vog.models.torch import linear_head
from vog.models.torch.adapter import TorchModel
from vog.scores import Signal

Data = tuple[np.ndarray, np.ndarray]
ALL = frozenset(Signal)


class Around(nn.Module):
    """The network with something done to its logits."""

    def __init__(self, after: Any = lambda z: z) -> None:
        super().__init__()
        self.net, self.after = world.build(), after

    def forward(self, x: Tensor) -> object:
        return self.after(self.net(x))


def score(module: nn.Module, checkpoints: Path, data: Data, out: Path, **words: object) -> vog.Run:
    return vog.score(module, checkpoints, data, out, **words)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    "after",
    [
        lambda z: SimpleNamespace(logits=z, loss=None),
        lambda z: {"logits": z, "hidden": z * 2},
        lambda z: {"out": z, "aux": z * 2},
        lambda z: (z, z * 2),
    ],
    ids=["object", "dict", "segmentation", "tuple"],
)
def test_logits_may_be_in_an_object_or_dict(
    after: object, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    plain = score(Around(), checkpoints, digits, tmp_path / "a").table()
    wrapped = score(Around(after), checkpoints, digits, tmp_path / "b").table()
    assert wrapped.equals(plain)


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (lambda z: [z], "returns a list; expected a tensor of logits"),
        (lambda z: {"other": z}, "returns a dict with other; expected"),
        (lambda z: z[:, :1], r"returns shape \(30, 1\)|returns shape \(8, 1\)"),
        (lambda z: z[:, :, None, None], "expected a class for each token or pixel"),
        (lambda z: z.softmax(1), "returns probabilities"),
        (lambda z: z.log_softmax(1), "returns log-probabilities"),
        (lambda z: z - z.mean(0), "alone in its batch: example '0' differs"),
        (lambda z: F.dropout(z), "different answers to the same batch"),
        (lambda z: z.detach(), "do not depend on the input"),
    ],
    ids=[
        "list",
        "dict",
        "one-logit",
        "3d",
        "softmax",
        "log-softmax",
        "batch-dependent",
        "random",
        "detached",
    ],
)
def test_what_a_module_may_not_do(
    after: object, message: str, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    with pytest.raises((ModelError, DataError), match=message):
        score(Around(after), checkpoints, digits, tmp_path / "run")
    assert not (tmp_path / "run").exists(), "refused before anything is written"


def test_batch_statistics_instead_of_running_ones(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    module = world.build()
    module[1] = nn.BatchNorm2d(6, track_running_stats=False)
    folder = tmp_path / "untracked"
    folder.mkdir()
    for seed in range(2):
        torch.manual_seed(seed)
        fresh = world.build()
        fresh[1] = module[1]
        fresh[0].register_parameter("weight", nn.Parameter(torch.randn(6, 3, 3, 3)))
        torch.save(fresh.state_dict(), folder / f"{seed}.pt")
    with pytest.raises(ModelError, match="alone in its batch"):
        score(module, folder, digits, tmp_path / "run")


def test_a_batch_that_the_model_cannot_take(checkpoints: Path, tmp_path: Path) -> None:
    flat = (np.zeros((4, 10), np.float32), np.arange(4))
    with pytest.raises(ModelError, match=r"cannot take a batch of shape \(4, 10\): RuntimeError"):
        score(world.build(), checkpoints, flat, tmp_path / "run")


def found_head(model: TorchModel, state: Weights, inputs: Tensor) -> linear_head.Head | None:
    return linear_head.find(model.module, state, lambda: model.forward(state, inputs)[0].detach())


def observed(module: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    model = TorchModel(module)
    state = model.ready(fitted(model))
    with model.evaluation_mode():
        model = replace(model, head=found_head(model, state, inputs))
        return observer(model)(state, inputs, labels, ALL).signal(Signal.LAST_LAYER_NORM)[0]


@pytest.mark.parametrize("bias", [True, False])
def test_norm_of_the_last_layer_is_that_of_autograd(bias: bool) -> None:
    torch.manual_seed(0)
    head = nn.Linear(7, 3, bias=bias)
    module = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), head).eval()
    inputs, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    expected = []
    for x, y in zip(inputs, labels, strict=True):
        loss = F.cross_entropy(module(x[None]), y[None])
        gradients = torch.autograd.grad(loss, list(head.parameters()))
        expected.append(torch.cat([g.flatten() for g in gradients]).norm())
    torch.testing.assert_close(observed(module, inputs, labels), torch.stack(expected))


def test_logits_changed_in_place_after_the_head_are_not_its_output() -> None:
    class Tempered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            z = self.fc(x)
            z /= 0.25
            return z

    module = Tempered()
    model = TorchModel(module)
    state = model.ready(fitted(model))
    assert found_head(model, state, torch.randn(2, 5)) is None


def test_buffers_that_a_module_writes_to_start_anew_each_time(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    class Counting(Around):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()), persistent=False)

        def forward(self, x: Tensor) -> object:
            self.calls += 1
            return self.net(x) * self.calls

    module = Counting()
    run = score(module, checkpoints, digits, tmp_path / "a", scores="vog", batch_size=7)
    plain = score(Around(), checkpoints, digits, tmp_path / "b", scores="vog", batch_size=7)
    np.testing.assert_allclose(run.table()["vog@all"], plain.table()["vog@all"], rtol=1e-5)
    assert module.calls == 0


def test_a_masked_class_is_told_as_such(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    masked = Around(lambda z: z.masked_fill(torch.tensor([True, False, False, False]), -torch.inf))
    with pytest.raises(ModelError, match="are all NaN or infinite"):
        score(masked, checkpoints, digits, tmp_path / "run")


def test_without_a_linear_head_the_default_goes_on_without_grand(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    scaled = Around(lambda z: z * 2)
    run = score(scaled, checkpoints, digits, tmp_path / "run")
    assert "grand@all" not in run.columns
    assert "vog@all" in run.columns
    with pytest.raises(ScoreError, match="grand needs a model whose logits are the output"):
        score(scaled, checkpoints, digits, tmp_path / "other", scores="vog,grand")


def test_scores_from_logits_alone_never_go_backward(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    """A model that cannot go backward is good enough for them."""
    run = score(
        Around(lambda z: z.detach()), checkpoints, digits, tmp_path / "run", scores="loss,aum,el2n"
    )
    assert run.table()["aum@all"].null_count == 0


def test_no_more_is_computed_than_is_asked() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    model = TorchModel(module)
    state = model.ready(fitted(model))
    seen = observer(model)(
        state, torch.ones(2, 4), torch.tensor([0, 1]), frozenset({Signal.INPUT_GRADIENT})
    )
    assert seen.loss_gradient is None
    assert seen.last_layer_norm is None
    # The gradient of the label's logit is the label's row of weights, for each example its own.
    torch.testing.assert_close(seen.input_gradient, state["1.weight"][None, :2])


def test_a_target_that_sums_over_the_batch_is_refused(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="expected one number an example"):
        score(
            world.build(),
            checkpoints,
            digits,
            tmp_path / "run",
            target=lambda logits, classes: F.cross_entropy(logits, classes),
        )


def test_a_factory_that_makes_no_module(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    with pytest.raises(FunctionError, match="returns dict, not an nn.Module"):
        vog.score(dict, checkpoints, digits, tmp_path / "run")
