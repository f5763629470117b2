"""Overview of a run: errors along a score, difficulty of classes, agreement of stages."""

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
from vog.former_names import FormerAttribute
from vog.result import Run
from vog.wording import command


@dataclass(frozen=True)
class StageErrors:
    """Error rate of the last checkpoint of a stage, along a score of that stage.

    Attributes:
        deciles: ten bins of equal size, from the smallest score to the largest.
        overall: one bin with all examples.
    """

    deciles: tuple[Bin, ...]
    overall: Bin

    everything = FormerAttribute("overall")

    @property
    def lowest(self) -> Bin:
        """The tenth of the examples with the smallest scores."""
        return self.deciles[0]

    @property
    def highest(self) -> Bin:
        """The tenth of the examples with the largest scores."""
        return self.deciles[-1]


@dataclass(frozen=True)
class ClassDifficulty:
    """One class of the data.

    Attributes:
        label: its number.
        label_name: its name; None if it has none.
        examples: number of examples with this label.
        error: share of them that the last checkpoint gets wrong, in [0, 1]; NaN if not known.
        means: for each stage, the mean of the finite raw scores; NaN if there are none.
    """

    label: int
    label_name: str | None
    examples: int
    error: float
    means: Mapping[str, float]


@dataclass(frozen=True)
class Overview:
    """The numbers that `vog analyze` shows.

    Attributes:
        score: the score that ranks the examples at each stage, such as `vog:class`.
        raw: the stored score behind it, such as `vog` for `vog:class` and for the view `vog_z`.
        higher_is_harder: True if large values of `score` are hard.
        errors: for each stage, the error rates along the score.
        classes: sorted from the hardest, by the mean raw score over all checkpoints.
        agreement: for every two stages, Spearman's correlation of the rankings in [-1, 1].
        stability: for each score and stage, the agreement of two halves of the checkpoints.
    """

    score: str
    raw: str
    higher_is_harder: bool
    errors: Mapping[str, StageErrors]
    classes: tuple[ClassDifficulty, ...]
    agreement: Mapping[str, Mapping[str, float]]
    stability: tuple[Stability, ...]

    hard_is_high = FormerAttribute("higher_is_harder")

    def as_dict(self) -> dict[str, Any]:
        """Return the overview as dicts and lists, as `vog analyze --format json` prints it."""
        return {
            "score": self.score,
            "hard_is_high": self.higher_is_harder,
            "errors": {
                stage: {
                    "all": asdict(stage_errors.overall),
                    "lowest": asdict(stage_errors.lowest),
                    "highest": asdict(stage_errors.highest),
                    "deciles": [asdict(decile) for decile in stage_errors.deciles],
                }
                for stage, stage_errors in self.errors.items()
            },
            "classes": [asdict(difficulty) for difficulty in self.classes],
            "agreement": self.agreement,
            "stability": [entry.as_dict() for entry in self.stability],
        }

    def class_rows(self) -> list[dict[str, Any]]:
        """Return one flat row for each class; `label_name` only if classes have names."""
        has_names = any(difficulty.label_name is not None for difficulty in self.classes)
        return [
            {"label": difficulty.label}
            | ({"label_name": difficulty.label_name} if has_names else {})
            | {"examples": difficulty.examples, "error": difficulty.error}
            | {f"{self.raw}@{stage}": mean for stage, mean in difficulty.means.items()}
            for difficulty in self.classes
        ]


def analyze(run: Run, score: str | None = None) -> Overview:
    """Return errors by decile and stage, the difficulty of each class, the agreement of stages.

    Args:
        run: rows without a label, a prediction or a score are left out.
        score: a score without its stage, such as `vog:class` or `aum`; by default VoG within the
            class, or the first score if there is no VoG.

    Raises:
        ResultError: the run has no such score, or no row with label, prediction and score.
    """
    run.require_classes("an overview of errors and classes")
    score = score or default_score(run)
    columns = columns_by_stage(run, score)
    raw = raw_column(run, columns["all"]).partition("@")[0]
    values = {stage: run.values(column) for stage, column in columns.items()}
    return Overview(
        score=score,
        raw=raw,
        higher_is_harder=run.higher_is_harder(columns["all"]),
        errors={stage: _stage_errors(run, stage, values[stage]) for stage in columns},
        classes=_class_difficulties(run, raw, list(columns)),
        agreement=_stage_agreement(values),
        stability=stability(run),
    )


def _stage_agreement(values: Mapping[str, Float[np.ndarray, "n"]]) -> dict[str, dict[str, float]]:
    """Return Spearman's correlation of every two stages, in both orders."""
    pairs = itertools.combinations_with_replacement(values, 2)
    by_pair = {frozenset(pair): spearman(*(values[stage] for stage in pair)) for pair in pairs}
    return {a: {b: by_pair[frozenset((a, b))] for b in values} for a in values}


def _stage_errors(run: Run, stage: str, values: Float[np.ndarray, "n"]) -> StageErrors:
    errors, has_both = misclassified(run, stage)
    usable = np.where(has_both, values, np.nan)
    if np.isnan(usable).all():
        raise ResultError(
            f"{run.folder} has no row with a label, a prediction and a score at stage {stage!r}, "
            f"so errors cannot be counted. {command('report')} still shows the known values."
        )
    return StageErrors(error_by_rank(usable, errors), error_by_rank(usable, errors, 1)[0])


def _class_difficulties(run: Run, score: str, stages: list[str]) -> tuple[ClassDifficulty, ...]:
    errors, has_both = misclassified(run, "all")
    columns = [f"{score}@{stage}" for stage in stages]
    table = run.table(["label", *columns])
    for i, name in enumerate(columns, start=1):  # one infinity would make the mean infinite
        values = run.values(name)
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
    sign = -1 if run.higher_is_harder(f"{score}@all") else 1
    return tuple(sorted(rows, key=lambda c: (np.isnan(c.means["all"]), sign * c.means["all"])))


def _nan_for_null(value: float | None) -> float:
    return float("nan") if value is None else value
