"""Compare the model of the sweep with the plain way on a few examples.

The plain way is `load_state_dict`, `eval`, forward and `backward` on a fresh module. The comparison
is under the first checkpoint, which the model of the sweep loads after the last: whatever the model
retains of the last checkpoint shows as a difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from vog.data import Batch
from vog.models import Weights
from vog.models.torch.adapter import LoadedWeights, TorchModel
from vog.models.torch.linear_head import Head
from vog.models.torch.norm_folding import Folding
from vog.models.torch.state_dict import load
from vog.observation import Observation, Signal
from vog.sweep.observe import Observer
from vog.sweep.preflight import JUMPING_SHARE
from vog.tasks.targets import Target

_EXAMPLES, _NORM_EXAMPLES = 8, 4
_NO_NORM = -1.0  # never equal to a norm
# Tolerance relative to the size of a signal, for sums in a different order, and relative to its
# change from the first checkpoint to the last, because scores are computed from that change.
_ROUNDING = {Signal.LOGITS: 2e-5, Signal.LAST_LAYER_NORM: 1e-3}
_GRADIENT_ROUNDING, _CHANGE_TOLERANCE = 2e-4, 1e-3


@dataclass(frozen=True)
class ComparedExamples:
    """The examples and weights for the comparison.

    Attributes:
        last: weights of the last checkpoint, ready for observing.
        first: weights of the first checkpoint, as its file has them.
        name: the file of the first checkpoint.
        batch: the examples.
    """

    last: Weights
    first: Mapping[str, Any]
    name: str
    batch: Batch


def differing_signals(
    observer: Observer, reference: nn.Module, comparison: ComparedExamples, needs: frozenset[Signal]
) -> tuple[Signal, ...]:
    """Return the signals in which the model differs from the plain way.

    Raise CheckpointError if the file does not fit `reference`, and ModelError if that cannot run.

    Args:
        observer: the model of the sweep, with its task and target.
        reference: a fresh module; weights are loaded into it here.
        comparison: the examples and the checkpoints.
        needs: the signals to compare, beside the logits.
    """
    model, batch = observer.model, comparison.batch
    assert isinstance(model, TorchModel)
    inputs = batch.inputs[:_EXAMPLES]
    labels = batch.labels[batch.positions][:_EXAMPLES].clamp(min=0).to(model.device)
    with model.evaluation_mode():
        first = model.ready(model.fit(comparison.first, comparison.name))
        last = observer(comparison.last, model.place(inputs), labels, needs)
        fast = observer(first, model.place(inputs), labels, needs)
    load(comparison.first, reference, comparison.name)
    loaded = LoadedWeights(reference.to(model.device))
    plain_model = replace(
        model, module=reference, folding=Folding(), in_copies=True, restores=False
    )
    plainly = replace(observer, model=plain_model)
    with plain_model.evaluation_mode():
        placed = plain_model.place(inputs)
        plain = plainly(loaded, placed, labels, needs - {Signal.LOSS_GRADIENT})
        if Signal.LOSS_GRADIENT in needs:  # a graph allows only one backward pass
            second = plainly(loaded, placed, labels, frozenset({Signal.LOSS_GRADIENT}))
            plain = replace(plain, loss_gradient=second.loss_gradient)
        if Signal.LAST_LAYER_NORM in needs and model.head is not None:
            norms = _norms_by_autograd(
                plain_model, observer.task.loss, loaded, model.head, placed, labels
            )
            plain = replace(plain, last_layer_norm=norms[None])
    return tuple(
        s for s in sorted(needs | {Signal.LOGITS}) if not _below_change(s, plain, fast, last)
    )


def _norms_by_autograd(
    model: TorchModel,
    loss: Target,
    loaded: LoadedWeights,
    head: Head,
    inputs: Tensor,
    labels: Tensor,
) -> Tensor:
    """Return the norm of d loss / d (W, b) of the last layer for a few examples, else NaN."""
    layer = loaded.module.get_submodule(head.name).requires_grad_(True)  # used only once
    norms = torch.full((len(inputs),), torch.nan, device=inputs.device)
    for row in range(min(_NORM_EXAMPLES, len(inputs))):
        layer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            logits, _ = model.forward(loaded, inputs[row : row + 1])
            try:
                loss(logits, labels[row : row + 1]).sum().backward()
            except RuntimeError:  # the module reuses a graph that was freed
                return norms.fill_(_NO_NORM)
        gradients = [p.grad.square().sum() for p in layer.parameters() if p.grad is not None]
        norms[row] = torch.stack(gradients).sum().sqrt()
    return norms


def _below_change(signal: Signal, plain: Observation, fast: Observation, last: Observation) -> bool:
    """Return whether all differences are within rounding plus a share of the training change."""
    expected, actual, trained = (
        observation.signal(signal)[0].flatten(start_dim=1)
        if observation.signal(signal).ndim > 2
        else observation.signal(signal)[0][:, None]
        for observation in (plain, fast, last)
    )
    rows = expected.isfinite().all(dim=1)
    if signal is not Signal.LAST_LAYER_NORM and not torch.equal(rows, actual.isfinite().all(dim=1)):
        return False
    if not rows.any():
        return True
    expected, actual, trained = expected[rows], actual[rows], trained[rows].nan_to_num()
    distance = (expected - actual).norm(dim=1)
    size = torch.maximum(expected.norm(dim=1), actual.norm(dim=1))
    change = (expected - trained).norm(dim=1)
    rounding = _ROUNDING.get(signal, _GRADIENT_ROUNDING)
    if signal is Signal.LAST_LAYER_NORM:  # tiny by cancellation for confident predictions
        size, change = size.max().expand_as(size), change.max().expand_as(change)
    beyond = distance > rounding * size + _CHANGE_TOLERANCE * change + 1e-12
    may_jump = signal in (Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT)
    return float(beyond.float().mean()) <= (JUMPING_SHARE if may_jump else 0.0)
