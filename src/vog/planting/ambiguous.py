"""Flips of ambiguous examples, by the scores or probabilities of an earlier run."""

import numpy as np
from jaxtyping import Float, Int

from vog.data.examples import Examples
from vog.errors import DataError, first_few
from vog.planting.flips import FlipRule
from vog.result.ids import positions_of
from vog.result.planting_record import BOUNDARY
from vog.result.run import Run
from vog.wording import option


def boundary_flip_rule(run: Run, examples: Examples, labels: Int[np.ndarray, "n"]) -> FlipRule:
    """Return a rule that flips ambiguous examples to the most likely class besides the label.

    The runner-up and the gap come from the class probabilities if the run has them. Otherwise the
    runner-up is the prediction of the latest stage that contradicts the label, and the gap is the
    margin (`aum@all`) or else the confidence.

    Raises:
        DataError: the run has different data or labels, or neither probabilities nor such scores.
    """
    table = run.table(["id"])
    ids = [str(examples.ids[row]) for row in range(len(examples))]
    positions = positions_of(ids, table["id"])
    if (positions < 0).any():
        missing = [ids[row] for row in np.flatnonzero(positions < 0)[:5].tolist()]
        raise DataError(
            f"{_argument(run)} lacks {(positions < 0).sum():,} of {len(ids):,} examples: "
            f"{first_few(missing)}. Give a run of the same data."
        )
    run_labels = run.class_labels[positions]
    if (run_labels != labels).any():
        mismatched = [ids[row] for row in np.flatnonzero(run_labels != labels)[:5].tolist()]
        raise DataError(
            f"{_argument(run)} has different labels for {(run_labels != labels).sum():,} examples: "
            f"{first_few(mismatched)}. Give a run of the same data."
        )
    probabilities = run.probabilities()
    if probabilities is None:
        runner_up, gap = _from_scores(run)
        return FlipRule(BOUNDARY, runner_up=runner_up[positions], gap=gap[positions])
    runner_up, gap = _from_probabilities(probabilities[positions].astype(np.float64), labels)
    return FlipRule(BOUNDARY, runner_up=runner_up, gap=gap)


def _argument(run: Run) -> str:
    return option("run", str(run.folder))


def _from_probabilities(
    probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, "n"]
) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    rows, columns = np.arange(len(labels)), np.clip(labels, 0, probabilities.shape[1] - 1)
    competing = np.nan_to_num(probabilities, nan=-1.0)
    competing[rows, columns] = -1
    runner_up = competing.argmax(axis=1)
    gap = probabilities[rows, columns] - competing.max(axis=1)
    return np.where(np.isfinite(gap), runner_up, -1), gap


def _from_scores(run: Run) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    label = run.class_labels
    runner_up = np.full(len(label), -1)
    for stage in run.stages:  # later stages overwrite earlier ones
        predictions = run.table([f"prediction@{stage}"])[0].fill_null(-1).to_numpy()
        runner_up = np.where((predictions >= 0) & (predictions != label), predictions, runner_up)
    if "aum@all" in run.score_columns:
        return runner_up, run.values("aum@all")
    if "confidence@all" in run.score_columns:
        return runner_up, run.values("confidence@all") - 0.5
    raise DataError(
        f"{_argument(run)} has neither aum, confidence nor probabilities, which "
        f"say how ambiguous an example is. Score it again with aum among {option('scores')}."
    )
