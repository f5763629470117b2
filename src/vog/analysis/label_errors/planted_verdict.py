"""The verdict on labels of data into which flips were planted.

The flips say how to weigh the scores and which stage to ask, by a logistic regression that judges
every row in a fold that has not seen it. How many of the other labels are wrong is told by how far
they reach among the flips, or by the tail of right labels where that tells more.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from vog.analysis.label_errors import calibration
from vog.analysis.label_errors.own_errors import NOTHING, OwnErrors, own_errors, places
from vog.analysis.label_errors.verdict import Rows, Values, Verdict, ranking
from vog.errors import ResultError
from vog.result import Run
from vog.result.derived_columns import rank
from vog.result.planting_record import FLIP

_ALL = "all"


@dataclass(frozen=True)
class _Learned:
    """A calibration, the rows that it is of, the scores and the stage."""

    by: calibration.Calibrated
    known: Rows
    names: tuple[str, ...]
    stage: str


def by_flips(
    run: Run,
    rows: dict[str, Rows],
    names: tuple[str, ...],
    tail: Verdict | None,
    fdr: float,
    stage: str | None,
    boundary: bool = False,
) -> Verdict:
    """Which labels are taken for wrong, the planted and others.

    Args:
        run: of the planted data.
        rows: by kind, which were planted.
        names: the scores that are weighed.
        tail: the verdict on the rows that were not planted without a look at the flips.
        fdr: what is aimed at among the rows that were not planted.
        stage: whose scores are weighed; None for the one that tells the flips best.
        boundary: flips were planted of ambiguous examples. As many of these were left right and
            look the same, so how far others reach among the flips counts nothing.

    Raises:
        ResultError: too few flips, or other labels, have all scores.
    """
    flipped = rows[FLIP]
    usable = np.ones(run.rows, bool)
    for kind, mask in rows.items():  # what is wrong with these is not their label
        usable &= ~mask if kind != FLIP else True
    best = _best(run, names, flipped, usable, stage)
    helps = None
    if f"vog@{best.stage}" in run.score_columns:
        with_vog = _learned(run, (*names, "vog"), best.stage, flipped, usable)
        helps = with_vog.by.log_loss < best.by.log_loss - with_vog.by.error
        best = with_vog if helps else best
    why = None if stage else _why_stage(best.stage)
    looks_wrong = np.full(run.rows, np.nan)
    looks_wrong[best.known] = best.by.probability
    order = ranking("calibrated", best.names, (best.stage, why), rank(looks_wrong), fdr, flipped)
    order = replace(order, vog_helps=helps)
    return _counted(order, looks_wrong, best.known & ~flipped, tail, boundary)


def _best(
    run: Run, names: tuple[str, ...], flipped: Rows, usable: Rows, stage: str | None
) -> _Learned:
    """The calibration at the stage asked for, or at the one that tells the flips best."""
    if stage is not None:
        return _learned(run, names, stage, flipped, usable)
    best = _learned(run, names, _ALL, flipped, usable)
    for other in run.stages:
        if other != _ALL and all(f"{name}@{other}" in run.score_columns for name in names):
            found = _learned(run, names, other, flipped, usable)
            if found.by.log_loss < best.by.log_loss - found.by.error:
                best = found
    return best


def _why_stage(stage: str) -> str:
    if stage == _ALL:
        return "no stage tells the planted flips better by more than its standard error"
    return "it tells the planted flips best"


def _learned(run: Run, names: tuple[str, ...], stage: str, flipped: Rows, usable: Rows) -> _Learned:
    """The calibration by these scores at a stage, and the rows that it is of."""
    values = np.stack([run.numbers(f"{name}@{stage}") for name in names])
    known = np.isfinite(values).all(axis=0) & usable
    flips, others = int(flipped[known].sum()), int((~flipped[known]).sum())
    if min(flips, others) < calibration.LEAST:
        raise ResultError(
            f"{run.folder} has {flips} flipped and {others} other labels with all scores; a "
            f"probability is calibrated with at least {calibration.LEAST} of each. Plant more with "
            f"--flip, or leave --planted out."
        )
    return _Learned(calibration.calibrated(values[:, known], flipped[known]), known, names, stage)


def _counted(
    order: Verdict, looks_wrong: Values, own: Rows, tail: Verdict | None, boundary: bool
) -> Verdict:
    """With as many suspects as keep the share of right labels among those not planted."""
    flips = looks_wrong[order.planted & ~np.isnan(looks_wrong)]
    place = places(looks_wrong[own], flips)
    told = NOTHING if boundary else own_errors(place)
    count, right = told.count(place, order.fdr)
    probability, wrong = _probability(order, own, told, place), told.even
    if tail is not None and int(tail.suspect.sum()) > count:
        return _as_the_tail(order, looks_wrong, own, tail)
    if not count:
        return replace(order, why=_WHY_BOUNDARY if boundary else _WHY_NONE)
    ranked = np.flatnonzero(own)[np.argsort(-looks_wrong[own], kind="stable")]
    suspect = np.zeros(len(own), bool)
    suspect[ranked[:count]] = True
    suspect |= order.planted & (looks_wrong >= looks_wrong[ranked[count - 1]])
    return replace(order, suspect=suspect, probability=probability, expected_fdr=right, wrong=wrong)


_WHY_BOUNDARY = (
    "planted were flips of ambiguous examples, and ambiguous ones that were left right look the "
    "same, so these flips say which scores to trust and not how many others are wrong"
)
_WHY_NONE = (
    "among the labels that were not planted, those that look like planted ones thin out as right "
    "labels do, or look like planted ones everywhere, as where nothing is wrong, where what is "
    "wrong is not of the kind that was planted, and where the model has learned too little"
)


def _probability(
    order: Verdict, own: Rows, told: OwnErrors, place: Float[np.ndarray, "m"]
) -> Values:
    probability = np.full(len(own), np.nan)
    probability[own] = told.probability(place)
    probability[order.planted] = 1.0
    return probability


def _as_the_tail(order: Verdict, looks_wrong: Values, own: Rows, tail: Verdict) -> Verdict:
    """What was told without a look at the flips, and which flips look as wrong as these rows."""
    ranked = np.sort(looks_wrong[own])[::-1]
    cut = float(ranked[min(int(tail.suspect.sum()), len(ranked)) - 1])
    probability = tail.probability.copy()
    probability[order.planted] = 1.0
    return replace(
        order,
        suspect=tail.suspect | (order.planted & (looks_wrong >= cut)),
        probability=probability,
        expected_fdr=tail.expected_fdr,
        wrong=tail.wrong,
        unlearned=tail.unlearned,
    )
