"""How stable the ranking of a score is: two halves of the checkpoints against each other."""

from dataclasses import dataclass

import numpy as np

from vog.analysis.agreement import spearman
from vog.result import Run
from vog.result.rows import HALVES, half_of


@dataclass(frozen=True)
class Stability:
    """How well the odd checkpoints of a stage rank as the even ones do.

    It tells how much a score hangs on which checkpoints of *this* training were saved. What another
    seed would rank is another question, and less stable: `vog.compare` answers it.

    Attributes:
        score: its name.
        stage: of training.
        checkpoints: how many both halves have together; None where the run does not say.
        examples: how many rows both rankings are of; the same some thousands for every score.
        halves: Spearman's correlation of the two rankings, in [-1, 1]; NaN where one is constant.
        whole: what that predicts for the ranking by all checkpoints of the stage against as many
            others of the same training; NaN where `halves` is below 0.
    """

    score: str
    stage: str
    checkpoints: int | None
    examples: int
    halves: float
    whole: float


def stability(run: Run) -> tuple[Stability, ...]:
    """By score and stage, as the columns stand; without stages of too few checkpoints.

    The halves were folded in the same pass as the scores, from every other checkpoint.

    Source: Spearman, 1910; Brown, 1910 (what half a test says of the whole).
    """
    columns = [
        name
        for name in run.score_columns
        if all(half_of(name, half) in run.schema.names for half in HALVES)
    ]
    return tuple(_of(run, name) for name in columns)


def spearman_brown(correlation: float, times: int = 2) -> float:
    """The correlation expected of measurements that are so many times as long.

    Args:
        correlation: of two measurements; nothing follows from one below 0, and NaN is returned.
        times: as long, at least 1.
    """
    if not correlation >= 0:
        return float("nan")
    return times * correlation / (1 + (times - 1) * correlation)


def _of(run: Run, column: str) -> Stability:
    score, _, stage = column.partition("@")
    odd, even = (run.numbers(half_of(column, half)) for half in HALVES)
    found = spearman(odd, even)
    start, stop = run.question.get("stages", {}).get(stage, (None, None))
    return Stability(
        score,
        stage,
        None if start is None else stop - start,
        int((~np.isnan(odd) & ~np.isnan(even)).sum()),
        found,
        spearman_brown(found),
    )
