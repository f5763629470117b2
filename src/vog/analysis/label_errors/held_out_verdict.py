"""The verdict on labels by trainings without them: the probabilities of rows that were held out."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vog.analysis.label_errors.label_noise import wrong_probability
from vog.analysis.label_errors.verdict import Mask, PerRow, Verdict, ranking
from vog.errors import ResultError
from vog.result import Run
from vog.result.derived_columns import rank

_MIN_PREDICTED = (
    0.5  # of as many rows as carry its label a class is the likeliest, where it is learned
)
_MARGIN = 2.0  # standard errors of how many are right, which are taken for right too
_ALL = "all"


def held_out_verdict(run: Run, fdr: float, stage: str | None, rows: Mask | None = None) -> Verdict:
    """Which labels are taken for wrong, by the probabilities of all classes out of sample.

    Args:
        run: of rows that were held out, with probabilities.
        fdr: what is aimed at.
        stage: whose last checkpoint is asked; None for the mean over the ends of all stages.
        rows: those that are judged; None for all.

    Raises:
        ResultError: the run has no probabilities.
    """
    why = None if stage else "the mean over the ends of all stages, the rule for held-out rows"
    probs, column = _mean_probs(run, stage), run.table(["label"]).column(0).fill_null(-1)
    labels = column.to_numpy()
    usable = np.isfinite(probs).all(axis=1) & (labels >= 0) & (labels < probs.shape[1])
    usable &= True if rows is None else rows
    judged, unlearned = _learned_by_prediction_count(probs, labels, usable)
    probability = np.full(len(labels), np.nan)
    if judged.any():
        probability[judged] = wrong_probability(probs[judged], labels[judged])
    verdict = ranking("held out", (), (stage or _ALL, why), rank(probability), fdr)
    verdict = replace(verdict, unlearned=unlearned)
    if not judged.any():
        return replace(verdict, why="in no class the model names as many rows as carry its label")
    count, right = _count_suspects(probability[judged], fdr)
    if not count:
        return replace(verdict, why=_WHY_NONE)
    suspect = np.zeros(len(labels), bool)
    suspect[np.argsort(-np.nan_to_num(probability, nan=-1), kind="stable")[:count]] = True
    return replace(
        verdict,
        probability=probability,
        suspect=suspect,
        expected_fdr=right / count,
        wrong=float(probability[judged].sum()),
    )


_WHY_NONE = (
    "the models contradict no more labels than they would if they were calibrated and all labels "
    "right, as where nothing is wrong, where classes are taken for each other, and where they have "
    "learned too little"
)


def _mean_probs(run: Run, stage: str | None) -> Float[np.ndarray, "n classes"]:
    """Of all classes, the mean over the ends of the stages; NaN where a row has none."""
    stages = _stages_to_average(run) if stage is None else [stage]
    mean: Float[np.ndarray, "n classes"] | None = None
    for name in stages:
        probs = run.probabilities(name)
        if probs is None and "combined" in run.question:
            raise ResultError(
                f"{run.folder} is the means over several runs, which keep no probabilities. Judge "
                f"the labels of each run, or of all but one as a check."
            )
        if probs is None:
            raise ResultError(
                f"{run.folder} has no probabilities of all classes, by which labels out of sample "
                f"are judged. Score the held-out rows of each fold again, with "
                f"--keep-probabilities."
            )
        share = probs.astype(np.float32) / np.float32(len(stages))
        mean = share if mean is None else mean + share
    assert mean is not None, "a run has the stage all"
    return mean


def _stages_to_average(run: Run) -> list[str]:
    """The stages but for `all`, which ends as the last does; `all` where there is no other."""
    return [stage for stage in run.stages if stage != _ALL] or [_ALL]


def _learned_by_prediction_count(
    probabilities: Float[np.ndarray, "n classes"], labels: np.ndarray, usable: Mask
) -> tuple[Mask, tuple[int, ...]]:
    """The known rows of classes that the model has learned, and which classes it has not."""
    classes = probabilities.shape[1]
    predicted_counts = np.bincount(probabilities[usable].argmax(axis=1), minlength=classes)
    label_counts = np.bincount(labels[usable], minlength=classes)
    learned = predicted_counts >= _MIN_PREDICTED * label_counts
    judged = usable & learned[np.clip(labels, 0, classes - 1)]
    return judged, tuple(np.flatnonzero(~learned & (label_counts > 0)).tolist())


def _count_suspects(probability: PerRow, fdr: float) -> tuple[int, float]:
    """How many of the likeliest are taken, and how many of these are expected to be right.

    By two standard errors careful, so that few are named only where they are clearly wrong.
    """
    right = np.cumsum(1 - np.sort(probability)[::-1])
    counts = np.arange(1, len(right) + 1)
    cuts = np.flatnonzero(right + _MARGIN * np.sqrt(right + 1) <= fdr * counts)
    return (0, np.nan) if not len(cuts) else (int(counts[cuts[-1]]), float(right[cuts[-1]]))
