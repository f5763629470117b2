"""The verdict on labels by trainings without them: the probabilities of rows that were held out."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vog.analysis.label_noise import wrong_probability
from vog.analysis.verdict import Rows, Values, Verdict, ranking
from vog.errors import ResultError
from vog.result import Run
from vog.result.columns import rank

_PREDICTED = 0.5  # of as many rows as carry its label a class is the likeliest, where it is learned
_CAREFUL = 2.0  # standard errors of how many are right, which are taken for right too
_ALL = "all"


def by_held_out(run: Run, fdr: float, stage: str | None, rows: Rows | None = None) -> Verdict:
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
    found, labels = _probabilities(run, stage), run.table(["label"]).column(0).fill_null(-1)
    numbers = labels.to_numpy()
    known = np.isfinite(found).all(axis=1) & (numbers >= 0) & (numbers < found.shape[1])
    known &= True if rows is None else rows
    judged, unlearned = _learned_classes(found, numbers, known)
    probability = np.full(len(numbers), np.nan)
    if judged.any():
        probability[judged] = wrong_probability(found[judged], numbers[judged])
    order = ranking("held out", (), (stage or _ALL, why), rank(probability), fdr)
    order = replace(order, unlearned=unlearned)
    if not judged.any():
        return replace(order, why="in no class the model names as many rows as carry its label")
    count, right = _count(probability[judged], fdr)
    if not count:
        return replace(order, why=_WHY_NONE)
    suspect = np.zeros(len(numbers), bool)
    suspect[np.argsort(-np.nan_to_num(probability, nan=-1), kind="stable")[:count]] = True
    return replace(
        order,
        probability=probability,
        suspect=suspect,
        expected_fdr=right / count,
        wrong=_at_least(float(probability[judged].sum())),
    )


_WHY_NONE = (
    "the models contradict no more labels than they would if they were calibrated and all labels "
    "right, as where nothing is wrong, where classes are taken for each other, and where they have "
    "learned too little"
)


def _probabilities(run: Run, stage: str | None) -> Float[np.ndarray, "n classes"]:
    """Of all classes, the mean over the ends of the stages; NaN where a row has none."""
    stages = _ends(run) if stage is None else [stage]
    mean: Float[np.ndarray, "n classes"] | None = None
    for one in stages:
        found = run.probabilities(one)
        if found is None and "combined" in run.question:
            raise ResultError(
                f"{run.folder} is the means over several runs, which keep no probabilities. Judge "
                f"the labels of each run, or of all but one as a check."
            )
        if found is None:
            raise ResultError(
                f"{run.folder} has no probabilities of all classes, by which labels out of sample "
                f"are judged. Score the held-out rows of each fold again, with "
                f"--keep-probabilities."
            )
        share = found.astype(np.float32) / np.float32(len(stages))
        mean = share if mean is None else mean + share
    assert mean is not None, "a run has the stage all"
    return mean


def _ends(run: Run) -> list[str]:
    """The stages but for `all`, which ends as the last does; `all` where there is no other."""
    return [stage for stage in run.stages if stage != _ALL] or [_ALL]


def _learned_classes(
    probabilities: Float[np.ndarray, "n classes"], labels: np.ndarray, known: Rows
) -> tuple[Rows, tuple[int, ...]]:
    """The known rows of classes that the model has learned, and which classes it has not."""
    classes = probabilities.shape[1]
    said = np.bincount(probabilities[known].argmax(axis=1), minlength=classes)
    carried = np.bincount(labels[known], minlength=classes)
    learned = said >= _PREDICTED * carried
    judged = known & learned[np.clip(labels, 0, classes - 1)]
    return judged, tuple(np.flatnonzero(~learned & (carried > 0)).tolist())


def _at_least(wrong: float) -> float:
    """Return how many are wrong with two standard errors taken off."""
    return max(0.0, wrong - _CAREFUL * np.sqrt(wrong))


def _count(probability: Values, fdr: float) -> tuple[int, float]:
    """Return how many of the likeliest are taken, and how many of these may be right.

    That is two standard errors more than are expected to be: few are named only where they are
    clearly wrong, and the models are surer of themselves than they should be.
    """
    expected = np.cumsum(1 - np.sort(probability)[::-1])
    right = expected + _CAREFUL * np.sqrt(expected + 1)
    taken = np.arange(1, len(right) + 1)
    kept = np.flatnonzero(right <= fdr * taken)
    return (0, np.nan) if not len(kept) else (int(taken[kept[-1]]), float(right[kept[-1]]))
