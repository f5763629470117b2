"""Batch norms in convolutions: where they may be, what comes out, and what is not folded."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from observing import fitted, observer
from vog.data import Batch
from vog.errors import ModelError
from vog.models.torch import norm_folding
from vog.models.torch.adapter import TorchModel
from vog.models.torch.norm_folding import Folding
from vog.scores import Signal
from vog.sweep.acceleration import with_folded_norms

GRADIENT = frozenset({Signal.LOGITS, Signal.INPUT_GRADIENT})


Module = TypeVar("Module", bound=nn.Module)


def with_statistics(module: Module) -> Module:
    """The same with statistics, scales and shifts that are not those of a new norm."""
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            if layer.running_mean is not None and layer.running_var is not None:
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
            if layer.affine:
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
    return module.eval()


def batch(inputs: Tensor) -> Batch:
    count = len(inputs)
    labels = torch.zeros(count, dtype=torch.int64)
    return Batch(range(count), labels, torch.arange(count), inputs, {})


def fold(module: nn.Module, inputs: Tensor) -> TorchModel:
    model = TorchModel(module)
    weights = fitted(model)
    model = model.with_parts(weights, inputs)
    folded = with_folded_norms(observer(model), weights, batch(inputs), GRADIENT).model
    assert isinstance(folded, TorchModel)
    return folded


def tail(width: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(width, 3)]


@pytest.mark.slow
@given(st.booleans(), st.booleans(), st.sampled_from([1, 2, 3]), st.sampled_from([1, 2]))
def test_folding_changes_nothing_but_the_norms(
    bias: bool, affine: bool, dimensions: int, groups: int
) -> None:
    """Any convolution with any norm after it, against the two one after the other."""
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dimensions - 1]
    layers = [convolution(2, 4, 2, groups=groups, bias=bias), norm(4, affine=affine), nn.Softplus()]
    module = with_statistics(nn.Sequential(*layers, *tail(4 * 2**dimensions)))
    inputs = torch.randn(5, 2, *[3] * dimensions)
    model = fold(module, inputs)
    (pair,) = model.folding.pairs
    assert (pair.convolution, pair.norm) == ("0", "1")
    matched = fitted(model)
    weights = model.ready(matched)
    assert set(weights) == {"0.weight", "0.bias", "4.weight", "4.bias"}
    labels = torch.tensor([0, 1, 2, 0, 1])
    with model.evaluation_mode():
        seen = observer(model)(weights, inputs, labels, GRADIENT)
    with (plain := replace(model, folding=Folding())).evaluation_mode():
        expected = observer(plain)(plain.ready(matched), inputs, labels, GRADIENT)
    for signal in GRADIENT:
        torch.testing.assert_close(
            seen.signal(signal), expected.signal(signal), rtol=1e-4, atol=1e-5
        )


def test_folded_weights_by_hand() -> None:
    """w 3, b 1, mean 2, var 4 - eps, gamma 6, beta 5: s = 6 / 2 = 3, w s = 9, (1 - 2) 3 + 5 = 2."""
    pair = norm_folding.FoldedNorm("conv", "bn", eps=1e-5)
    weights = {
        "conv.weight": torch.tensor([[[[3.0]]]]),
        "conv.bias": torch.tensor([1.0]),
        "bn.running_mean": torch.tensor([2.0]),
        "bn.running_var": torch.tensor([4 - 1e-5]),
        "bn.weight": torch.tensor([6.0]),
        "bn.bias": torch.tensor([5.0]),
        "bn.num_batches_tracked": torch.tensor(7),
    }
    made = Folding((pair,)).fold_weights(weights)
    assert set(made) == {"conv.weight", "conv.bias"}
    assert made["conv.weight"].item() == pytest.approx(9)
    assert made["conv.bias"].item() == pytest.approx(2)
    assert weights["conv.weight"].item() == 3, "what was given is not changed"


class Net(nn.Module):
    """A convolution, a norm, and what a test does with them."""

    def __init__(self, way: Callable[["Net", Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)
        self.bn, self.second = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
        self.fc = nn.Linear(8, 3)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.way(self, x).flatten(1))


def twice(net: Net, x: Tensor) -> Tensor:
    y = net.conv(x)
    return net.bn(y) + y


@pytest.mark.parametrize(
    "way",
    [
        twice,
        lambda net, x: net.bn(F.softplus(net.conv(x))),
        lambda net, x: net.bn(net.bn(net.conv(x))),
        lambda net, x: net.bn(net.conv(x)) + net.bn(net.other(x)),
        lambda net, x: net.bn(net.conv(x)) + net.conv(x * 2),
        lambda net, x: net.bn(net.conv(x)) + net.second(net.conv(x)),
        lambda net, x: F.batch_norm(net.conv(x), net.bn.running_mean, net.bn.running_var),
        lambda net, x: net.bn(net.conv(x)) * net.bn.running_var.sum(),
    ],
    ids=[
        "its output goes elsewhere too",
        "something in between",
        "a norm twice",
        "a norm of two convolutions",
        "a convolution twice",
        "two norms of one convolution",
        "a function and no layer",
        "statistics are read",
    ],
)
def test_what_is_not_one_pair_is_left_as_it_is(way: Callable[[Net, Tensor], Tensor]) -> None:
    module = with_statistics(Net(way))
    inputs = torch.randn(4, 1, 2, 2)
    expected = module(inputs).detach()
    model = fold(module, inputs)
    assert model.folding.pairs == ()
    assert torch.equal(module(inputs), expected)
    assert isinstance(module.bn, nn.BatchNorm2d)


def test_layers_that_are_not_what_they_seem() -> None:
    untracked = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, track_running_stats=False), *tail(8)
    )
    normed = nn.Sequential(weight_norm(nn.Conv2d(1, 2, 1)), nn.BatchNorm2d(2), *tail(8))
    for module in (untracked, normed):
        assert fold(with_statistics(module), torch.randn(4, 1, 2, 2)).folding.pairs == ()


def test_a_way_that_is_taken_later_is_refused_and_not_computed_wrong() -> None:
    """The norm is chosen by the data, and the first batch showed one choice only."""

    def by_the_data(net: Net, x: Tensor) -> Tensor:
        return (net.bn if x.sum() > 0 else net.second)(net.conv(x))

    module = with_statistics(Net(by_the_data))
    inputs = torch.rand(4, 1, 2, 2)
    model = fold(module, inputs)
    assert len(model.folding.pairs) == 1
    labels = torch.zeros(4, dtype=torch.int64)
    weights = model.ready(fitted(model))
    with model.evaluation_mode():
        observer(model)(weights, inputs, labels, GRADIENT)
        with pytest.raises(ModelError, match=r"does not always go into bn .*fold=False"):
            observer(model)(weights, -inputs, labels, GRADIENT)
        observer(model)(weights, inputs, labels, GRADIENT)  # and the next run starts anew
    assert isinstance(module.bn, nn.BatchNorm2d)
    assert not any(layer._forward_hooks for layer in module.modules())


def test_norms_that_meet_another_tensor_later_are_refused() -> None:
    def around(net: Net, x: Tensor) -> Tensor:
        y = net.conv(x)
        return net.bn(y if x.sum() > 0 else y * 2)

    module = with_statistics(Net(around))
    inputs = torch.rand(4, 1, 2, 2)
    model = fold(module, inputs)
    weights = model.ready(fitted(model))
    with model.evaluation_mode(), pytest.raises(ModelError, match="does not always go into bn"):
        observer(model)(weights, -inputs, torch.zeros(4, dtype=torch.int64), GRADIENT)


def test_a_norm_with_next_to_no_variance_is_folded_in_double_precision() -> None:
    """A scale of 1e5 in float32 throughout would lose the digits that the bias needs."""
    convolution, norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)
    module = with_statistics(nn.Sequential(convolution, norm, *tail(8)))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert convolution.bias is not None
    norm.running_var.fill_(1e-12)
    norm.running_mean.copy_(convolution.bias.detach())
    model = fold(module, 1e-3 * torch.randn(4, 1, 2, 2))
    assert len(model.folding.pairs) == 1


def test_folded_weights_are_rounded_once() -> None:
    """Against NumPy in double precision: computed in single, the last digits would be others."""
    rng = np.random.default_rng(0)
    given = {
        "0.weight": rng.normal(size=(64, 8, 3, 3)),
        "0.bias": 100 + rng.normal(size=64),
        "1.running_mean": 100 + rng.normal(size=64),
        "1.running_var": rng.uniform(1e-6, 2, size=64),
        "1.weight": rng.normal(size=64),
        "1.bias": rng.normal(size=64),
    }
    single = {key: value.astype(np.float32) for key, value in given.items()}
    made = Folding((norm_folding.FoldedNorm("0", "1", 1e-5),)).fold_weights(
        {key: torch.from_numpy(value) for key, value in single.items()}
    )
    exact = {key: value.astype(np.float64) for key, value in single.items()}
    scale = exact["1.weight"] / np.sqrt(exact["1.running_var"] + 1e-5)
    weight = exact["0.weight"] * scale[:, None, None, None]
    bias = (exact["0.bias"] - exact["1.running_mean"]) * scale + exact["1.bias"]
    np.testing.assert_array_equal(made["0.weight"], weight.astype(np.float32))
    np.testing.assert_allclose(made["0.bias"], bias, rtol=1e-7)
