"""The plain way (`load_state_dict`, `eval`, forward, `backward` on a fresh module) as the judge.

It looks at a few examples under the first checkpoint, which the model of the sweep is shown after
the last. What that model kept of the last checkpoint, whatever the reason, comes out here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from vog.data import Batch
from vog.models import Weights
from vog.models.targets import label_cross_entropy
from vog.models.torch.adapter import LoadedWeights, TorchModel
from vog.models.torch.linear_head import Head
from vog.models.torch.norm_folding import Folding
from vog.models.torch.state_dict import load
from vog.scores import Observation, Signal
from vog.sweep.preflight import JUMPING_SHARE

_EXAMPLES, _NORM_EXAMPLES = 8, 4
_NO_NORM = -1.0  # what no norm equals
# Of the size of a signal: sums in another order. Of its change from the first checkpoint to the
# last: what would be of the change itself, since scores are made of that.
_ROUNDING = {Signal.LOGITS: 2e-5, Signal.LAST_LAYER_NORM: 1e-3}
_GRADIENT_ROUNDING, _CHANGE_TOLERANCE = 2e-4, 1e-3


@dataclass(frozen=True)
class ComparedExamples:
    """The examples and the weights that the model of the sweep is compared on.

    Attributes:
        last: the weights of the last checkpoint, ready to be observed with.
        first: the weights of the first checkpoint, as its file has them.
        name: of that file.
        batch: the examples.
    """

    last: Weights
    first: Mapping[str, Any]
    name: str
    batch: Batch


def differing_signals(
    model: TorchModel, reference: nn.Module, comparison: ComparedExamples, needs: frozenset[Signal]
) -> tuple[Signal, ...]:
    """Return the signals in which the model differs from the plain way.

    Args:
        model: as the sweep uses it.
        judge: a fresh module; it is loaded and run here.
        comparison: the examples and the checkpoints.
        needs: the signals to compare, beside the logits.

    Raises:
        CheckpointError: the file does not fit the fresh module.
        ModelError: the fresh module cannot be run.
    """
    inputs = comparison.batch.inputs[:_EXAMPLES]
    labels = comparison.batch.labels[comparison.batch.at][:_EXAMPLES].clamp(min=0).to(model.device)
    with model.evaluation_mode():
        first = model.ready(model.fit(comparison.first, comparison.name))
        last = model.observe(comparison.last, model.place(inputs), labels, needs)
        fast = model.observe(first, model.place(inputs), labels, needs)
    load(comparison.first, reference, comparison.name)
    loaded = LoadedWeights(reference.to(model.device))
    plain_model = replace(model, module=reference, folding=Folding(), in_copies=True, restores=False)
    with plain_model.evaluation_mode():
        placed = plain_model.place(inputs)
        plain = plain_model.observe(loaded, placed, labels, needs - {Signal.LOSS_GRADIENT})
        if Signal.LOSS_GRADIENT in needs:  # forward again, as nobody goes back through one twice
            second = plain_model.observe(loaded, placed, labels, frozenset({Signal.LOSS_GRADIENT}))
            plain = replace(plain, loss_gradient=second.loss_gradient)
        if Signal.LAST_LAYER_NORM in needs and model.head is not None:
            norms = _norms_by_autograd(plain_model, loaded, model.head, placed, labels)
            plain = replace(plain, last_layer_norm=norms[None])
    return tuple(
        s for s in sorted(needs | {Signal.LOGITS}) if not _below_change(s, plain, fast, last)
    )


def _norms_by_autograd(
    model: TorchModel, loaded: LoadedWeights, head: Head, inputs: Tensor, labels: Tensor
) -> Tensor:
    """Return the norm of d loss / d (W, b) of the last layer, example by example; NaN for most."""
    layer = loaded.module.get_submodule(head.name).requires_grad_(True)  # a judge is used once
    norms = torch.full((len(inputs),), torch.nan, device=inputs.device)
    for row in range(min(_NORM_EXAMPLES, len(inputs))):
        layer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            logits, _ = model.forward(loaded, inputs[row : row + 1])
            try:
                label_cross_entropy(logits, labels[row : row + 1]).sum().backward()
            except RuntimeError:  # it goes backward through what it kept, and cannot do so again
                return norms.fill_(_NO_NORM)
        gradients = [p.grad.square().sum() for p in layer.parameters() if p.grad is not None]
        norms[row] = torch.stack(gradients).sum().sqrt()
    return norms


def _below_change(signal: Signal, plain: Observation, fast: Observation, last: Observation) -> bool:
    """Whether the difference is rounding, and little beside the change over training."""
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
    if signal is Signal.LAST_LAYER_NORM:  # small where a model is sure, by cancellation
        size, change = size.max().expand_as(size), change.max().expand_as(change)
    beyond = distance > rounding * size + _CHANGE_TOLERANCE * change + 1e-12
    may_jump = signal in (Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT)
    return float(beyond.float().mean()) <= (JUMPING_SHARE if may_jump else 0.0)
