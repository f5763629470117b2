"""Rank correlation of scores, and the examples about which scores disagree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from vog.analysis.one_run.row_facts import row_summaries
from vog.result import Run
from vog.result.derived_columns import rank
from vog.result.rows import StoredLabel


@dataclass(frozen=True)
class Dispute:
    """An example that is hard by one score and easy by another.

    Attributes:
        index: its number in the data.
        id: its id.
        label: its class; None if it is not known.
        prediction: the class that the last checkpoint of the stage predicts; None if not known.
        spread: population standard deviation of its hardness ranks, in (0, 0.5].
        hardest_by: the column by which it is the hardest.
        hardest: its hardness rank by `hardest_by`, in [0, 1].
        easiest_by: the column by which it is the easiest.
        easiest: its hardness rank by `easiest_by`, in [0, 1].
    """

    index: int
    id: str
    label: StoredLabel
    prediction: int | None
    spread: float
    hardest_by: str
    hardest: float
    easiest_by: str
    easiest: float


def spearman(first: Shaped[np.ndarray, "n"], second: Shaped[np.ndarray, "n"]) -> float:
    """Return Spearman's rank correlation in [-1, 1], over the examples with both values.

    Equal values share their mean rank; infinities are the largest or smallest. The result is NaN
    if an array is constant, or if fewer than two examples have both values.

    Source: Spearman, 1904: Pearson's correlation of the ranks.
    """
    has_both = ~(np.isnan(first) | np.isnan(second))
    ranks = np.stack([rank(values[has_both].astype(np.float64)) for values in (first, second)])
    return float(_correlations(ranks)[0, 1])


def correlation_matrix(run: Run, columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return Spearman's correlation of the hardness by every two columns.

    Hardness is high for hard examples in every column, so agreement is positive. Only rows with a
    value in all columns count. The value is NaN if a column is constant over these rows.

    Raises:
        ResultError: there is no such column.
    """
    ranks = hardness(run, columns)
    is_missing = np.isnan(ranks)
    incomplete = is_missing.any(axis=0)
    complete_ranks = ranks[:, ~incomplete]
    for column_ranks, column_missing in zip(complete_ranks, is_missing, strict=True):
        if column_missing.sum() < incomplete.sum():  # rows are dropped that only other columns lack
            column_ranks[:] = rank(column_ranks)
    rows = _correlations(complete_ranks).tolist()
    return {a: dict(zip(columns, row, strict=True)) for a, row in zip(columns, rows, strict=True)}


def disputed_examples(run: Run, columns: Sequence[str], count: int = 12) -> tuple[Dispute, ...]:
    """Return the examples whose hardness differs most between columns, largest spread first.

    Args:
        run: rows that lack a value, or that all columns rank equally, are left out.
        columns: columns of one stage; its last checkpoint gives the predictions.
        count: largest number of examples.

    Raises:
        ResultError: there is no such column.
    """
    ranks = hardness(run, columns)
    differing = np.flatnonzero(ranks.max(axis=0) > ranks.min(axis=0))  # False if a rank is NaN
    spread = ranks[:, differing].std(axis=0)
    top = np.argsort(-spread, kind="stable")[:count]
    positions = differing[top]
    stage = columns[0].partition(":")[0].partition("@")[2]
    return tuple(
        Dispute(
            **row,
            spread=float(deviation),
            hardest_by=columns[int(example_ranks.argmax())],
            hardest=float(example_ranks.max()),
            easiest_by=columns[int(example_ranks.argmin())],
            easiest=float(example_ranks.min()),
        )
        for row, deviation, example_ranks in zip(
            row_summaries(run, positions, stage), spread[top], ranks[:, positions].T, strict=True
        )
    )


def hardness(run: Run, columns: Sequence[str]) -> Float[np.ndarray, "columns n"]:
    """Return the ranks in [0, 1] by each column; 1 is the hardest, NaN a row without a value.

    Raises:
        ResultError: there is no such column.
    """
    return np.stack([run.hardness(name) for name in columns])


def _correlations(ranks: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "k k"]:
    """Return Pearson's correlation of every two rows; NaN for constant rows or one column."""
    if ranks.shape[1] < 2:
        return np.full((len(ranks), len(ranks)), np.nan)
    centred = ranks - 0.5  # the mean of ranks, with or without ties
    products = centred @ centred.T
    norms = np.sqrt(np.diag(products))
    with np.errstate(invalid="ignore"):
        return np.clip(products / np.outer(norms, norms), -1, 1)
