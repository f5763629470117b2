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
    given: list[str | None]
    predicted: list[str | None]
    confidence: list[float | None]


def labelled_rows(run: Run) -> LabelledRows:
    """The rows of a run in words."""
    named = class_words(run)
    table = run.table(["index", "id", "label"])
    labels = [None if one is None else named[one] for one in table["label"].to_pylist()]
    return LabelledRows(
        table["index"].to_pylist(),
        table["id"].to_pylist(),
        labels,
        [None if one is None else named[one] for one in stored(run, "prediction@all")],
        [_finite(one) for one in stored(run, "prediction_probability@all")],
    )


def stored(run: Run, column: str) -> list:
    """The values of a stored column; None for every row where the run has no such column."""
    return run.table([column])[column].to_pylist() if column in run.columns else [None] * run.rows


def class_words(run: Run) -> dict[int, str]:
    """By number, what the classes are called: each by a name of its own.

    Those without a name are called by their number, and it follows a name that several have.
    """
    numbers = {*range(len(run.label_names or [])), *stored(run, "label")}
    numbers = sorted((numbers | {*stored(run, "prediction@all")}) - {None})
    names = run.label_names or []
    plain = {one: names[one] if 0 <= one < len(names) else str(one) for one in numbers}
    often = Counter(plain.values())
    return {one: f"{name} ({one})" if often[name] > 1 else name for one, name in plain.items()}


def verdict(run: Run, planted: Planted | None) -> Verdict | None:
    """Which labels are taken for wrong; None where nothing was planted and no verdict is possible.

    Raises:
        ResultError: the record is of other data, or the run cannot be judged by it.
    """
    return verdict_or_why(run, planted)[0]


def label_quality(found: Verdict) -> Float[np.ndarray, "n"]:
    """From 0, the label is surely wrong, to 1; NaN where nothing is known of it.

    One minus the probability that it is wrong, or, where the verdict has no probabilities, minus
    the hardness.
    """
    known = np.isfinite(found.probability).any()
    return 1 - (found.probability if known else found.hardness)


def number_fields(
    run: Run, columns: Sequence[str] | None, judged: Verdict | None
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
    plain = {name: re.sub(r"\W+", "_", name) for name in columns}
    often = Counter(plain.values())
    for name, field in plain.items():
        if often[field] > 1:
            raise ResultError(
                f"the column {name} would be called {field}, and so would another. "
                f"Leave one of them out of --columns."
            )
    table = run.table(columns)
    found = {field: table[name].to_pylist() for name, field in plain.items()}
    if judged is not None:
        found["label_quality"] = label_quality(judged).tolist()
    return {field: [_finite(value) for value in values] for field, values in found.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
