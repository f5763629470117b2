"""The gradient of each target for a linear model, where it can be written down."""

import pytest
import torch

from observing import fitted, observer
from vog.errors import FunctionError
from vog.models.torch.adapter import TorchModel
from vog.scores import Signal
from vog.tasks import targets

X = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([2, 0, 3])


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        # d p_y / dx = p_y (W_y - sum_c p_c W_c); d -log p_y / dx = -(W_y - sum_c p_c W_c).
        ("probability", lambda p: p),
        ("loss", lambda p: -torch.ones_like(p)),
    ],
)
def test_the_gradient_in_closed_form(name: str, factor: object) -> None:
    module = torch.nn.Linear(5, 4)
    p = module(X).softmax(1).detach()
    weight = module.weight.detach()
    inner = weight[Y] - p @ weight
    expected = factor(p.gather(1, Y[:, None])) * inner  # type: ignore[operator]
    model = TorchModel(module)
    state = model.ready(fitted(model))
    found = observer(model, name)(state, X, Y, frozenset({Signal.INPUT_GRADIENT}))
    torch.testing.assert_close(found.signal(Signal.INPUT_GRADIENT)[0], expected)


def test_only_predicted_aims_at_the_prediction() -> None:
    aims = [name for name in targets.TARGETS if targets.choose_target(name).at_prediction]
    assert aims == ["predicted"]
    with pytest.raises(FunctionError, match="Did you mean 'logit'"):
        targets.choose_target("logits")
