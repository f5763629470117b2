"""How stable the ranking of a score is: two halves of the checkpoints against each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vog.analysis.one_run.correlation import spearman
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

    @property
    def said(self) -> str:
        """`whole`, or why there is none: halves that contradict each other, or say nothing."""
        if self.whole == self.whole:
            return f"{self.whole:.2f}"
        return f"none (halves {self.halves:z.2f})" if self.halves == self.halves else "constant"


def stability(run: Run) -> tuple[Stability, ...]:
    """By score and stage, as the columns stand; without those that `not_measured` tells of.

    The halves were folded in the same pass as the scores, from every other checkpoint.

    Source: Spearman, 1910; Brown, 1910 (what half a test says of the whole).
    """
    columns = [
        name
        for name in run.score_columns
        if all(half_of(name, half) in run.schema.names for half in HALVES)
    ]
    return tuple(_column_stability(run, name) for name in columns)


def unmeasured_stages(run: Run) -> str | None:
    """In a sentence, which stages have too few checkpoints for two halves, and of which scores.

    Each half takes as many checkpoints as the score itself: a mean one, a spread two.

    Returns:
        None where nothing is missing, and where the run was not halved at all, as one that was
        combined or is of an older version.
    """
    if "halved_rows" not in run.question:
        return None
    short_stages: dict[str, list[str]] = {}
    for column in run.score_columns:
        if half_of(column, HALVES[0]) not in run.schema.names:
            score, _, stage = column.partition("@")
            short_stages.setdefault(score, []).append(stage)
    scores_by_stages: dict[tuple[str, ...], list[str]] = {}
    for score, stages in short_stages.items():
        scores_by_stages.setdefault(tuple(stages), []).append(score)
    clauses = [_short_stages(run, stages, scores) for stages, scores in scores_by_stages.items()]
    return f"Not measured {'; '.join(clauses)}." if clauses else None


def _short_stages(run: Run, stages: Sequence[str], scores: Sequence[str]) -> str:
    spans = [run.question["stages"][stage] for stage in stages]
    longest = max(stop - start for start, stop in spans)
    least = 2 * (longest // 2 + 1)  # its shorter half has longest // 2, and the score needs more
    names = f"stage{'s' if len(stages) > 1 else ''} {', '.join(stages)}"
    return f"at {names}: fewer than {least} checkpoints for {', '.join(scores)}"


def spearman_brown(correlation: float, times: int = 2) -> float:
    """The correlation expected of measurements that are so many times as long.

    Args:
        correlation: of two measurements; nothing follows from one below 0, and NaN is returned.
        times: as long, at least 1.
    """
    if not correlation >= 0:
        return float("nan")
    return times * correlation / (1 + (times - 1) * correlation)


def _column_stability(run: Run, column: str) -> Stability:
    score, _, stage = column.partition("@")
    odd, even = (run.numbers(half_of(column, half)) for half in HALVES)
    half_correlation = spearman(odd, even)
    start, stop = run.question.get("stages", {}).get(stage, (None, None))
    return Stability(
        score,
        stage,
        None if start is None else stop - start,
        int((~np.isnan(odd) & ~np.isnan(even)).sum()),
        half_correlation,
        spearman_brown(half_correlation),
    )
