"""The data map of a stage: which examples are easy, ambiguous or hard to learn."""

from dataclasses import dataclass

import numpy as np

from vog.analysis.one_run.density_grid import Density, density
from vog.errors import ResultError
from vog.result import Run
from vog.wording import option

_AXES = ("variability", "confidence", "correctness")
_MOST_POINTS = 2000  # more would overlap and make the page large


@dataclass(frozen=True)
class Point:
    """One example on the map.

    Attributes:
        index: its number in the data.
        variability: population standard deviation of the probability of the label, in [0, 0.5].
        confidence: mean of that probability, in [0, 1].
        correctness: share of the checkpoints that predict the label, in [0, 1].
    """

    index: int
    variability: float
    confidence: float
    correctness: float


@dataclass(frozen=True)
class DataMap:
    """The examples of a stage by variability (x) and confidence (y).

    Attributes:
        stage: name of the stage of training.
        examples: number of examples with all three values.
        points: one point for each of these if there are at most 2,000, else empty.
        density: grid of all these examples, with the mean correctness of each cell.
    """

    stage: str
    examples: int
    points: tuple[Point, ...]
    density: Density


def data_map(run: Run, stage: str = "all") -> DataMap:
    """Return variability, confidence and correctness over the checkpoints of a stage.

    Source: Swayamdipta et al., EMNLP 2020.

    Raises:
        ResultError: the run lacks one of the three scores at this stage.
    """
    columns = [f"{score}@{stage}" for score in _AXES]
    missing = [name for name in columns if name not in run.columns]
    if missing:
        raise ResultError(
            f"{run.folder} has no {', '.join(missing)}, which a data map needs. "
            f"Score again with {option('scores', ','.join(_AXES))}, or with these and more."
        )
    values = np.stack([run.values(name) for name in columns])
    complete = np.isfinite(values).all(axis=0)
    variability, confidence, correctness = np.where(complete, values, np.nan)
    grid = density(variability, confidence, correctness)
    point_rows = np.flatnonzero(complete) if grid.counted <= _MOST_POINTS else np.zeros(0, np.int64)
    index = run.table(["index"])["index"].to_numpy()[point_rows].tolist()
    points = (Point(*point) for point in zip(index, *values[:, point_rows].tolist(), strict=True))
    return DataMap(stage, grid.counted, tuple(points), grid)
