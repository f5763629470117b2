"""The verdict on labels of data into which flips were planted.

A logistic regression learns from the flips how to weigh the scores, and which stage to use. Each
row is judged by a fit without its fold. The number of other wrong labels follows from their
quantiles among the flips. Where the verdict without flips (the baseline) names more, it is taken.
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
from vog.wording import option

_ALL = "all"


@dataclass(frozen=True)
class _StageFit:
    """A calibration at one stage, with its scores and the rows that have all of them (`whole`)."""

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
    """Return the verdict on all labels, planted and not.

    Args:
        run: a run of the planted data.
        rows: for each kind, the planted rows.
        names: the scores to weigh.
        baseline: the verdict on the rows that were not planted, made without the flips.
        fdr: the target share of right labels among the suspects that were not planted.
        stage: the stage of the scores; None for the one that separates the flips best.
        boundary: ambiguous examples were flipped. Equally ambiguous ones with right labels look the
            same, so quantiles among the flips do not count wrong labels.

    Raises:
        ResultError: too few flipped or unflipped labels have all scores.
    """
    flipped = rows[FLIP]
    usable = np.ones(run.rows, bool)
    for kind, mask in rows.items():  # skip the other planted faults: their labels are right
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
    """Return the calibration at the given stage, or at the one that separates the flips best."""
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
        return "no stage separates the planted flips better by more than its standard error"
    return "it separates the planted flips best"


def _fit_at(run: Run, names: tuple[str, ...], stage: str, flipped: Mask, usable: Mask) -> _StageFit:
    """Return the calibration by these scores at a stage.

    Raises:
        ResultError: too few flipped or unflipped labels have all scores.
    """
    values = np.stack([run.values(f"{name}@{stage}") for name in names])
    whole = np.isfinite(values).all(axis=0) & usable
    flips, unflipped = int(flipped[whole].sum()), int((~flipped[whole]).sum())
    if min(flips, unflipped) < calibration.MIN_PLANTED:
        raise ResultError(
            f"{run.folder} has {flips} flipped and {unflipped} other labels with all scores; "
            f"calibration needs at least {calibration.MIN_PLANTED} of each. Plant more with "
            f"{option('flip')}, or leave {option('planted')} out."
        )
    return _StageFit(calibration.calibrate(values[:, whole], flipped[whole]), whole, names, stage)


def _with_suspects(
    verdict: Verdict, wrongness: PerRow, unplanted: Mask, baseline: Verdict | None, boundary: bool
) -> Verdict:
    """Return the verdict with as many suspects as its target share of right labels allows."""
    flips = wrongness[verdict.planted & ~np.isnan(wrongness)]
    quantile = quantiles_among_planted(wrongness[unplanted], flips)
    estimate = NO_ESTIMATE if boundary else fit_own_errors(quantile)
    count, fdr = estimate.count_suspects(quantile, verdict.fdr)
    probability = _probability(verdict, unplanted, estimate, quantile)
    if baseline is not None and int(baseline.suspect.sum()) > count:
        return _adopt(verdict, wrongness, unplanted, baseline)
    if not count:
        return replace(verdict, reason=_WHY_BOUNDARY if boundary else _WHY_NONE)
    ranked = np.flatnonzero(unplanted)[np.argsort(-wrongness[unplanted], kind="stable")]
    suspect = np.zeros(len(unplanted), bool)
    suspect[ranked[:count]] = True
    suspect |= verdict.planted & (wrongness >= wrongness[ranked[count - 1]])
    return replace(
        verdict,
        suspect=suspect,
        probability=probability,
        expected_fdr=fdr,
        expected_wrong_labels=estimate.wrong_count,
    )


_WHY_BOUNDARY = (
    "the planted flips are of ambiguous examples, and ambiguous examples with right labels look "
    "the same, so these flips say which scores to trust and not how many other labels are wrong"
)
_WHY_NONE = (
    "the labels that were not planted either become rare where labels look planted, as right ones "
    "do, or look planted everywhere (because nothing is wrong, or the errors are of another kind "
    "than the planted ones, or the model has learned too little)"
)


def _probability(
    verdict: Verdict, unplanted: Mask, estimate: OwnErrors, quantile: Float[np.ndarray, "m"]
) -> PerRow:
    probability = np.full(len(unplanted), np.nan)
    probability[unplanted] = estimate.probability(quantile)
    probability[verdict.planted] = 1.0
    return probability


def _adopt(verdict: Verdict, wrongness: PerRow, unplanted: Mask, baseline: Verdict) -> Verdict:
    """Return the verdict with the baseline's suspects, and flips that look at least as wrong."""
    ranked = np.sort(wrongness[unplanted])[::-1]
    cutoff = float(ranked[min(int(baseline.suspect.sum()), len(ranked)) - 1])
    probability = baseline.probability.copy()
    probability[verdict.planted] = 1.0
    return replace(
        verdict,
        suspect=baseline.suspect | (verdict.planted & (wrongness >= cutoff)),
        probability=probability,
        expected_fdr=baseline.expected_fdr,
        expected_wrong_labels=baseline.expected_wrong_labels,
        unlearned=baseline.unlearned,
    )
