"""Choose the task: the one that a user names, or the only one that outputs and labels allow."""

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor

from vog.errors import DataError, ModelError, unknown
from vog.tasks.binary import BINARY
from vog.tasks.classification import CLASSIFICATION
from vog.tasks.multi_label import MULTI_LABEL
from vog.tasks.protocol import Task
from vog.tasks.regression import REGRESSION
from vog.tasks.targets import TARGETS, Target
from vog.tasks.tokens import NEXT_TOKEN, TOKENS
from vog.wording import option

AUTO = "auto"
TASKS: dict[str, Task] = {
    task.name: task
    for task in (CLASSIFICATION, BINARY, MULTI_LABEL, REGRESSION, TOKENS, NEXT_TOKEN)
}


def task_of_name(name: str) -> Task | None:
    """Return the task of a name; None for `auto`.

    Raises:
        ModelError: there is no such task.
    """
    if name == AUTO:
        return None
    if name not in TASKS:
        raise ModelError(
            f"{option('task', name)}: there is no such task.{unknown(name, [AUTO, *TASKS])} "
            f"Expected {AUTO}, {', '.join(TASKS)}. Boxes of objects and other labels are not "
            f"supported."
        )
    return TASKS[name]


def task_target(task: Task, target: Target) -> Target:
    """Return a target as the task has it; one that is a function of the user is unchanged.

    Raises:
        ModelError: the task does not have a target of that name.
    """
    if TARGETS.get(target.name) is not target:
        return target
    if target.name not in task.targets:
        raise ModelError(
            f"{option('target', target.name)}: the task {task.name} has no such target. Expected "
            f"one of {', '.join(task.targets)}, or a function."
        )
    return task.targets[target.name]


def choose_task(
    values: Float[Tensor, "n *outputs"],
    labels: Shaped[np.ndarray, "m *label"],
    is_labelled: bool,
    predicts_next_token: bool = False,
) -> Task:
    """Return the task that outputs and labels of a few examples show.

    Args:
        values: the outputs.
        labels: labels of these and maybe of further examples.
        is_labelled: at least one of them has a label.
        predicts_next_token: the model is a causal language model.

    Raises:
        ModelError: more than one task has such outputs and labels.
        DataError: no task has such outputs and labels.
    """
    outputs = tuple(values.shape[1:])
    if len(outputs) >= 2:
        return _task_of_positions(values, labels, is_labelled, predicts_next_token)
    is_single = outputs in ((), (1,))
    if not is_labelled:
        if is_single:
            raise ModelError(
                f"the model returns shape {tuple(values.shape)}, and without labels its task is "
                f"unknown. Pass {option('task', 'binary')} or {option('task', 'regression')}."
            )
        return CLASSIFICATION
    if labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1):
        column = labels.reshape(len(labels))
        return _task_of_one_output(values, column) if is_single else _task_of_numbers(column)
    if labels.ndim == 2 and labels.shape[1:] == outputs:
        present = labels[_is_given(labels)]
        return MULTI_LABEL if bool(np.isin(present, (0, 1)).all()) else REGRESSION
    raise _no_task(values, labels)


def _task_of_one_output(
    values: Float[Tensor, "n *outputs"], labels: Shaped[np.ndarray, "m"]
) -> Task:
    present = labels[_is_given(labels)]
    if bool(np.isin(present, (0, 1)).all()):
        return BINARY
    if bool((present != np.round(present)).any()):
        return REGRESSION
    raise ModelError(
        f"the model returns shape {tuple(values.shape)}, and labels are whole numbers such as "
        f"{present.max():g}, so the task is unknown. If they are amounts, pass "
        f"{option('task', 'regression')}; if they are classes, build the model with one output a "
        f"class."
    )


def _task_of_numbers(labels: Shaped[np.ndarray, "m"]) -> Task:
    """Return classification, the only task with several outputs and one number as the label."""
    present = labels[_is_given(labels)]
    if bool((present != np.round(present)).any()):
        raise DataError(
            f"labels are {labels.dtype}, such as {present[present != np.round(present)][0]:g}; "
            f"expected whole numbers, the index of the logit. For regression, give a model with "
            f"one output a number."
        )
    return CLASSIFICATION


def _task_of_positions(
    values: Float[Tensor, "n *outputs"],
    labels: Shaped[np.ndarray, "m *label"],
    is_labelled: bool,
    predicts_next_token: bool,
) -> Task:
    task = NEXT_TOKEN if predicts_next_token and values.ndim == 3 else TOKENS
    if not is_labelled or (labels.ndim == values.ndim - 1 and labels.dtype.kind in "iu"):
        return task
    raise _no_task(values, labels)


def _no_task(values: Tensor, labels: np.ndarray) -> DataError:
    kind = "whole numbers" if labels.dtype.kind in "iu" else "floats"
    shape = "one number" if labels.ndim == 1 else f"shape {tuple(labels.shape[1:])}"
    return DataError(
        f"the model returns shape {tuple(values.shape)}, and the label of an example has {shape} "
        f"({kind}); expected {_labels_for(values)}. Return outputs that fit the labels, such as "
        f"one logit a class."
    )


def _labels_for(values: Float[Tensor, "n *outputs"]) -> str:
    """Return which labels fit outputs."""
    if values.ndim > 2:
        return "a class for each token or pixel, -100 where it has none"
    count = values[0].numel()
    return f"one of {count} classes, a vector of {count} numbers 0 and 1, or {count} floats"


def _is_given(labels: Shaped[np.ndarray, "m *label"]) -> np.ndarray:
    """Return which numbers are those of a label."""
    if labels.dtype.kind == "f":
        return ~np.isnan(labels)
    return labels != (-1 if labels.ndim == 1 else -100)
