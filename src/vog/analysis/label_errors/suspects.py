"""The verdict on labels: the probability that each is wrong, and the suspects.

    held out     for rows scored by a training without them: labels that calibrated models
                 contradict
    calibrated   for data with planted flips: these weigh the scores and choose the stage; the
                 quantiles of the other rows among the flips give the number of wrong labels
    threshold    for data with threshold samples, which cannot have a right label: labels with an
                 AUM below the 99th percentile of these samples (Pleiss et al., NeurIPS 2020)
    tail         for all other data: the number of labels in excess of the tail that right labels
                 have at high doubt; the combined scores say which labels

All methods but `threshold` give probabilities. They name as many suspects as the target of the
false discovery rate allows: the expected share of right labels among the suspects that were not
planted. If they cannot estimate the number of wrong labels, they name no suspects.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from vog.analysis.label_errors import calibration
from vog.analysis.label_errors.doubt_tail import SUSPECT_FROM, excess_over_tail
from vog.analysis.label_errors.held_out_verdict import held_out_verdict
from vog.analysis.label_errors.planted_verdict import planted_verdict
from vog.analysis.label_errors.verdict import VERDICT_ADVICE, Mask, PerRow, Verdict, ranking
from vog.analysis.one_run.correlation import hardness
from vog.errors import ResultError, unknown
from vog.result import Run
from vog.result.planting_record import BOUNDARY, FLIP, THRESHOLD, Planted, as_planting_record
from vog.wording import option

# The four scores of the logits need no planted flips to be weighed: on digits and MNIST their mean
# ranks better than with the two gradient scores added.
LOGIT_SCORES = ("aum", "confidence", "loss", "el2n")
LABEL_SCORES = (*LOGIT_SCORES, "volg", "csg")
_CUTOFF_QUANTILE = 0.99  # of the AUM of the threshold samples, as in the paper
_ALL = "all"
_WHY_ALL = "the mean over the whole training, the rule without planted flips"


def suspects(
    run: Run,
    planted: Planted | str | Path | None = None,
    fdr: float = 0.1,
    stage: str | None = None,
) -> Verdict:
    """Return the verdict on the labels of a run: which are probably wrong.

    Args:
        run: rows without a value of one of the scores are never suspects.
        planted: the record of what was planted into the training data of the run, or the folder
            that `vog.plant` wrote. Flips calibrate the verdict; threshold samples alone give a
            cut-off. Without either, held-out probabilities or the doubts of the model decide.
        fdr: the target share of right labels among the suspects that were not planted, in (0, 1).
        stage: the stage whose checkpoints decide. None for the one that separates the flips best,
            if there are any; for the mean over the ends of all stages, of held-out rows; or `all`.

    Raises:
        ResultError: the run has no labels, no such stage or not the necessary scores, the record is
            not of its data, too few flips were planted, or `fdr` is not in (0, 1).
    """
    if not 0 < fdr < 1:
        raise ResultError(f"{option('fdr', fdr)}: expected a share between 0 and 1, such as 0.1.")
    check_stage(run, stage)
    run.require_classes("a verdict on labels")
    if run.table(["label"]).column(0).null_count == run.rows:
        raise ResultError(f"{run.folder} has no labels, so none can be judged.")
    record = None if planted is None else as_planting_record(planted)
    rows = {} if record is None else record.rows(run)
    if record is not None and FLIP in rows:
        unplanted = ~np.any(list(rows.values()), axis=0)
        names = _scores_at(run, LABEL_SCORES, stage or _ALL)
        unplanted_verdict = _unplanted_verdict(run, fdr, stage, unplanted)
        boundary = BOUNDARY in record.methods(FLIP)
        return planted_verdict(run, rows, names, unplanted_verdict, fdr, stage, boundary)
    if THRESHOLD in rows:
        return _threshold_verdict(run, rows[THRESHOLD], fdr, stage or _ALL)
    if run.out_of_sample:
        return held_out_verdict(run, fdr, stage)
    return _tail_verdict(run, fdr, stage)


def check_stage(run: Run, stage: str | None) -> None:
    """Raise ResultError unless the stage is None or one of the run's."""
    if stage is not None and stage not in run.stages:
        raise ResultError(f"{run.folder} has no stage {stage!r}.{unknown(stage, run.stages)}")


def combined_hardness(run: Run, stage: str = _ALL) -> tuple[tuple[str, ...], PerRow]:
    """Return the scores that judge labels without calibration, and their mean hardness rank.

    Raises:
        ResultError: the run has none of them at this stage.
    """
    names = _scores_at(run, LOGIT_SCORES, stage)
    return names, hardness(run, [f"{name}@{stage}" for name in names]).mean(axis=0)


def _unplanted_verdict(run: Run, fdr: float, stage: str | None, rows: Mask) -> Verdict | None:
    """Return the verdict on these rows without using the flips; None if there can be none."""
    try:
        return (
            held_out_verdict(run, fdr, stage, rows)
            if run.out_of_sample
            else _tail_verdict(run, fdr, stage, rows)
        )
    except ResultError:  # without confidence or probabilities the flips decide alone
        return None


def _tail_verdict(run: Run, fdr: float, stage: str | None, rows: Mask | None = None) -> Verdict:
    stage_name = stage or _ALL
    names, hard = combined_hardness(run, stage_name)
    doubt = 1 - _confidence_values(run, stage_name)
    usable = np.isfinite(doubt) & ~np.isnan(hard)
    usable &= True if rows is None else rows
    judged, unlearned = _learned_by_median_doubt(run, doubt, usable)
    excess = excess_over_tail(doubt[judged])
    count = excess.count_suspects(fdr)
    verdict = ranking("tail", names, (stage_name, None if stage else _WHY_ALL), hard, fdr)
    verdict = replace(verdict, unlearned=unlearned)
    if not count:
        return replace(verdict, reason=_why_no_suspects(run, judged, usable))
    # The doubts give the number of wrong labels; the combined scores say which.
    ranked = np.flatnonzero(judged)[np.argsort(-hard[judged], kind="stable")]
    probability, suspect = np.full(len(hard), np.nan), np.zeros(len(hard), bool)
    probability[ranked] = 0.0
    probability[ranked[: len(excess.probability)]] = excess.probability
    suspect[ranked[:count]] = True
    return replace(
        verdict,
        probability=probability,
        suspect=suspect,
        expected_fdr=float(excess.expected_right[count - 1]) / count,
        expected_wrong_labels=float(excess.probability.sum()),
    )


def _confidence_values(run: Run, stage: str) -> PerRow:
    if f"confidence@{stage}" not in run.score_columns:
        raise ResultError(
            f"{run.folder} has no score confidence, by which labels are judged. Score again with "
            f"confidence in {option('scores')}, or give {option('planted')} with flipped labels."
        )
    return run.values(f"confidence@{stage}")


def _learned_by_median_doubt(run: Run, doubt: PerRow, usable: Mask) -> tuple[Mask, tuple[int, ...]]:
    """Return the usable rows of learned classes, and the classes that are not learned.

    A class is learned if its median doubt is at most 0.6, the least doubt of a suspect.
    """
    labels = run.table(["label"]).column(0).to_numpy().astype(float)  # NaN: no label
    usable = usable & ~np.isnan(labels)
    judged, unlearned = np.zeros(len(doubt), bool), []
    for label in np.unique(labels[usable]):
        of_class = usable & (labels == label)
        if np.median(doubt[of_class]) <= SUSPECT_FROM:
            judged |= of_class
        else:
            unlearned.append(int(label))
    return judged, tuple(unlearned)


def _why_no_suspects(run: Run, judged: Mask, usable: Mask) -> str:
    if not usable.any():
        return f"{run.folder} has no row with a value of every score that judges labels"
    if not judged.any():
        return (
            f"in every class the model gives most labels less than {1 - SUSPECT_FROM:.0%} on "
            f"average over training, so it has not learned these data"
        )
    return (
        "the model doubts no more labels than the tail of right labels explains (because nothing "
        "is wrong, or it has learned too little, or it has also learned the wrong labels)"
    )


def verdict_or_why(
    run: Run, planted: Planted | None = None, stage: str | None = None
) -> tuple[Verdict | None, str | None]:
    """Return the verdict and None, or None and the reason why there is no verdict.

    Raises:
        ResultError: a record of planting is given, and the run cannot be judged by it.
    """
    if planted is not None:
        return suspects(run, planted, stage=stage), None
    try:
        return suspects(run, stage=stage), None
    except ResultError as error:
        return None, str(error)


def require_verdict(run: Run, planted: Planted | None = None) -> Verdict:
    """Return the verdict if it gives probabilities or a cut-off.

    Raises:
        ResultError: it is only a ranking, or there is no verdict.
    """
    return require_suspects(run, suspects(run, planted))


def require_suspects(run: Run, verdict: Verdict) -> Verdict:
    """Return the verdict on a run if it gives probabilities or a cut-off.

    Raises:
        ResultError: it is only a ranking.
    """
    if verdict.reason is not None:
        raise ResultError(
            f"the labels of {run.folder} cannot be judged: {verdict.reason}. {VERDICT_ADVICE}"
        )
    return verdict


def _threshold_verdict(run: Run, samples: Mask, fdr: float, stage: str) -> Verdict:
    margins = _aum_values(run, stage)
    sample_aum = margins[samples & np.isfinite(margins)]
    if len(sample_aum) < calibration.MIN_PLANTED:
        raise ResultError(
            f"{run.folder} has {len(sample_aum)} threshold samples with an AUM; a cut-off needs "
            f"at least {calibration.MIN_PLANTED}. Plant them into more data with "
            f"{option('threshold', True)}, or leave {option('planted')} out."
        )
    cutoff = float(np.quantile(sample_aum, _CUTOFF_QUANTILE))
    suspect = (margins < cutoff) & ~samples
    hard = run.hardness(f"aum@{stage}")
    return replace(ranking("threshold", ("aum",), (stage, None), hard, fdr), suspect=suspect)


def _aum_values(run: Run, stage: str) -> PerRow:
    if f"aum@{stage}" not in run.score_columns:
        raise ResultError(
            f"{run.folder} has no score aum, whose cut-off the threshold samples give. Score again "
            f"with aum in {option('scores')}, or give {option('planted')} with flipped labels."
        )
    return run.values(f"aum@{stage}")


def _scores_at(run: Run, candidates: tuple[str, ...], stage: str) -> tuple[str, ...]:
    names = tuple(name for name in candidates if f"{name}@{stage}" in run.score_columns)
    if not names:
        raise ResultError(
            f"{run.folder} has none of the scores {', '.join(candidates)}, by which labels are "
            f"judged. Score again with one of them in {option('scores')}."
        )
    return names
