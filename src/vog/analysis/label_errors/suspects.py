"""A verdict on labels: how probable it is that each is wrong, and which are taken for it.

    held out     each row was judged by a training without it: what calibrated models contradict
    calibrated   errors were planted: they weigh the scores, choose the stage, and tell by how far
                 others reach among them how many are wrong
    threshold    threshold samples were planted: a label is suspicious whose AUM is below the 99th
                 percentile of examples that cannot have a right label (Pleiss et al., NeurIPS 2020)
    tail         nothing was planted: labels that are doubted more than the tail of the others
                 foretells, which says how many; the neighbours together say which

All but the threshold give probabilities, and take as many as keep the expected share of right
labels among those not planted, the false discovery rate, at what is aimed at. Where these tell
nothing, how many labels are wrong is not known, and none is a suspect.
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

# What judges labels. The first four look at the logits alone and need no planted errors to be
# weighed: on digits and MNIST their mean ranks better than with the gradients of the loss added.
LOGIT_SCORES = ("aum", "confidence", "loss", "el2n")
LABEL_SCORES = (*LOGIT_SCORES, "volg", "csg")
_CUTOFF_QUANTILE = 0.99  # the quantile of the threshold samples' AUM, as in the paper
_ALL = "all"
_WHY_ALL = "the mean over the whole training, the rule where no flips are planted"


def suspects(
    run: Run,
    planted: Planted | str | Path | None = None,
    fdr: float = 0.1,
    stage: str | None = None,
) -> Verdict:
    """Which labels of a run are taken for wrong.

    Args:
        run: rows that lack one of the scores are never suspects.
        planted: what was planted into the data that the run was trained on, or the folder that
            `vog plant` wrote. Flips are learned from; threshold samples alone give a cut-off;
            without either, held-out probabilities or doubts of the model decide.
        fdr: the share of right labels among the suspects, the planted left aside, that is aimed
            at, in (0, 1).
        stage: which checkpoints decide; None for the stage that tells planted flips best, or else
            for all; of held-out rows for the mean over the ends of all stages.

    Raises:
        ResultError: the run has no labels, no such stage or lacks what is needed, the record is not
            of its data, too few flips were planted, or `fdr` is no share.
    """
    if not 0 < fdr < 1:
        raise ResultError(f"--fdr is {fdr}; expected a share between 0 and 1, as 0.1.")
    check_stage(run, stage)
    if run.table(["label"]).column(0).null_count == run.rows:
        raise ResultError(f"{run.folder} has no labels that could be judged.")
    record = None if planted is None else as_planting_record(planted)
    rows = {} if record is None else record.rows(run)
    if record is not None and FLIP in rows:
        unplanted = ~np.any(list(rows.values()), axis=0)
        names = _scores_at(run, LABEL_SCORES, stage or _ALL)
        unplanted_verdict = _unplanted_verdict(run, fdr, stage, unplanted)
        boundary = BOUNDARY in record.hows(FLIP)
        return planted_verdict(run, rows, names, unplanted_verdict, fdr, stage, boundary)
    if THRESHOLD in rows:
        return _threshold_verdict(run, rows[THRESHOLD], fdr, stage or _ALL)
    if run.out_of_sample:
        return held_out_verdict(run, fdr, stage)
    return _tail_verdict(run, fdr, stage)


def check_stage(run: Run, stage: str | None) -> None:
    """Nothing where the run has this stage, or none is asked for.

    Raises:
        ResultError: it has not.
    """
    if stage is not None and stage not in run.stages:
        raise ResultError(f"{run.folder} has no stage {stage!r}.{unknown(stage, run.stages)}")


def combined_hardness(run: Run, stage: str = _ALL) -> tuple[tuple[str, ...], PerRow]:
    """The scores that judge labels without being calibrated, and the mean of their hardness ranks.

    Raises:
        ResultError: the run has none of them at this stage.
    """
    names = _scores_at(run, LOGIT_SCORES, stage)
    return names, hardness(run, [f"{name}@{stage}" for name in names]).mean(axis=0)


def _unplanted_verdict(run: Run, fdr: float, stage: str | None, rows: Mask) -> Verdict | None:
    """The verdict on rows that were not planted, without a look at the flips; None without one."""
    try:
        return (
            held_out_verdict(run, fdr, stage, rows)
            if run.out_of_sample
            else _tail_verdict(run, fdr, stage, rows)
        )
    except ResultError:  # no confidence, or no probabilities: the flips decide alone
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
        return replace(verdict, why=_why_no_suspects(run, judged, usable))
    # How many are wrong is told by the doubts, which ones by all the scores together.
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
        wrong=float(excess.probability.sum()),
    )


def _confidence_values(run: Run, stage: str) -> PerRow:
    if f"confidence@{stage}" not in run.score_columns:
        raise ResultError(
            f"{run.folder} has no score confidence, by which wrong labels are told from hard ones. "
            f"Score again with confidence among --scores, or give --planted with flipped labels."
        )
    return run.numbers(f"confidence@{stage}")


def _learned_by_median_doubt(run: Run, doubt: PerRow, usable: Mask) -> tuple[Mask, tuple[int, ...]]:
    """The known rows of classes that the model has learned, and which classes it has not.

    It has where most examples are doubted less than those that may be suspects.
    """
    labels = run.table(["label"]).column(0).to_numpy().astype(float)  # NaN where there is none
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
        return f"{run.folder} has no row with all scores that labels are judged by"
    if not judged.any():
        return (
            f"in every class the model gives most labels less than {1 - SUSPECT_FROM:.0%} over training, "
            f"so it has not learned these data"
        )
    return (
        "the labels that the model doubts are no more than its doubts of others foretell, as where "
        "nothing is wrong, where it has not learned enough to tell, and where it has learned the "
        "wrong ones"
    )


def verdict_or_why(
    run: Run, planted: Planted | None = None, stage: str | None = None
) -> tuple[Verdict | None, str | None]:
    """The verdict, or why there is none; with a record of planting there has to be one.

    Raises:
        ResultError: the run cannot be judged by the record.
    """
    if planted is not None:
        return suspects(run, planted, stage=stage), None
    try:
        return suspects(run, stage=stage), None
    except ResultError as error:
        return None, str(error)


def require_verdict(run: Run, planted: Planted | None = None) -> Verdict:
    """The verdict, where it tells more than a ranking.

    Raises:
        ResultError: it does not, or there is none.
    """
    verdict = suspects(run, planted)
    if verdict.why is not None:
        raise ResultError(
            f"the labels of {run.folder} cannot be judged: {verdict.why}. {VERDICT_ADVICE}"
        )
    return verdict


def _threshold_verdict(run: Run, samples: Mask, fdr: float, stage: str) -> Verdict:
    margins = _aum_values(run, stage)
    sample_aum = margins[samples & np.isfinite(margins)]
    if len(sample_aum) < calibration.MIN_PLANTED:
        raise ResultError(
            f"{run.folder} has {len(sample_aum)} threshold samples with an AUM; a cut-off needs at "
            f"least {calibration.MIN_PLANTED}. Plant --threshold into more data, or leave --planted out."
        )
    cutoff = float(np.quantile(sample_aum, _CUTOFF_QUANTILE))
    suspect = (margins < cutoff) & ~samples
    hard = run.hardness(f"aum@{stage}")
    return replace(ranking("threshold", ("aum",), (stage, None), hard, fdr), suspect=suspect)


def _aum_values(run: Run, stage: str) -> PerRow:
    if f"aum@{stage}" not in run.score_columns:
        raise ResultError(
            f"{run.folder} has no score aum, which threshold samples cut. Score again with aum "
            f"among --scores, or give --planted with flipped labels."
        )
    return run.numbers(f"aum@{stage}")


def _scores_at(run: Run, candidates: tuple[str, ...], stage: str) -> tuple[str, ...]:
    names = tuple(name for name in candidates if f"{name}@{stage}" in run.score_columns)
    if not names:
        raise ResultError(
            f"{run.folder} has none of the scores {', '.join(candidates)}, by which labels are judged. "
            f"Score again with one of them in --scores."
        )
    return names
