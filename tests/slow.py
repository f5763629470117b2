"""The slow and obvious way: one example, one checkpoint, one backward pass, in float64.

Written from the definitions and without anything of the package, so that agreement means
something.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Trace:
    """What one checkpoint says about one example."""

    label: int
    logits: np.ndarray
    probability: np.ndarray
    gradient: np.ndarray
    loss_gradient: np.ndarray
    last_layer_norm: float


def traces(
    build: Callable[[], nn.Module], weights: list[dict[str, Tensor]], x: np.ndarray, y: int
) -> list[Trace]:
    """One trace a checkpoint."""
    return [_trace(build, state, x, y) for state in weights]


def _trace(
    build: Callable[[], nn.Module], state: dict[str, Tensor], x: np.ndarray, y: int
) -> Trace:
    module = build()
    module.load_state_dict(state)
    module.double().eval()
    one = torch.from_numpy(x[None]).double().requires_grad_()
    logits = module(one)[0]
    (gradient,) = torch.autograd.grad(logits[y], one, retain_graph=True)
    loss = -torch.log(torch.exp(logits[y]) / torch.exp(logits).sum())
    last = [m for m in module.modules() if isinstance(m, nn.Linear)][-1]
    of = (one, last.weight, last.bias)
    loss_gradient, of_weight, of_bias = torch.autograd.grad(loss, of)
    values = logits.detach().numpy()
    return Trace(
        y,
        values,
        np.exp(values) / np.exp(values).sum(),
        gradient[0].numpy(),
        loss_gradient[0].numpy(),
        math.sqrt(of_weight.square().sum().item() + of_bias.square().sum().item()),
    )


def _spread(gradients: list[np.ndarray]) -> float:
    averaged = [g.mean(axis=0) for g in gradients]
    centre = sum(averaged) / len(averaged)
    return float(np.sqrt(sum((g - centre) ** 2 for g in averaged) / len(averaged)).mean())


def _mean(seen: list[Trace], of: Callable[[Trace], float]) -> float:
    return sum(map(of, seen)) / len(seen)


def _right(t: Trace) -> bool:
    return int(t.logits.argmax()) == t.label


def _forgotten(seen: list[Trace]) -> float:
    right = [_right(t) for t in seen]
    if not any(right):
        return math.inf
    return sum(a and not b for a, b in itertools.pairwise(right))


def _learned(seen: list[Trace]) -> float:
    return next((i for i, t in enumerate(seen) if _right(t)), math.inf)


def _variability(seen: list[Trace]) -> float:
    mean = _mean(seen, lambda t: t.probability[t.label])
    return math.sqrt(_mean(seen, lambda t: (t.probability[t.label] - mean) ** 2))


def _error(t: Trace) -> float:
    one_hot = np.eye(len(t.logits))[t.label]
    return float(np.sqrt(((t.probability - one_hot) ** 2).sum()))


SCORES: dict[str, Callable[[list[Trace]], float]] = {
    "vog": lambda seen: _spread([t.gradient for t in seen]),
    "grad_norm": lambda seen: _mean(seen, lambda t: np.abs(t.gradient.mean(axis=0)).mean()),
    "volg": lambda seen: _spread([t.loss_gradient for t in seen]),
    "csg": lambda seen: sum((t.loss_gradient**2).sum() for t in seen),
    "grand": lambda seen: _mean(seen, lambda t: t.last_layer_norm),
    "loss": lambda seen: _mean(seen, lambda t: -math.log(t.probability[t.label])),
    "el2n": lambda seen: _mean(seen, _error),
    "aum": lambda seen: _mean(
        seen, lambda t: t.logits[t.label] - np.delete(t.logits, t.label).max()
    ),
    "confidence": lambda seen: _mean(seen, lambda t: t.probability[t.label]),
    "variability": _variability,
    "correctness": lambda seen: _mean(seen, _right),
    "entropy": lambda seen: _mean(seen, lambda t: -(t.probability * np.log(t.probability)).sum()),
    "forgetting": _forgotten,
    "first_learned": _learned,
    "aleatoric": lambda seen: _mean(
        seen, lambda t: t.probability[t.label] * (1 - t.probability[t.label])
    ),
}
