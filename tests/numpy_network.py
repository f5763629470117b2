"""A network in NumPy alone, with its derivative by hand: a model of a framework that vog lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from vog.models import LinearLastLayer, Outputs


class NumpyNetwork:
    """Two linear layers with a tanh between them."""

    versions: ClassVar[dict[str, str]] = {"numpy": np.__version__}

    @contextmanager
    def observe(self, weights: Any, inputs: Tensor, differentiate: bool) -> Iterator[Outputs]:
        """Give logits, features, and the product of a cotangent with the Jacobian."""
        a, b, c, d = (
            weights[name].numpy() for name in ("0.weight", "0.bias", "2.weight", "2.bias")
        )
        hidden = np.tanh(inputs.numpy() @ a.T + b)

        def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
            return torch.from_numpy((cotangent.numpy() @ c * (1 - hidden**2)) @ a)

        features = torch.from_numpy(hidden)
        yield Outputs(torch.from_numpy(hidden @ c.T + d), vjp, LinearLastLayer(features))


def in_torch() -> nn.Module:
    """The same network in PyTorch."""
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
