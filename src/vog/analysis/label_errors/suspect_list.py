"""The list of examples that look mislabelled, with the label that the model suggests."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vog.analysis.label_errors.suspects import check_stage, combined_hardness, verdict_or_why
from vog.analysis.label_errors.verdict import Verdict
from vog.analysis.one_run.row_facts import misclassified, row_summaries
from vog.result import Run


@dataclass(frozen=True)
class Suspect:
    """An example whose label looks wrong.

    Attributes:
        index: its row number in the data.
        id: its name.
        label: its class in the data; None for no label.
        prediction: the class that the last checkpoint predicts; None where unknown.
        suggested: the final prediction of the latest stage that contradicts the label; None where
            all stages end with the label, because the model has memorised it.
        hardness: how suspicious it is among all rows, in [0, 1], by the combined scores.
        probability: that the label is wrong, in [0, 1]; None where unknown.
        suspect: True if the verdict takes the label for wrong.
        vog: its hardness rank by VoG, in [0, 1], for comparison; None where it has no value.
    """

    index: int
    id: str
    label: int | None
    prediction: int | None
    suggested: int | None
    hardness: float
    probability: float | None
    suspect: bool
    vog: float | None


@dataclass(frozen=True)
class LikelyErrors:
    """The examples to check first for wrong labels.

    Attributes:
        scores: the combined scores, or in words what is used instead.
        suspects: the most suspicious first.
        contradicted: number of labels that the last checkpoint contradicts.
        verdict: on all labels; None where none is possible.
        why_none: the reason for no verdict.
    """

    scores: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    contradicted: int
    verdict: Verdict | None
    why_none: str | None


def likely_label_errors(run: Run, count: int = 24, stage: str | None = None) -> LikelyErrors:
    """Return the examples that the verdict suspects or the last checkpoint contradicts.

    VoG is not used, because over all checkpoints it does not find label errors: on the digits of
    `vog demo` the AUROC of vog@all is about 0.5, and above 0.99 for each of these scores.

    Args:
        run: rows without a value of one of the scores are left out.
        count: the maximum number of examples.
        stage: the stage that is used; None for the rule of `vog.suspects`.

    Raises:
        ResultError: the run has none of the scores over all checkpoints, or no such stage.
    """
    check_stage(run, stage)
    run.require_classes("a verdict on labels")
    verdict, why_none = verdict_or_why(run, stage=stage)
    scores, hard = combined_hardness(run) if verdict is None else (verdict.scores, verdict.hardness)
    scores = scores or ("the probabilities of all classes",)
    errors, judged = misclassified(run, "all")
    contradicted = errors & judged
    candidates = contradicted if verdict is None else contradicted | verdict.suspect
    ranked = np.flatnonzero(candidates & ~np.isnan(hard))
    positions = ranked[np.argsort(-hard[ranked], kind="stable")[:count]]
    listed = _suspects_at(run, hard, verdict, positions)
    return LikelyErrors(scores, listed, int(contradicted.sum()), verdict, why_none)


def most_suspicious(run: Run, verdict: Verdict, count: int | None = None) -> tuple[Suspect, ...]:
    """Return the suspects of a verdict, the most suspicious first."""
    rows = np.flatnonzero(verdict.suspect)
    order = np.argsort(-verdict.hardness[rows], kind="stable")
    return _suspects_at(run, verdict.hardness, verdict, rows[order][:count])


def hardest(run: Run, verdict: Verdict, count: int) -> tuple[Suspect, ...]:
    """Return the `count` rows that a verdict ranks highest, suspects or not."""
    order = np.argsort(-verdict.hardness, kind="stable")[:count]
    return _suspects_at(run, verdict.hardness, verdict, order[~np.isnan(verdict.hardness[order])])


def _suspects_at(
    run: Run, hard: Float[np.ndarray, "n"], verdict: Verdict | None, rows: Int[np.ndarray, "few"]
) -> tuple[Suspect, ...]:
    """Return these rows of the run's table, in the given order."""
    vog = run.hardness("vog@all") if "vog@all" in run.score_columns else np.full(run.rows, np.nan)
    return tuple(
        Suspect(
            **row,
            suggested=suggested,
            hardness=float(hard[position]),
            probability=None if verdict is None else _or_none(float(verdict.probability[position])),
            suspect=verdict is not None and bool(verdict.suspect[position]),
            vog=_or_none(float(vog[position])),
        )
        for row, suggested, position in zip(
            row_summaries(run, rows, "all"), _suggestions(run, rows), rows.tolist(), strict=True
        )
    )


def _suggestions(run: Run, positions: Int[np.ndarray, "few"]) -> list[int | None]:
    """Return for each row the final prediction of the latest stage that contradicts the label."""
    stage_ranges = run.question.get("stages", {})
    latest = sorted(run.stages, key=lambda stage: -stage_ranges.get(stage, [0, 0])[1])
    columns = ["label", *(f"prediction@{stage}" for stage in latest)]
    rows = run.table(columns).take(positions).to_pylist()
    return [
        next((row[key] for key in columns[1:] if row[key] not in (None, row["label"])), None)
        for row in rows
    ]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
