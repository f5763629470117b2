"""The verdict on labels of held-out rows, by the probabilities of models trained without them."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vog.analysis.label_errors.label_noise import wrong_probability
from vog.analysis.label_errors.verdict import Mask, PerRow, Verdict, ranking
from vog.errors import ResultError
from vog.result import Run
from vog.result.derived_columns import rank
from vog.wording import option

_MIN_PREDICTED = 0.5  # predictions per label of a learned class
_MARGIN = 2.0  # standard errors added to the number of right labels, taken off that of wrong ones
_ALL = "all"


def held_out_verdict(run: Run, fdr: float, stage: str | None, rows: Mask | None = None) -> Verdict:
    """Return the verdict by the out-of-sample probabilities of all classes.

    Args:
        run: a run of held-out rows, with probabilities.
        fdr: the target share of right labels among the suspects.
        stage: the stage whose last checkpoint is used; None for the mean over the last checkpoints
            of all stages.
        rows: the rows to judge; None for all.

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
        return replace(verdict, reason=_WHY_NOTHING_LEARNED)
    count, right = _count_suspects(probability[judged], fdr)
    if not count:
        return replace(verdict, reason=_WHY_NONE)
    suspect = np.zeros(len(labels), bool)
    suspect[np.argsort(-np.nan_to_num(probability, nan=-1), kind="stable")[:count]] = True
    return replace(
        verdict,
        probability=probability,
        suspect=suspect,
        expected_fdr=right / count,
        expected_wrong_labels=_at_least(float(probability[judged].sum())),
    )


_WHY_NOTHING_LEARNED = "the model predicts every class for less than half as many rows as have it"
_WHY_NONE = (
    "the models contradict no more labels than calibrated models would if all labels were right "
    "(because nothing is wrong, or they confuse classes, or they have learned too little)"
)


def _mean_probs(run: Run, stage: str | None) -> Float[np.ndarray, "n classes"]:
    """Return the class probabilities, averaged over the ends of the stages; NaN where missing."""
    stages = _stages_to_average(run) if stage is None else [stage]
    mean: Float[np.ndarray, "n classes"] | None = None
    for name in stages:
        probs = run.probabilities(name)
        if probs is None and "combined" in run.question:
            raise ResultError(
                f"{run.folder} holds means over several runs, without probabilities. Judge the "
                f"labels of each run, or of all but one, and keep that one as a check."
            )
        if probs is None:
            raise ResultError(
                f"{run.folder} has no probabilities of all classes, by which labels of held-out "
                f"rows are judged. Score the held-out rows of each fold again, with "
                f"{option('keep_probabilities', True)}."
            )
        share = probs.astype(np.float32) / np.float32(len(stages))
        mean = share if mean is None else mean + share
    assert mean is not None, "a run has the stage all"
    return mean


def _stages_to_average(run: Run) -> list[str]:
    """Return the stages without `all`, which ends as the last one does; `all` if it is alone."""
    return [stage for stage in run.stages if stage != _ALL] or [_ALL]


def _learned_by_prediction_count(
    probabilities: Float[np.ndarray, "n classes"], labels: np.ndarray, usable: Mask
) -> tuple[Mask, tuple[int, ...]]:
    """Return the usable rows of learned classes, and the classes that are not learned.

    A class is learned if it is predicted for at least half as many rows as have its label.
    """
    classes = probabilities.shape[1]
    predicted_counts = np.bincount(probabilities[usable].argmax(axis=1), minlength=classes)
    label_counts = np.bincount(labels[usable], minlength=classes)
    learned = predicted_counts >= _MIN_PREDICTED * label_counts
    judged = usable & learned[np.clip(labels, 0, classes - 1)]
    return judged, tuple(np.flatnonzero(~learned & (label_counts > 0)).tolist())


def _at_least(wrong: float) -> float:
    """Return the expected number of wrong labels less two standard errors."""
    return max(0.0, wrong - _MARGIN * np.sqrt(wrong))


def _count_suspects(probability: PerRow, fdr: float) -> tuple[int, float]:
    """Return the number of suspects, and how many of them may be right.

    These are two standard errors more than expected: a short list is given only if it is clearly
    wrong, and the models are surer of themselves than they should be.
    """
    expected = np.cumsum(1 - np.sort(probability)[::-1])
    right = expected + _MARGIN * np.sqrt(expected + 1)
    counts = np.arange(1, len(right) + 1)
    cuts = np.flatnonzero(right <= fdr * counts)
    return (0, np.nan) if not len(cuts) else (int(counts[cuts[-1]]), float(right[cuts[-1]]))
