"""Checks on the first batch, before the long run, for mistakes that would make all numbers wrong.

One backward pass for a whole batch is right only if examples do not influence each other. A spread
over checkpoints comes from training only if nothing else is random. A logit belongs to the label
only if labels are numbered like the outputs of the model.
"""

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from vog import data, user_functions
from vog.data import Batch, Examples
from vog.data.inputs import concat, equal
from vog.data.labels import are_missing, label_text, with_whole_classes
from vog.errors import DataError, ModelError, first_few
from vog.models.protocol import Model, Weights
from vog.observation import Observation, Signal
from vog.sweep.comparison import JUMPING_SHARE, TOLERANCE, within_tolerance
from vog.sweep.observe import Observer, labels_of
from vog.tasks import Task, choose_task
from vog.tasks.regression import REGRESSION
from vog.wording import option

# With 8 examples read twice more, random mirroring goes unnoticed once in 60,000 runs.
_EXAMPLES, _READS = 8, 2


def check_outputs(
    model: Model, task: Task | None, weights: Weights, first: Batch, labelled: bool
) -> Task:
    """Return the task, which outputs and labels show if it is None.

    Args:
        model: the model.
        task: the task; None to choose it.
        weights: under which outputs are computed.
        first: examples, of which a few are observed.
        labelled: the data have labels.

    Raises:
        ModelError: the model does not take these inputs, or gives no outputs of the task.
        DataError: no task has such outputs and labels.
    """
    placed = model.place(first.inputs[:_EXAMPLES])
    with model.observe(weights, placed, differentiate=False) as outputs:
        logits = outputs.values
    if task is None:
        labels = first.labels[first.positions].numpy()
        task = choose_task(
            logits, labels, labelled and not are_missing(labels).all(), predicts_next_token(model)
        )
    task.check_outputs(logits)
    _refuse_omitted_activation(model, task)
    if not logits.reshape(len(logits), -1).isfinite().all(dim=-1).any():
        raise ModelError(
            "the logits of the first examples are all NaN or infinite. If a class is masked with "
            "-inf, leave it out of the output; otherwise check the inputs."
        )
    return task


def _refuse_omitted_activation(model: Model, task: Task) -> None:
    """Raise ModelError if an activation is left out whose values are the outputs of the task."""
    activation = getattr(model, "omitted_activation", None)
    if activation is not None and task.name == REGRESSION.name:
        raise ModelError(
            f"the model ends in a {activation}, of which the inputs are scored, and the task "
            f"regression has its values as outputs. Compute the {activation} in a layer of your "
            f"own, or pass {option('task')}."
        )


def predicts_next_token(model: Model) -> bool:
    """Return whether a model says that its outputs are about the next token of its inputs."""
    return bool(getattr(model, "predicts_next_token", False))


def preflight(
    observer: Observer,
    weights: Weights,
    needs: frozenset[Signal],
    examples: Examples,
    first: Batch,
) -> int:
    """Run the checks and return the number of classes of the model.

    Labels may be missing if the target is at the predicted class.

    Raises:
        ModelError: the model returns probabilities, is random, or mixes examples of a batch.
        DataError: the data are random, or their labels are not the model's classes.
    """
    model, at_prediction = observer.model, observer.target.at_prediction
    placed = model.place(first.inputs)
    task = observer.task
    labels_read, labels = labels_of(task, first), observer.labels(first)
    with model.observe(weights, placed, differentiate=False) as outputs:
        logits = outputs.values
    classes = task.count_outputs(logits)
    if examples.labels is not None:
        rows = np.arange(len(examples))
        column = with_whole_classes(torch.from_numpy(examples.labels), task.has_classes)
        check_labels(column.numpy(), rows, examples, task, classes, at_prediction)
    rows = first.positions.numpy() + first.rows.start
    check_labels(labels_read.numpy(), rows, examples, task, classes, at_prediction)
    if examples.classes is not None and examples.classes != classes:
        raise DataError(
            f"the data have {examples.classes} class folders, the model has {classes} outputs, so "
            f"folders in alphabetical order are not the model's classes. Make the missing folders "
            f"(they may be empty), or give a list file with the labels the model was trained on."
        )
    _refuse_random_data(examples, first)
    few = slice(0, _EXAMPLES)
    together = observer(weights, placed, labels, needs)
    repeated = observer(weights, placed, labels, needs)
    if not within_tolerance(together, repeated, needs, few, few):
        raise ModelError(
            "the model gives different answers to the same batch although it is in evaluation "
            "mode: something in it is random (F.dropout without training=self.training?). "
            "Make it depend on self.training."
        )
    _refuse_mixed_examples(observer, weights, needs, examples, first, together)
    return classes


def differs_alone(
    observer: Observer, weights: Weights, needs: frozenset[Signal], first: Batch
) -> bool:
    """Return whether gradients, but not logits, differ between one example and two in a batch."""
    model = observer.model
    labels = observer.labels(first)[:1]
    alone, twice = model.place(first.inputs[:1]), model.place(concat([first.inputs[:1]] * 2))
    try:
        single = observer(weights, alone, labels, needs)
    except ModelError:  # `preflight` reports it
        return False
    pair = observer(weights, twice, torch.cat([labels] * 2), needs).select_rows(slice(1))
    return within_tolerance(single, pair, frozenset()) and not within_tolerance(single, pair, needs)


def _refuse_mixed_examples(
    observer: Observer,
    weights: Weights,
    needs: frozenset[Signal],
    examples: Examples,
    first: Batch,
    together: Observation,
) -> None:
    """Raise ModelError if examples observed alone differ from those observed `together`.

    At the zero of a ReLU, rounding can change the gradient of single examples. If examples
    influence each other, most gradients or the logits differ.
    """
    model = observer.model
    labels = observer.labels(first)
    moved: list[int] = []
    count = min(_EXAMPLES, len(labels))
    for i in range(count):
        row = slice(i, i + 1)
        try:
            alone = observer(weights, model.place(first.inputs[row]), labels[row], needs)
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
                f"{examples.ids[int(first.positions[i])]!r} differs by more than {TOLERANCE:g}. "
                f"Examples see each other (batch statistics instead of running ones, attention or "
                f"normalisation over the batch), so gradients would mix. Remove that for scoring."
            )
    if len(moved) > count * JUMPING_SHARE:
        raise ModelError(
            f"the gradients of {len(moved)} of {count} examples differ when each is alone in its "
            f"batch, such as those of {examples.ids[int(first.positions[moved[0]])]!r}, though "
            f"their logits are the same; so the gradients are ambiguous. Examples influence each "
            f"other in the backward pass, or {_libraries(model)} computes the backward pass of a "
            f"batch of one differently. Compare the two; try a different version of it."
        )


def _libraries(model: Model) -> str:
    versions = [f"{name} {version}" for name, version in model.versions.items()]
    return " with ".join(versions) or "the model"


def check_labels(
    labels: Shaped[np.ndarray, "n *label"],
    rows: Int[np.ndarray, "n"],
    examples: Examples,
    task: Task,
    outputs: int,
    at_prediction: bool,
) -> None:
    """Raise DataError unless each label fits the model, or is missing if `at_prediction`."""
    missing = are_missing(labels) & at_prediction
    outside = np.flatnonzero(~(task.are_labels(labels, outputs) | missing))
    if len(outside):
        descriptions = [
            f"{examples.ids[int(rows[i])]!r} has {label_text(labels[i])}" for i in outside[:5]
        ]
        raise DataError(
            f"{len(outside):,} of {len(labels):,} labels are outside "
            f"{task.expected_labels(outputs)}: "
            f"{first_few(descriptions)}{' ...' if len(outside) > 5 else ''}. "
            f"Correct the labels, or build the model with more outputs."
        )


def _refuse_random_data(examples: Examples, first: Batch) -> None:
    start = first.rows.start
    rows = range(start, min(start + _EXAMPLES, len(examples)))
    single = [range(row, row + 1) for row in rows for _ in range(_READS)]
    batch, *rereads = data.samples(examples, [rows, *single])  # read by the same process
    for index, position in enumerate(batch.positions.tolist()):
        for reread in rereads[position * _READS : (position + 1) * _READS]:
            is_equal = (
                len(reread.positions) == 1
                and equal(reread.inputs, batch.inputs[index : index + 1])
                and _same_label(reread.labels[0], batch.labels[position])
            )
            if not is_equal:
                raise DataError(
                    f"example {examples.ids[rows[position]]!r} is different each time it is read, "
                    f"so the data are shuffled or augmented at random. Score with the transform "
                    f"that is used for evaluation."
                )


def _same_label(alone: Tensor, padded: Tensor) -> bool:
    """Return whether two labels are equal; in a batch, one may be padded."""
    if alone.ndim != padded.ndim:
        return False
    inside = padded[tuple(slice(size) for size in alone.shape)]
    return np.array_equal(alone.numpy(), inside.numpy(), equal_nan=alone.is_floating_point())
