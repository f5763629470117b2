"""Two score columns of a run side by side: whether they rank alike, and where they do not."""

from dataclasses import dataclass

import numpy as np

from vog.analysis.one_run.correlation import spearman
from vog.analysis.one_run.density_grid import Density, density
from vog.result import Run


@dataclass(frozen=True)
class TwoColumns:
    """What two columns say of the same examples.

    Attributes:
        spearman: correlation of the hardness ranks in [-1, 1], so that agreement is positive
            whatever the signs of the columns; NaN where one is constant.
        density: how many examples have which pair of values.
        first_alone: rows that are hard by the first and easy by the second, the clearest first.
        second_alone: the other way round.
    """

    spearman: float
    density: Density
    first_alone: tuple[int, ...]
    second_alone: tuple[int, ...]


def two_columns(run: Run, first: str, second: str, count: int = 12) -> TwoColumns:
    """Two columns, stored or derived, side by side.

    Raises:
        ResultError: there is no such column.
    """
    x, y = run.hardness(first), run.hardness(second)
    gaps = np.where(np.isnan(x - y), 0.0, x - y)
    order = np.argsort(-gaps, kind="stable")
    index = run.table(["index"])["index"].to_numpy()  # not the place, where parts are missing
    return TwoColumns(
        spearman(x, y),
        density(run.numbers(first), run.numbers(second)),
        tuple(int(index[i]) for i in order[:count] if gaps[i] > 0),
        tuple(int(index[i]) for i in order[::-1][:count] if gaps[i] < 0),
    )
