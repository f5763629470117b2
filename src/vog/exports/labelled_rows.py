"""The fields of a row that several exports share: class names, scores, and label quality."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vog.analysis.label_errors.verdict import Verdict
from vog.errors import ResultError
from vog.result import Run
from vog.wording import option


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a run, in their order; None where something is not known.

    Attributes:
        index: the number of each row in the data.
        ids: the id of each row.
        given_labels: the name of the class in the data.
        predicted_labels: the name of the class that the last checkpoint predicts.
        confidence: the probability of the predicted class, in [0, 1].
    """

    index: list[int]
    ids: list[str]
    given_labels: list[str | None]
    predicted_labels: list[str | None]
    confidence: list[float | None]


def labelled_rows(run: Run) -> LabelledRows:
    """Return the rows of a run with the names of their classes.

    Raises:
        ResultError: the task of the run has no classes.
    """
    run.require_classes("an export of labels")
    names = class_names(run)
    table = run.table(["index", "id", "label"])
    labels = [None if cell is None else names[cell] for cell in table["label"].to_pylist()]
    return LabelledRows(
        table["index"].to_pylist(),
        table["id"].to_pylist(),
        labels,
        [None if cell is None else names[cell] for cell in stored_values(run, "prediction@all")],
        [_finite(cell) for cell in stored_values(run, "prediction_probability@all")],
    )


def stored_values(run: Run, column: str) -> list:
    """Return the values of a stored column; None for every row if the run has no such column."""
    return run.table([column])[column].to_pylist() if column in run.columns else [None] * run.rows


def class_names(run: Run) -> dict[int, str]:
    """Return a unique name for each class number.

    A class without a name gets its number; a name that several classes share is followed by it.

    Raises:
        ResultError: the task of the run has no classes.
    """
    run.require_classes("an export of labels")
    labels = {*range(len(run.label_names or [])), *stored_values(run, "label")}
    labels = sorted((labels | {*stored_values(run, "prediction@all")}) - {None})
    names = run.label_names or []
    plain = {label: names[label] if 0 <= label < len(names) else str(label) for label in labels}
    uses = Counter(plain.values())
    return {label: f"{name} ({label})" if uses[name] > 1 else name for label, name in plain.items()}


def label_quality(verdict: Verdict) -> Float[np.ndarray, "n"]:
    """Return the quality of each label, from 0, certainly wrong, to 1; NaN if unknown.

    It is 1 minus the probability that the label is wrong, or 1 minus the hardness if the verdict
    has no probabilities.
    """
    has_probabilities = np.isfinite(verdict.probability).any()
    return 1 - (verdict.probability if has_probabilities else verdict.hardness)


def number_fields(
    run: Run, columns: Sequence[str] | None, verdict: Verdict | None
) -> dict[str, list[float | None]]:
    """Return scores by plain field names, such as `vog_late` for `vog@late`, and `label_quality`.

    These fields cannot hold infinite values, which become None; their `:rank` is a number.

    Args:
        run: the run.
        columns: stored or derived columns; by default the scores over all checkpoints.
        verdict: the source of `label_quality`; without one the field is left out.

    Raises:
        ResultError: a column is no score, or two columns get the same field name.
    """
    if columns is None:
        columns = [name for name in run.score_columns if name.endswith("@all")]
    for name in columns:
        run.score_column(name)
    field_by_column = {name: re.sub(r"\W+", "_", name) for name in columns}
    uses = Counter(field_by_column.values())
    for name, field in field_by_column.items():
        if uses[field] > 1:
            raise ResultError(
                f"the column {name} would be called {field}, and so would another column. "
                f"Leave one of them out of {option('columns')}."
            )
    table = run.table(columns)
    fields = {field: table[name].to_pylist() for name, field in field_by_column.items()}
    if verdict is not None:
        fields["label_quality"] = label_quality(verdict).tolist()
    return {field: [_finite(value) for value in values] for field, values in fields.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
