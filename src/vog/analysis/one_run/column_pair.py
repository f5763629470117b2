"""Comparison of two score columns of a run: their correlation and where they disagree."""

from dataclasses import dataclass

import numpy as np

from vog.analysis.one_run.correlation import spearman
from vog.analysis.one_run.density_grid import Density, density
from vog.result import Run


@dataclass(frozen=True)
class ColumnComparison:
    """Comparison of two columns on the same examples.

    Attributes:
        spearman: correlation of the hardness ranks in [-1, 1]. Agreement is positive whatever the
            signs of the columns; NaN if a column is constant.
        density: number of examples for each pair of values, as a grid.
        first_alone: index of examples that are hard by the first column and easy by the second,
            from the largest difference.
        second_alone: index of examples that are hard by the second column and easy by the first.
    """

    spearman: float
    density: Density
    first_alone: tuple[int, ...]
    second_alone: tuple[int, ...]


def compare_columns(run: Run, first: str, second: str, count: int = 12) -> ColumnComparison:
    """Return the comparison of two columns, stored or derived, with `count` examples each way.

    Raises:
        ResultError: there is no such column.
    """
    x, y = run.hardness(first), run.hardness(second)
    gaps = np.where(np.isnan(x - y), 0.0, x - y)
    order = np.argsort(-gaps, kind="stable")
    index = run.table(["index"])["index"].to_numpy()  # not the position, as parts may be missing
    return ColumnComparison(
        spearman(x, y),
        density(run.values(first), run.values(second)),
        tuple(int(index[i]) for i in order[:count] if gaps[i] > 0),
        tuple(int(index[i]) for i in order[::-1][:count] if gaps[i] < 0),
    )
