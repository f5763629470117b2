"""The defects found in public implementations of VoG, one test each: put it in and see it fail.

Some are held by other tests as well; here each has its name. Plain `torch.load` is tried
in `test_checkpoint_read.py`.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import vog
import world
from observing import fitted, observer
from vog import moments
from vog.analysis.one_run.error_by_rank import error_by_rank
from vog.checkpoints import find_checkpoints
from vog.errors import VogError
from vog.models.torch.adapter import TorchModel
from vog.observation import Observation, Signal
from vog.result.derived_columns import class_z_score
from vog.scores import SCORES, choose_scores, outcomes_of
from vog.tasks import CLASSIFICATION

GRADIENT = frozenset({Signal.INPUT_GRADIENT})


def observed(
    module: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, signal: Signal
) -> torch.Tensor:
    model = TorchModel(module)
    with model.evaluation_mode():
        state = model.ready(fitted(model))
        return observer(model)(state, inputs, labels, frozenset({signal})).signal(signal)[0]


@pytest.fixture
def linear() -> nn.Sequential:
    """Logits W x: the gradient of logit y is row y of W, whatever x is."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4))


X, Y = torch.randn(3, 5, generator=torch.Generator().manual_seed(1)), torch.tensor([2, 0, 3])


def test_wrong_target_softmax_loss_sum_or_argmax(linear: nn.Sequential) -> None:
    """It is the logit of the label: not p, not the loss, not all logits, not the largest."""
    found = observed(linear, X, Y, Signal.INPUT_GRADIENT)
    rows = linear.state_dict()["0.weight"][Y]
    torch.testing.assert_close(found, rows)
    assert (linear(X).argmax(1) != Y).any(), "else argmax would pass"


def test_loss_gradient_divided_by_the_batch(linear: nn.Sequential) -> None:
    """Each example has its own loss; the mean over the batch would divide by three."""
    found = observed(linear, X, Y, Signal.LOSS_GRADIENT)
    for i in range(3):
        one = X[i : i + 1].clone().requires_grad_()
        F.cross_entropy(linear(one), Y[i : i + 1]).backward()
        assert one.grad is not None
        torch.testing.assert_close(found[i], one.grad[0])


def test_stage_mean_over_the_wrong_window() -> None:
    """The sum over all checkpoints divided by the length of the stage is not its mean."""
    seen = Observation(torch.tensor([0]), input_gradient=torch.tensor([[[1.0]], [[2.0]], [[9.0]]]))
    late = Observation(seen.labels, input_gradient=seen.signal(Signal.INPUT_GRADIENT)[1:])
    vog_late = SCORES["vog"].compute(SCORES["vog"].init(late))
    torch.testing.assert_close(vog_late, torch.tensor([3.5]))  # 2, 9: mean 5.5


def test_cumulative_grad(linear: nn.Sequential) -> None:
    """A second look at the same examples does not add to the first."""
    model = TorchModel(linear)
    state = model.ready(fitted(model))
    first, second = (observer(model)(state, X, Y, GRADIENT).input_gradient for _ in range(2))
    assert first is not None
    assert second is not None
    torch.testing.assert_close(first, second)
    assert X.grad is None


@pytest.mark.parametrize(
    ("defect", "wrong"),
    [("variance", 8 / 3), ("ddof 1", 2.0), ("printed formula", (1 / 3) ** 0.5 * 8)],
)
def test_another_formula_than_the_population_standard_deviation(defect: str, wrong: float) -> None:
    """1, 3, 5 has standard deviation sqrt(8/3)."""
    seen = Observation(torch.tensor([0]), input_gradient=torch.tensor([[[1.0]], [[3]], [[5]]]))
    value = SCORES["vog"].compute(SCORES["vog"].init(seen)).item()
    assert value == pytest.approx((8 / 3) ** 0.5)
    assert value != pytest.approx(wrong), defect


def test_channels_stacked_into_the_checkpoint_axis() -> None:
    """Colours that differ but never move have no spread over training."""
    still = torch.tensor([1.0, 5.0, 9.0])[:, None, None].expand(2, 1, 3, 4, 4)
    for channels in ("mean", "keep"):
        (score,) = choose_scores(["vog"], channels)
        seen = Observation(torch.tensor([0]), input_gradient=still)
        assert score.compute(score.init(seen)).item() == 0


def test_channels_handled_silently(tmp_path: Path, checkpoints: Path) -> None:
    """What was done with colours stands in the question."""
    run = vog.score(
        world.build, checkpoints, world.inputs_and_labels(4), tmp_path / "r", scores="vog"
    )
    assert run.question["scores"] == [{"name": "vog", "channels": "mean"}]


def test_absolute_value_of_the_z_score() -> None:
    """Very easy is not very hard."""
    z = class_z_score(np.array([0.0, 5.0, 10.0]), np.zeros(3, int))
    assert z[0] < z[1] < z[2]


def test_class_without_spread_and_class_of_one() -> None:
    z = class_z_score(np.array([0.1, 0.1, 0.1, 7.0]), np.array([0, 0, 0, 1]))
    np.testing.assert_array_equal(z, 0)


@pytest.mark.slow
def test_ids_scrambled_by_a_shuffled_loader(tmp_path: Path, checkpoints: Path) -> None:
    """Ids belong to examples: permuted data give permuted rows, and a loader is refused."""
    inputs, labels = world.inputs_and_labels(12)
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(inputs), torch.from_numpy(labels))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    straight = vog.score(world.build, checkpoints, dataset, tmp_path / "a").table()
    shuffled = torch.utils.data.Subset(dataset, order)
    mixed = vog.score(world.build, checkpoints, shuffled, tmp_path / "b").table()
    assert mixed["id"].to_pylist() == [str(i) for i in order]
    np.testing.assert_allclose(
        mixed["vog@all"].to_numpy(), straight["vog@all"].to_numpy()[order], rtol=1e-5
    )
    with pytest.raises(VogError, match="DataLoader"):
        vog.score(world.build, checkpoints, torch.utils.data.DataLoader(dataset), tmp_path / "c")


def test_train_mode_batch_norm_or_dropout(tmp_path: Path, checkpoints: Path) -> None:
    """A module in training mode is scored as if it were not: alone or in company, each time."""
    inputs, labels = world.inputs_and_labels(8)
    module = world.build().train()
    together = vog.score(module, checkpoints, (inputs, labels), tmp_path / "a").table()
    alone = vog.score(module, checkpoints, (inputs[:1], labels[:1]), tmp_path / "b").table()
    assert together["vog@all"][0].as_py() == pytest.approx(alone["vog@all"][0].as_py(), rel=1e-5)
    assert module.training, "and is left as it was"


def test_parameters_get_gradients(tmp_path: Path, checkpoints: Path) -> None:
    module = world.build()
    vog.score(module, checkpoints, world.inputs_and_labels(4), tmp_path / "a", scores="all")
    assert all(p.grad is None for p in module.parameters())


def test_checkpoints_sorted_as_text_and_best_taken_for_a_step(tmp_path: Path) -> None:
    for name in ("epoch_10.pt", "epoch_2.pt"):
        (tmp_path / name).write_bytes(b"x")
    assert [file.step for file in find_checkpoints([tmp_path])] == [2, 10]
    (tmp_path / "best.pt").write_bytes(b"x")
    assert [file.step for file in find_checkpoints([tmp_path])] == [2, 10]


def test_one_checkpoint_accepted(tmp_path: Path, checkpoints: Path) -> None:
    with pytest.raises(VogError, match="need at least 2"):
        vog.score(
            world.build, checkpoints / "step-100.pt", world.inputs_and_labels(4), tmp_path / "a"
        )
    with pytest.raises(VogError, match="at least 2 checkpoints, found 1"):
        moments.std(moments.moments_of(torch.zeros(1, 3)))


def test_float64_blow_up_and_lists_of_gradients(linear: nn.Sequential) -> None:
    """The state after any number of checkpoints is two float32 tensors of one gradient's size."""
    vog_ = SCORES["vog"]
    state = vog_.init(Observation(Y, input_gradient=torch.zeros(1, 3, 5)))
    for _ in range(9):
        state = vog_.merge(state, vog_.init(Observation(Y, input_gradient=torch.ones(1, 3, 5))))
    assert (state.count, state.mean.shape, state.m2.shape) == (10, (3, 5), (3, 5))
    assert state.mean.dtype == state.m2.dtype == torch.float32


def test_a_last_batch_of_one_squeezed_away(tmp_path: Path, checkpoints: Path) -> None:
    inputs, labels = world.inputs_and_labels(9)
    run = vog.score(world.build, checkpoints, (inputs, labels), tmp_path / "a", batch_size=4)
    alone = vog.score(world.build, checkpoints, (inputs[8:], labels[8:]), tmp_path / "b")
    last = run.table()["vog@all"][8].as_py()
    assert last == pytest.approx(alone.table()["vog@all"][0].as_py(), rel=1e-5)


def test_the_graph_is_kept(linear: nn.Sequential) -> None:
    for signal in (Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT, Signal.LOGITS):
        found = observed(linear, X, Y, signal)
        assert found.grad_fn is None, "`create_graph` would keep every activation alive"
        assert not found.requires_grad


def test_percentile_bins_open_at_both_ends() -> None:
    """Smallest and largest, here the only wrong ones, are in the first and the last bin."""
    values = np.arange(20.0)
    bins = error_by_rank(values, (values == 0) | (values == 19))
    assert [one.error for one in bins] == [0.5] + [0.0] * 8 + [0.5]


def test_never_learned_counted_as_never_forgotten() -> None:
    logits = torch.tensor([[[1.0, 0.0]] * 2] * 3)
    score = SCORES["forgetting"]
    seen = Observation(torch.tensor([1, 0]), logits)
    seen = CLASSIFICATION.complete(seen, outcomes_of([score]))
    never, always = score.compute(score.init(seen))
    assert never == torch.inf
    assert always == 0
