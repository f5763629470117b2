"""The verdict on labels of data into which flips were planted.

The flips say how to weigh the scores and which stage to ask, by a logistic regression that judges
every row in a fold that has not seen it. How many of the other labels are wrong is told by how far
they reach among the flips, or by the tail of right labels where that tells more.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from vog.analysis.label_errors import calibration
from vog.analysis.label_errors.own_errors import (
    NO_ESTIMATE,
    OwnErrors,
    fit_own_errors,
    quantiles_among_planted,
)
from vog.analysis.label_errors.verdict import Mask, PerRow, Verdict, ranking
from vog.errors import ResultError
from vog.result import Run
from vog.result.derived_columns import rank
from vog.result.planting_record import FLIP

_ALL = "all"


@dataclass(frozen=True)
class _StageFit:
    """A calibration, the rows that it is of, the scores and the stage."""

    fit: calibration.CrossFit
    whole: Mask
    names: tuple[str, ...]
    stage: str


def planted_verdict(
    run: Run,
    rows: dict[str, Mask],
    names: tuple[str, ...],
    baseline: Verdict | None,
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
    best = _best_fit(run, names, flipped, usable, stage)
    vog_helps = None
    if f"vog@{best.stage}" in run.score_columns:
        with_vog = _fit_at(run, (*names, "vog"), best.stage, flipped, usable)
        vog_helps = with_vog.fit.log_loss < best.fit.log_loss - with_vog.fit.standard_error
        best = with_vog if vog_helps else best
    why = None if stage else _why_stage(best.stage)
    wrongness = np.full(run.rows, np.nan)
    wrongness[best.whole] = best.fit.probability
    verdict = ranking("calibrated", best.names, (best.stage, why), rank(wrongness), fdr, flipped)
    verdict = replace(verdict, vog_helps=vog_helps)
    return _with_suspects(verdict, wrongness, best.whole & ~flipped, baseline, boundary)


def _best_fit(
    run: Run, names: tuple[str, ...], flipped: Mask, usable: Mask, stage: str | None
) -> _StageFit:
    """The calibration at the stage asked for, or at the one that tells the flips best."""
    if stage is not None:
        return _fit_at(run, names, stage, flipped, usable)
    best = _fit_at(run, names, _ALL, flipped, usable)
    for run_stage in run.stages:
        if run_stage != _ALL and all(f"{name}@{run_stage}" in run.score_columns for name in names):
            candidate = _fit_at(run, names, run_stage, flipped, usable)
            if candidate.fit.log_loss < best.fit.log_loss - candidate.fit.standard_error:
                best = candidate
    return best


def _why_stage(stage: str) -> str:
    if stage == _ALL:
        return "no stage tells the planted flips better by more than its standard error"
    return "it tells the planted flips best"


def _fit_at(run: Run, names: tuple[str, ...], stage: str, flipped: Mask, usable: Mask) -> _StageFit:
    """The calibration by these scores at a stage, and the rows that it is of."""
    values = np.stack([run.numbers(f"{name}@{stage}") for name in names])
    whole = np.isfinite(values).all(axis=0) & usable
    flips, unflipped = int(flipped[whole].sum()), int((~flipped[whole]).sum())
    if min(flips, unflipped) < calibration.MIN_PLANTED:
        raise ResultError(
            f"{run.folder} has {flips} flipped and {unflipped} other labels with all scores; a "
            f"probability is calibrated with at least {calibration.MIN_PLANTED} of each. Plant more with "
            f"--flip, or leave --planted out."
        )
    return _StageFit(calibration.calibrate(values[:, whole], flipped[whole]), whole, names, stage)


def _with_suspects(
    verdict: Verdict, wrongness: PerRow, unplanted: Mask, baseline: Verdict | None, boundary: bool
) -> Verdict:
    """With as many suspects as keep the share of right labels among those not planted."""
    flips = wrongness[verdict.planted & ~np.isnan(wrongness)]
    quantile = quantiles_among_planted(wrongness[unplanted], flips)
    estimate = NO_ESTIMATE if boundary else fit_own_errors(quantile)
    count, fdr = estimate.count_suspects(quantile, verdict.fdr)
    probability, wrong = _probability(verdict, unplanted, estimate, quantile), estimate.wrong_count
    if baseline is not None and int(baseline.suspect.sum()) > count:
        return _adopt(verdict, wrongness, unplanted, baseline)
    if not count:
        return replace(verdict, why=_WHY_BOUNDARY if boundary else _WHY_NONE)
    ranked = np.flatnonzero(unplanted)[np.argsort(-wrongness[unplanted], kind="stable")]
    suspect = np.zeros(len(unplanted), bool)
    suspect[ranked[:count]] = True
    suspect |= verdict.planted & (wrongness >= wrongness[ranked[count - 1]])
    return replace(verdict, suspect=suspect, probability=probability, expected_fdr=fdr, wrong=wrong)


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
    verdict: Verdict, unplanted: Mask, estimate: OwnErrors, quantile: Float[np.ndarray, "m"]
) -> PerRow:
    probability = np.full(len(unplanted), np.nan)
    probability[unplanted] = estimate.probability(quantile)
    probability[verdict.planted] = 1.0
    return probability


def _adopt(verdict: Verdict, wrongness: PerRow, unplanted: Mask, baseline: Verdict) -> Verdict:
    """What was told without a look at the flips, and which flips look as wrong as these rows."""
    ranked = np.sort(wrongness[unplanted])[::-1]
    cutoff = float(ranked[min(int(baseline.suspect.sum()), len(ranked)) - 1])
    probability = baseline.probability.copy()
    probability[verdict.planted] = 1.0
    return replace(
        verdict,
        suspect=baseline.suspect | (verdict.planted & (wrongness >= cutoff)),
        probability=probability,
        expected_fdr=baseline.expected_fdr,
        wrong=baseline.wrong,
        unlearned=baseline.unlearned,
    )
