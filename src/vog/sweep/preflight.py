"""What would make every number wrong, looked for on the first batch before the long run.

The one backward pass for a batch is only right if examples do not see each other; a
spread over checkpoints is only training's if nothing else is random; a logit is only the
label's if labels are numbered as the model's outputs are.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vog import data, user_functions
from vog.data import UNLABELLED, Batch, Examples
from vog.errors import DataError, ModelError, first_few
from vog.models import Model, Weights
from vog.scores import Observation, Signal

# Enough that a coin flip an example, as in random mirroring, is overlooked once in 60,000.
_EXAMPLES, _READS = 8, 2
# float32 kernels differ a little with the shape of the batch; other examples change much more.
_TOLERANCE = 1e-3
# A ReLU met at zero falls to either side by rounding, and moves one gradient by far more: of so
# many examples the gradients may jump.
JUMPING_SHARE = 0.25


def probe_model(model: Model, weights: Weights, first: Batch) -> Float[Tensor, "n *input"]:
    """A few inputs, after the model took them once.

    Raises:
        ModelError: it cannot take such a batch.
    """
    inputs = first.inputs[:_EXAMPLES]
    placed = model.place(inputs)
    labels = torch.zeros(len(inputs), dtype=torch.int64, device=placed.device)
    observation = model.observe(weights, placed, labels, frozenset({Signal.LOGITS}))
    if not observation.signal(Signal.LOGITS).isfinite().all(dim=-1).any():
        raise ModelError(
            "the logits of the first examples are all NaN or infinite. A class that is masked "
            "with -inf has to be left out of the output; else look at the inputs."
        )
    return inputs


def preflight(
    model: Model,
    weights: Weights,
    needs: frozenset[Signal],
    examples: Examples,
    first: Batch,
    at_prediction: bool,
) -> int:
    """How many classes the model has, if nothing speaks against scoring with it.

    Labels may be missing where the target is at the class that is predicted.

    Raises:
        ModelError: it returns probabilities, is random, or lets examples see each other.
        DataError: the data are random, or their labels are not the model's classes.
    """
    placed = model.place(first.inputs)
    labels = first.labels[first.at].clamp(min=0).to(placed.device)
    logits = model.observe(weights, placed, torch.zeros_like(labels), frozenset()).logits
    assert logits is not None
    classes = logits.shape[-1]
    if examples.labels is not None:
        rows = np.arange(len(examples))
        check_labels(examples.labels, rows, examples, classes, at_prediction)
    rows = first.at.numpy() + first.rows.start
    check_labels(first.labels[first.at].numpy(), rows, examples, classes, at_prediction)
    if examples.classes is not None and examples.classes != classes:
        raise DataError(
            f"the data have {examples.classes} class folders, the model has {classes} outputs, so "
            f"folders in alphabetical order are not the model's classes. Make the missing folders "
            f"(they may be empty), or give a list file with the labels the model was trained on."
        )
    _refuse_probabilities(logits[0])
    _refuse_random_data(examples, first)
    few = slice(0, _EXAMPLES)
    together = model.observe(weights, placed, labels, needs)
    repeated = model.observe(weights, placed, labels, needs)
    if not within_tolerance(together, repeated, needs, few, few):
        raise ModelError(
            "the model gives different answers to the same batch although it is in evaluation "
            "mode: something in it is random (F.dropout without training=self.training?). "
            "Make it depend on self.training."
        )
    _refuse_mixed_examples(model, weights, needs, examples, first, together)
    return classes


def differs_alone(model: Model, weights: Weights, needs: frozenset[Signal], first: Batch) -> bool:
    """Whether the gradients of one example are others where it is with itself in a batch."""
    labels = first.labels[first.at][:1].clamp(min=0)
    alone, twice = model.place(first.inputs[:1]), model.place(torch.cat([first.inputs[:1]] * 2))
    labels = labels.to(alone.device)
    try:
        single = model.observe(weights, alone, labels, needs)
    except ModelError:  # which `check` tells
        return False
    pair = model.observe(weights, twice, labels.repeat(2), needs).of(slice(1))
    return within_tolerance(single, pair, frozenset()) and not within_tolerance(single, pair, needs)


def _refuse_mixed_examples(
    model: Model,
    weights: Weights,
    needs: frozenset[Signal],
    examples: Examples,
    first: Batch,
    together: Observation,
) -> None:
    """Do nothing if each example is answered alone as it was with the others.

    A ReLU met at zero falls to either side by rounding, and moves the gradients of one example;
    where examples see each other, those of most differ, or their logits do.
    """
    labels = first.labels[first.at].clamp(min=0).to(model.place(first.inputs[:1]).device)
    moved: list[int] = []
    count = min(_EXAMPLES, len(labels))
    for i in range(count):
        row = slice(i, i + 1)
        try:
            alone = model.observe(weights, model.place(first.inputs[row]), labels[row], needs)
        except ModelError as error:
            raise ModelError(
                f"the model takes {len(labels)} examples together and not one alone: "
                f"{user_functions.describe_error(error.__cause__ or error)}. Examples see each "
                f"other (batch statistics instead of running ones?), so gradients would mix. "
                f"Remove that for scoring."
            ) from error
        moved += [] if within_tolerance(together, alone, needs, row, slice(0, 1)) else [i]
        if not within_tolerance(together, alone, frozenset(), row, slice(0, 1)):
            raise ModelError(
                f"the model answers differently when an example is alone in its batch: example "
                f"{examples.ids[int(first.at[i])]!r} differs by more than {_TOLERANCE:g}. "
                f"Examples see each other (batch statistics instead of running ones, attention or "
                f"normalisation over the batch), so gradients would mix. Remove that for scoring."
            )
    if len(moved) > count * JUMPING_SHARE:
        raise ModelError(
            f"the gradients of {len(moved)} of {count} examples are others when each is alone in "
            f"its batch, such as those of {examples.ids[int(first.at[moved[0]])]!r}, though their "
            f"logits are the same; so there is no one number to give. Examples see each other on "
            f"the way back, or PyTorch {torch.__version__} goes back through a batch of one in "
            f"another way. Compare both in `backward`; try another version of PyTorch."
        )


def check_labels(
    labels: Int[np.ndarray, "n"],
    rows: Int[np.ndarray, "n"],
    examples: Examples,
    classes: int,
    at_prediction: bool,
) -> None:
    """Nothing if every label is one of the model's classes, or missing where it may be.

    Raises:
        DataError: others are; the first of them are named.
    """
    missing = (labels == UNLABELLED) & at_prediction
    outside = np.flatnonzero(((labels < 0) & ~missing) | (labels >= classes))
    if len(outside):
        descriptions = [
            f"{examples.ids[int(rows[i])]!r} has {_label_text(int(labels[i]))}" for i in outside[:5]
        ]
        raise DataError(
            f"{len(outside):,} of {len(labels):,} labels are outside the model's "
            f"classes 0 to {classes - 1}: "
            f"{first_few(descriptions)}{' ...' if len(outside) > 5 else ''}. "
            f"Correct the labels, or build the model with more outputs."
        )


def _label_text(label: int) -> str:
    return "no label (-1)" if label == UNLABELLED else str(label)


def _refuse_probabilities(logits: Float[Tensor, "n classes"]) -> None:
    sums = logits.sum(dim=1)
    if bool(((logits >= 0).all(dim=1) & ((sums - 1).abs() < 1e-4)).all()):
        kind = "probabilities (no value is negative and each row sums to 1)"
    elif bool((logits.logsumexp(dim=1).abs() < 1e-4).all()):
        kind = "log-probabilities (the exponentials of each row sum to 1)"
    else:
        return
    raise ModelError(
        f"the model returns {kind}; expected logits, before the softmax: the gradient of another "
        f"quantity is another score. Return what goes into the softmax."
    )


def _refuse_random_data(examples: Examples, first: Batch) -> None:
    start = first.rows.start
    rows = range(start, min(start + _EXAMPLES, len(examples)))
    single = [range(row, row + 1) for row in rows for _ in range(_READS)]
    batch, *rereads = data.samples(examples, [rows, *single])  # read by the same process
    for position, inputs in zip(batch.at.tolist(), batch.inputs, strict=True):
        for reread in rereads[position * _READS : (position + 1) * _READS]:
            is_equal = (
                len(reread.at) == 1
                and torch.equal(reread.inputs[0].nan_to_num(), inputs.nan_to_num())
                and int(reread.labels[0]) == int(batch.labels[position])
            )
            if not is_equal:
                raise DataError(
                    f"example {examples.ids[rows[position]]!r} is different each time it is read, "
                    f"so the data are shuffled or augmented at random. Score with the transform "
                    f"that is used for evaluation."
                )


_ALL = slice(None)


def within_tolerance(
    first: Observation,
    second: Observation,
    needs: frozenset[Signal],
    first_rows: slice = _ALL,
    second_rows: slice = _ALL,
) -> bool:
    """Whether two looks at the same examples saw the same, as far as float32 can tell."""
    for signal in needs | {Signal.LOGITS}:
        a, b = first.signal(signal)[:, first_rows], second.signal(signal)[:, second_rows]
        finite = a.isfinite() & b.isfinite()
        if not torch.equal(a.isfinite(), b.isfinite()):
            return False
        a, b = a[finite], b[finite]
        if (a - b).norm() > _TOLERANCE * torch.maximum(a.norm(), b.norm()) + 1e-12:
            return False
    return True
