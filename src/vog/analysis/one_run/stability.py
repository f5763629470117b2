"""Stability of the ranking by a score: agreement of two halves of the checkpoints."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vog.analysis.one_run.correlation import spearman
from vog.former_names import FormerAttribute
from vog.result import Run
from vog.result.rows import HALVES, half_of


@dataclass(frozen=True)
class Stability:
    """Agreement of the rankings by the odd and by the even checkpoints of a stage.

    It shows how much a score depends on which checkpoints of *this* training were saved. Rankings
    from different seeds differ more: `vog.compare` measures that.

    Attributes:
        score: name of the score.
        stage: name of the stage of training.
        checkpoints: number of checkpoints in both halves together; None if it is not stored.
        examples: number of rows in both rankings: the same few thousand rows for every score.
        half_correlation: Spearman's correlation of the two rankings, in [-1, 1]; NaN if one is
            constant.
        reliability: the agreement that `half_correlation` predicts between the ranking by all
            checkpoints of the stage and one by equally many different checkpoints of the same
            training; NaN if `half_correlation` is below 0 or NaN.
    """

    score: str
    stage: str
    checkpoints: int | None
    examples: int
    half_correlation: float
    reliability: float

    halves = FormerAttribute("half_correlation")
    said = FormerAttribute("reliability_text")
    whole = FormerAttribute("reliability")

    @property
    def reliability_text(self) -> str:
        """`reliability` as text, or why it is NaN: the halves disagree, or one is constant."""
        if not math.isnan(self.reliability):
            return f"{self.reliability:.2f}"
        if math.isnan(self.half_correlation):
            return "constant"
        return f"none (halves {self.half_correlation:z.2f})"

    def as_dict(self) -> dict[str, Any]:
        """Return the stability as plain values, for JSON."""
        values = asdict(self)
        values["halves"], values["whole"] = (
            values.pop("half_correlation"),
            values.pop("reliability"),
        )
        return values


def stability(run: Run) -> tuple[Stability, ...]:
    """Return the stability for each score and stage, in the order of the columns.

    Stages that `unmeasured_stages` names are left out. Each half is every second checkpoint.

    Source: Spearman, 1910; Brown, 1910 (reliability of a whole test from that of its halves).
    """
    columns = [
        name
        for name in run.score_columns
        if all(half_of(name, half) in run.schema.names for half in HALVES)
    ]
    return tuple(_column_stability(run, name) for name in columns)


def unmeasured_stages(run: Run) -> str | None:
    """Return a sentence that names the stages with too few checkpoints for two halves.

    Each half needs as many checkpoints as the score itself: a mean needs one, a spread two.

    Returns:
        None if nothing is missing, or if the run has no halves at all, because it was combined or
        was written by an older version.
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
    least = 2 * (longest // 2 + 1)  # the shorter half has longest // 2, which is too few
    names = f"stage{'s' if len(stages) > 1 else ''} {', '.join(stages)}"
    return f"at {names}: fewer than {least} checkpoints for {', '.join(scores)}"


def spearman_brown(correlation: float, times: int = 2) -> float:
    """Return the correlation expected of two measurements that are `times` as long.

    Args:
        correlation: correlation of the two measurements; if it is below 0, the result is NaN.
        times: factor of the length, at least 1.
    """
    if not correlation >= 0:
        return float("nan")
    return times * correlation / (1 + (times - 1) * correlation)


def _column_stability(run: Run, column: str) -> Stability:
    score, _, stage = column.partition("@")
    odd, even = (run.values(half_of(column, half)) for half in HALVES)
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
