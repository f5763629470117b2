"""Compare two observations of the same examples: when they are equal, and up to what.

Rounding decides whether a ReLU at zero is on or off, which can change the whole gradient of an
example. So gradients of a few examples may differ where those of most must agree.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from vog.observation import GRADIENTS, Observation, Signal
from vog.scores.gradient import without_padding

# The share of examples whose gradient may have a jump.
JUMPING_SHARE = 0.25
# float32 kernels differ slightly with the batch shape; an influence of other examples is larger.
TOLERANCE = 1e-3
# Relative differences in float32 between sums in a different order, with room for deep networks.
_LOGIT_TOLERANCE, _GRADIENT_TOLERANCE = 1e-4, 1e-2
# Tolerance relative to the size of a signal, for sums in a different order, and relative to its
# change from the first checkpoint to the last, because scores are computed from that change.
_ROUNDING = {Signal.LOGITS: 2e-5, Signal.LAST_LAYER_NORM: 1e-3}
_GRADIENT_ROUNDING, _CHANGE_TOLERANCE = 2e-4, 1e-3
_ALL = slice(None)


def within_tolerance(
    first: Observation,
    second: Observation,
    needs: frozenset[Signal],
    first_rows: slice = _ALL,
    second_rows: slice = _ALL,
) -> bool:
    """Return whether two observations, each taken as a whole, are equal up to float32 rounding."""
    for signal in needs | {Signal.LOGITS}:
        a, b = _aligned(_real(first, signal)[:, first_rows], _real(second, signal)[:, second_rows])
        if not torch.equal(a.isfinite(), b.isfinite()):
            return False
        finite = a.isfinite()
        a, b = a[finite], b[finite]
        if (a - b).norm() > TOLERANCE * torch.maximum(a.norm(), b.norm()) + 1e-12:
            return False
    return True


def equal_in_most_rows(plain: Observation, faster: Observation, needs: frozenset[Signal]) -> bool:
    """Return whether two observations are equal up to rounding, example by example.

    The logits of every example must agree. Of gradients the median example must agree.
    """
    for signal in needs | {Signal.LOGITS}:
        a, b = _vectors(signal, plain, faster)
        finite = _finite_rows(a, b)
        if not torch.equal(a.isfinite(), b.isfinite()) or not finite.any():
            return False
        a, b = a[finite], b[finite]
        differences = (a - b).norm(dim=1) / _larger_norms(a, b).clamp_min(1e-12)
        difference = differences.max() if signal is Signal.LOGITS else differences.median()
        if difference > (_LOGIT_TOLERANCE if signal is Signal.LOGITS else _GRADIENT_TOLERANCE):
            return False
    return True


def signals_beyond_change(
    plain: Observation, fast: Observation, last: Observation, needs: frozenset[Signal]
) -> tuple[Signal, ...]:
    """Return the signals that differ by more than rounding plus a share of what training changed.

    Args:
        plain: observed in the plain way, under the first checkpoint.
        fast: observed in a faster way, under the same checkpoint.
        last: observed in the faster way under the last checkpoint.
        needs: the signals to compare, beside the logits.
    """
    compared = sorted(needs | {Signal.LOGITS})
    return tuple(signal for signal in compared if not _within_change(signal, plain, fast, last))


def _within_change(
    signal: Signal, plain: Observation, fast: Observation, last: Observation
) -> bool:
    expected, actual, trained = _vectors(signal, plain, fast, last)
    rows = expected.isfinite().all(dim=1)
    if signal is not Signal.LAST_LAYER_NORM and not torch.equal(rows, actual.isfinite().all(dim=1)):
        return False
    if not rows.any():
        return True
    expected, actual, trained = expected[rows], actual[rows], trained[rows].nan_to_num()
    distance, size = (expected - actual).norm(dim=1), _larger_norms(expected, actual)
    change = (expected - trained).norm(dim=1)
    if signal is Signal.LAST_LAYER_NORM:  # tiny by cancellation for confident predictions
        size, change = size.max().expand_as(size), change.max().expand_as(change)
    rounding = _ROUNDING.get(signal, _GRADIENT_ROUNDING)
    beyond = distance > rounding * size + _CHANGE_TOLERANCE * change + 1e-12
    may_jump = signal in (Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT)
    return float(beyond.float().mean()) <= (JUMPING_SHARE if may_jump else 0.0)


def _vectors(signal: Signal, *observations: Observation) -> list[Float[Tensor, "n values"]]:
    """Return the values of one checkpoint in each observation as one vector an example."""
    values = _aligned(*(_real(each, signal)[0] for each in observations))
    return [each.flatten(start_dim=1) if each.ndim > 1 else each[:, None] for each in values]


def _real(observation: Observation, signal: Signal) -> Tensor:
    """Return a signal; of a gradient, 0 at positions that are padding."""
    if signal not in GRADIENTS:
        return observation.signal(signal)
    return without_padding(observation, signal)


def _aligned(*values: Tensor) -> list[Tensor]:
    """Return tensors padded with zeros to one shape; examples may be padded differently."""
    shapes = {value.shape for value in values}
    if len(shapes) == 1:
        return list(values)
    longest = [max(sizes) for sizes in zip(*shapes, strict=True)]
    return [_padded(value, longest) for value in values]


def _padded(value: Tensor, shape: list[int]) -> Tensor:
    missing = [most - size for most, size in zip(shape, value.shape, strict=True)]
    return F.pad(value, [side for amount in reversed(missing) for side in (0, amount)])


def _finite_rows(a: Tensor, b: Tensor) -> Bool[Tensor, "n"]:
    return (a.isfinite() & b.isfinite()).all(dim=1)


def _larger_norms(a: Tensor, b: Tensor) -> Float[Tensor, "n"]:
    return torch.maximum(a.norm(dim=1), b.norm(dim=1))
