"""What a run says as a whole: errors along a score, hard classes, and whether the stages agree."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from vog.analysis.one_run.correlation import spearman
from vog.analysis.one_run.error_by_rank import Bin, error_by_rank
from vog.analysis.one_run.row_facts import class_name, misclassified
from vog.analysis.one_run.score_columns import columns_by_stage, default_score, raw_column
from vog.analysis.one_run.stability import Stability, stability
from vog.errors import ResultError
from vog.result import Run


@dataclass(frozen=True)
class StageErrors:
    """How often the last checkpoint of a stage is wrong, along a score of that stage.

    Attributes:
        deciles: ten bins of equal size, from the smallest score to the largest.
        everything: all examples in one bin.
    """

    deciles: tuple[Bin, ...]
    everything: Bin

    @property
    def lowest(self) -> Bin:
        """The tenth of the examples with the smallest scores."""
        return self.deciles[0]

    @property
    def highest(self) -> Bin:
        """The tenth with the largest."""
        return self.deciles[-1]


@dataclass(frozen=True)
class ClassDifficulty:
    """One class of the data.

    Attributes:
        label: its number.
        label_name: its name, where there is one.
        examples: how many have this label.
        error: the share of them that the last checkpoint gets wrong; NaN where it is not known.
        means: by stage, the mean of the raw score over the examples that have a finite one; NaN
            where none has.
    """

    label: int
    label_name: str | None
    examples: int
    error: float
    means: Mapping[str, float]


@dataclass(frozen=True)
class Overview:
    """What `vog analyze` shows.

    Attributes:
        score: what examples are ranked by at each stage, as `vog:class`.
        raw: the score itself that this shows, as `vog` of `vog:class` and of the view `vog_z`.
        hard_is_high: whether its large values are the hard end.
        errors: by stage.
        classes: the hardest in the mean first, by the raw score over all checkpoints.
        agreement: by stage and stage, Spearman's correlation of the rankings in [-1, 1].
        stability: by score and stage, how well half of the checkpoints rank as the other half.
    """

    score: str
    raw: str
    hard_is_high: bool
    errors: Mapping[str, StageErrors]
    classes: tuple[ClassDifficulty, ...]
    agreement: Mapping[str, Mapping[str, float]]
    stability: tuple[Stability, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it in dicts and lists, as `vog analyze --format json` prints it."""
        return {
            "score": self.score,
            "hard_is_high": self.hard_is_high,
            "errors": {
                stage: {
                    "all": asdict(stage_errors.everything),
                    "lowest": asdict(stage_errors.lowest),
                    "highest": asdict(stage_errors.highest),
                    "deciles": [asdict(decile) for decile in stage_errors.deciles],
                }
                for stage, stage_errors in self.errors.items()
            },
            "classes": [asdict(stage_errors) for stage_errors in self.classes],
            "agreement": self.agreement,
            "stability": [asdict(stage_errors) for stage_errors in self.stability],
        }

    def class_rows(self) -> list[dict[str, Any]]:
        """One flat row a class; `label_name` only where there are names."""
        has_names = any(difficulty.label_name is not None for difficulty in self.classes)
        return [
            {"label": difficulty.label}
            | ({"label_name": difficulty.label_name} if has_names else {})
            | {"examples": difficulty.examples, "error": difficulty.error}
            | {f"{self.raw}@{stage}": mean for stage, mean in difficulty.means.items()}
            for difficulty in self.classes
        ]


def analyze(run: Run, score: str | None = None) -> Overview:
    """Errors by decile and stage, the difficulty of each class, the agreement of the stages.

    Args:
        run: rows without label, prediction or score are left out.
        score: without its stage, as `vog:class` or `aum`; by default VoG within the class, or
            the first score where there is no VoG.

    Raises:
        ResultError: the run has no such score, or no row that can be judged.
    """
    score = score or default_score(run)
    columns = columns_by_stage(run, score)
    raw = raw_column(run, columns["all"]).partition("@")[0]
    values = {stage: run.numbers(column) for stage, column in columns.items()}
    return Overview(
        score=score,
        raw=raw,
        hard_is_high=run.hard_is_high(columns["all"]),
        errors={stage: _stage_errors(run, stage, values[stage]) for stage in columns},
        classes=_class_difficulties(run, raw, list(columns)),
        agreement=_stage_agreement(values),
        stability=stability(run),
    )


def _stage_agreement(values: Mapping[str, Float[np.ndarray, "n"]]) -> dict[str, dict[str, float]]:
    """Spearman's correlation of every two stages; it is symmetric."""
    pairs = itertools.combinations_with_replacement(values, 2)
    by_pair = {frozenset(pair): spearman(*(values[stage] for stage in pair)) for pair in pairs}
    return {a: {b: by_pair[frozenset((a, b))] for b in values} for a in values}


def _stage_errors(run: Run, stage: str, values: Float[np.ndarray, "n"]) -> StageErrors:
    errors, has_both = misclassified(run, stage)
    usable = np.where(has_both, values, np.nan)
    if np.isnan(usable).all():
        raise ResultError(
            f"{run.folder} has no row with a label, a prediction and a score at stage {stage!r}, "
            f"so errors cannot be counted. `vog report` shows what is known all the same."
        )
    return StageErrors(error_by_rank(usable, errors), error_by_rank(usable, errors, 1)[0])


def _class_difficulties(run: Run, score: str, stages: list[str]) -> tuple[ClassDifficulty, ...]:
    errors, has_both = misclassified(run, "all")
    columns = [f"{score}@{stage}" for stage in stages]
    table = run.table(["label", *columns])
    for i, name in enumerate(columns, start=1):  # one infinity would be the mean of its class
        values = run.numbers(name)
        finite = pa.array(values, mask=~np.isfinite(values))
        table = table.set_column(i, name, finite)
    is_wrong = pa.array(errors.astype(np.float64), mask=~has_both)
    grouped = table.append_column("wrong", is_wrong).group_by("label")
    means = grouped.aggregate(
        [([], "count_all"), *((name, "mean") for name in [*columns, "wrong"])]
    )
    rows = [
        ClassDifficulty(
            row["label"],
            class_name(run, row["label"]),
            row["count_all"],
            _nan_for_null(row["wrong_mean"]),
            {s: _nan_for_null(row[f"{c}_mean"]) for s, c in zip(stages, columns, strict=True)},
        )
        for row in means.to_pylist()
        if row["label"] is not None
    ]
    sign = -1 if run.hard_is_high(f"{score}@all") else 1
    return tuple(sorted(rows, key=lambda c: (np.isnan(c.means["all"]), sign * c.means["all"])))


def _nan_for_null(value: float | None) -> float:
    return float("nan") if value is None else value
