"""Quantiles of a score within each class."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vog.analysis.one_run.row_facts import class_name
from vog.result import Run

_QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


@dataclass(frozen=True)
class ClassSpread:
    """Quantiles of a column within one class, over the examples with a finite value.

    Attributes:
        label: number of the class.
        label_name: name of the class; None if it has none.
        examples: number of examples with a finite value.
        low: 5 % quantile.
        quarter: 25 % quantile.
        median: 50 % quantile.
        three_quarters: 75 % quantile.
        high: 95 % quantile.
    """

    label: int
    label_name: str | None
    examples: int
    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float


def class_spread(run: Run, column: str) -> tuple[ClassSpread, ...]:
    """Return five quantiles for each class, sorted from the class with the hardest median.

    Quantiles are interpolated linearly between two values. Examples without a label and classes
    without a finite value are left out.

    Raises:
        ResultError: there is no such column.
    """
    values = run.values(column)
    labels = run.class_labels
    usable = np.isfinite(values) & (labels >= 0)
    values, labels = values[usable], labels[usable]
    order = np.lexsort((values, labels))
    values, labels = values[order], labels[order]
    start = np.flatnonzero(np.diff(labels, prepend=-1))
    count = np.diff(start, append=len(labels))
    spreads = [
        ClassSpread(label, class_name(run, label), examples, *row)
        for label, examples, row in zip(
            labels[start].tolist(),
            count.tolist(),
            _quantiles(values, start, count).tolist(),
            strict=True,
        )
    ]
    sign = -1 if run.higher_is_harder(column) else 1
    return tuple(sorted(spreads, key=lambda spread: sign * spread.median))


def _quantiles(
    values: Float[np.ndarray, "n"], start: np.ndarray, count: np.ndarray
) -> Float[np.ndarray, "classes 5"]:
    """Return quantiles of values that are sorted within each class; classes begin at `start`."""
    positions = _QUANTILES * (count[:, None] - 1)
    below = np.floor(positions).astype(np.int64)
    above = np.ceil(positions).astype(np.int64)
    low, high = (values[start[:, None] + offsets] for offsets in (below, above))
    return low + (high - low) * (positions - below)
