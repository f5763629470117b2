"""Checks on the first batch, before the long run, for mistakes that would make all numbers wrong.

One backward pass for a whole batch is right only if examples do not influence each other. A spread
over checkpoints comes from training only if nothing else is random. A logit belongs to the label
only if labels are numbered like the outputs of the model.
"""

import numpy as np
from jaxtyping import Int

from vog import data, user_functions
from vog.data import UNLABELLED, Batch, Examples
from vog.data.inputs import concat, equal
from vog.errors import DataError, ModelError, first_few
from vog.models.protocol import Model, Weights
from vog.observation import Observation, Signal
from vog.sweep.comparison import JUMPING_SHARE, TOLERANCE, within_tolerance
from vog.sweep.observe import Observer
from vog.tasks import Task

# With 8 examples read twice more, random mirroring goes unnoticed once in 60,000 runs.
_EXAMPLES, _READS = 8, 2


def check_outputs(model: Model, task: Task, weights: Weights, first: Batch) -> None:
    """Raise ModelError unless the model takes a few inputs and gives outputs of the task."""
    placed = model.place(first.inputs[:_EXAMPLES])
    with model.observe(weights, placed, differentiate=False) as outputs:
        logits = outputs.values
    task.check_outputs(logits)
    if not logits.isfinite().all(dim=-1).any():
        raise ModelError(
            "the logits of the first examples are all NaN or infinite. If a class is masked with "
            "-inf, leave it out of the output; otherwise check the inputs."
        )


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
    labels = first.labels[first.positions].clamp(min=0).to(model.device)
    with model.observe(weights, placed, differentiate=False) as outputs:
        logits = outputs.values
    classes = logits.shape[-1]
    if examples.labels is not None:
        rows = np.arange(len(examples))
        check_labels(examples.labels, rows, examples, observer.task, classes, at_prediction)
    rows = first.positions.numpy() + first.rows.start
    labels_read = first.labels[first.positions].numpy()
    check_labels(labels_read, rows, examples, observer.task, classes, at_prediction)
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
    labels = first.labels[first.positions][:1].clamp(min=0).to(model.device)
    alone, twice = model.place(first.inputs[:1]), model.place(concat([first.inputs[:1]] * 2))
    try:
        single = observer(weights, alone, labels, needs)
    except ModelError:  # `preflight` reports it
        return False
    pair = observer(weights, twice, labels.repeat(2), needs).select_rows(slice(1))
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
    labels = first.labels[first.positions].clamp(min=0).to(model.device)
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
    labels: Int[np.ndarray, "n"],
    rows: Int[np.ndarray, "n"],
    examples: Examples,
    task: Task,
    outputs: int,
    at_prediction: bool,
) -> None:
    """Raise DataError unless each label fits the model, or is missing if `at_prediction`."""
    missing = (labels == UNLABELLED) & at_prediction
    outside = np.flatnonzero(~(task.are_labels(labels, outputs) | missing))
    if len(outside):
        descriptions = [
            f"{examples.ids[int(rows[i])]!r} has {_label_text(int(labels[i]))}" for i in outside[:5]
        ]
        raise DataError(
            f"{len(outside):,} of {len(labels):,} labels are outside "
            f"{task.expected_labels(outputs)}: "
            f"{first_few(descriptions)}{' ...' if len(outside) > 5 else ''}. "
            f"Correct the labels, or build the model with more outputs."
        )


def _label_text(label: int) -> str:
    return "no label (-1)" if label == UNLABELLED else str(label)


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
                and int(reread.labels[0]) == int(batch.labels[position])
            )
            if not is_equal:
                raise DataError(
                    f"example {examples.ids[rows[position]]!r} is different each time it is read, "
                    f"so the data are shuffled or augmented at random. Score with the transform "
                    f"that is used for evaluation."
                )
