"""What several tools are told of each row: names of classes, scores, and how sure the label is."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vog.analysis.label_errors.suspects import verdict_or_why
from vog.analysis.label_errors.verdict import Verdict
from vog.errors import ResultError
from vog.result import Run
from vog.result.planting_record import Planted


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a run, in their order; None where something is not known.

    Attributes:
        index: the number of each in the data.
        ids: its name.
        given: the class it is labelled with.
        predicted: the class that the last checkpoint predicts.
        confidence: of that, in [0, 1].
    """

    index: list[int]
    ids: list[str]
    given_labels: list[str | None]
    predicted_labels: list[str | None]
    confidence: list[float | None]


def labelled_rows(run: Run) -> LabelledRows:
    """The rows of a run in words."""
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
    """The values of a stored column; None for every row where the run has no such column."""
    return run.table([column])[column].to_pylist() if column in run.columns else [None] * run.rows


def class_names(run: Run) -> dict[int, str]:
    """By number, what the classes are called: each by a name of its own.

    Those without a name are called by their number, and it follows a name that several have.
    """
    labels = {*range(len(run.label_names or [])), *stored_values(run, "label")}
    labels = sorted((labels | {*stored_values(run, "prediction@all")}) - {None})
    names = run.label_names or []
    plain = {label: names[label] if 0 <= label < len(names) else str(label) for label in labels}
    uses = Counter(plain.values())
    return {label: f"{name} ({label})" if uses[name] > 1 else name for label, name in plain.items()}


def possible_verdict(run: Run, planted: Planted | None) -> Verdict | None:
    """Which labels are taken for wrong; None where nothing was planted and no verdict is possible.

    Raises:
        ResultError: the record is of other data, or the run cannot be judged by it.
    """
    return verdict_or_why(run, planted)[0]


def label_quality(verdict: Verdict) -> Float[np.ndarray, "n"]:
    """From 0, the label is surely wrong, to 1; NaN where nothing is known of it.

    One minus the probability that it is wrong, or, where the verdict has no probabilities, minus
    the hardness.
    """
    has_probabilities = np.isfinite(verdict.probability).any()
    return 1 - (verdict.probability if has_probabilities else verdict.hardness)


def number_fields(
    run: Run, columns: Sequence[str] | None, verdict: Verdict | None
) -> dict[str, list[float | None]]:
    """Scores by a name that is a plain word, as `vog_late` for `vog@late`, and `label_quality`.

    An infinite value has no place in such a field, and becomes None; its `:rank` is a number.

    Args:
        run: the run.
        columns: stored or derived ones; by default the scores over all checkpoints.
        judged: what `label_quality` is from; None for none.

    Raises:
        ResultError: one is no score, or two have the same plain name.
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
                f"the column {name} would be called {field}, and so would another. "
                f"Leave one of them out of --columns."
            )
    table = run.table(columns)
    fields = {field: table[name].to_pylist() for name, field in field_by_column.items()}
    if verdict is not None:
        fields["label_quality"] = label_quality(verdict).tolist()
    return {field: [_finite(value) for value in values] for field, values in fields.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
