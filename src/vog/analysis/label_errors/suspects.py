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
from vog.analysis.label_errors.doubt_tail import BEYOND, excess
from vog.analysis.label_errors.held_out_verdict import by_held_out
from vog.analysis.label_errors.planted_verdict import by_flips
from vog.analysis.label_errors.verdict import WHAT_WOULD_TELL, Rows, Values, Verdict, ranking
from vog.analysis.one_run.correlation import hardness
from vog.errors import ResultError, unknown
from vog.result import Run
from vog.result.planting_record import BOUNDARY, FLIP, THRESHOLD, Planted, record_of

# What judges labels. The first four look at the logits alone and need no planted errors to be
# weighed: on digits and MNIST their mean ranks better than with the gradients of the loss added.
ALONE = ("aum", "confidence", "loss", "el2n")
NEIGHBOURS = (*ALONE, "volg", "csg")
_BELOW = 0.99  # the quantile of the threshold samples' AUM, as in the paper
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
    refuse_no_stage(run, stage)
    if run.table(["label"]).column(0).null_count == run.rows:
        raise ResultError(f"{run.folder} has no labels that could be judged.")
    record = None if planted is None else record_of(planted)
    rows = {} if record is None else record.rows(run)
    if record is not None and FLIP in rows:
        others = ~np.any(list(rows.values()), axis=0)
        names = _present(run, NEIGHBOURS, stage or _ALL)
        alone = _unplanted(run, fdr, stage, others)
        boundary = BOUNDARY in record.hows(FLIP)
        return by_flips(run, rows, names, alone, fdr, stage, boundary)
    if THRESHOLD in rows:
        return _by_threshold(run, rows[THRESHOLD], fdr, stage or _ALL)
    if run.out_of_sample:
        return by_held_out(run, fdr, stage)
    return _by_tail(run, fdr, stage)


def refuse_no_stage(run: Run, stage: str | None) -> None:
    """Nothing where the run has this stage, or none is asked for.

    Raises:
        ResultError: it has not.
    """
    if stage is not None and stage not in run.stages:
        raise ResultError(f"{run.folder} has no stage {stage!r}.{unknown(stage, run.stages)}")


def combined(run: Run, stage: str = _ALL) -> tuple[tuple[str, ...], Values]:
    """The scores that judge labels without being calibrated, and the mean of their hardness ranks.

    Raises:
        ResultError: the run has none of them at this stage.
    """
    names = _present(run, ALONE, stage)
    return names, hardness(run, [f"{name}@{stage}" for name in names]).mean(axis=0)


def _unplanted(run: Run, fdr: float, stage: str | None, rows: Rows) -> Verdict | None:
    """The verdict on rows that were not planted, without a look at the flips; None without one."""
    try:
        return (
            by_held_out(run, fdr, stage, rows)
            if run.out_of_sample
            else _by_tail(run, fdr, stage, rows)
        )
    except ResultError:  # no confidence, or no probabilities: the flips decide alone
        return None


def _by_tail(run: Run, fdr: float, stage: str | None, rows: Rows | None = None) -> Verdict:
    asked = stage or _ALL
    names, hard = combined(run, asked)
    doubt = 1 - _confidence(run, asked)
    known = np.isfinite(doubt) & ~np.isnan(hard)
    known &= True if rows is None else rows
    judged, unlearned = _learned_classes(run, doubt, known)
    found = excess(doubt[judged])
    count = found.count(fdr)
    nothing = ranking("tail", names, (asked, None if stage else _WHY_ALL), hard, fdr)
    nothing = replace(nothing, unlearned=unlearned)
    if not count:
        return replace(nothing, why=_why_nothing(run, judged, known))
    # How many are wrong is told by the doubts, which ones by all the scores together.
    place = np.flatnonzero(judged)[np.argsort(-hard[judged], kind="stable")]
    probability, suspect = np.full(len(hard), np.nan), np.zeros(len(hard), bool)
    probability[place] = 0.0
    probability[place[: len(found.probability)]] = found.probability
    suspect[place[:count]] = True
    return replace(
        nothing,
        probability=probability,
        suspect=suspect,
        expected_fdr=float(found.right[count - 1]) / count,
        wrong=float(found.probability.sum()),
    )


def _confidence(run: Run, stage: str) -> Values:
    if f"confidence@{stage}" not in run.score_columns:
        raise ResultError(
            f"{run.folder} has no score confidence, by which wrong labels are told from hard ones. "
            f"Score again with confidence among --scores, or give --planted with flipped labels."
        )
    return run.numbers(f"confidence@{stage}")


def _learned_classes(run: Run, doubt: Values, known: Rows) -> tuple[Rows, tuple[int, ...]]:
    """The known rows of classes that the model has learned, and which classes it has not.

    It has where most examples are doubted less than those that may be suspects.
    """
    labels = run.table(["label"]).column(0).to_numpy().astype(float)  # NaN where there is none
    known = known & ~np.isnan(labels)
    judged, unlearned = np.zeros(len(doubt), bool), []
    for label in np.unique(labels[known]):
        mine = known & (labels == label)
        if np.median(doubt[mine]) <= BEYOND:
            judged |= mine
        else:
            unlearned.append(int(label))
    return judged, tuple(unlearned)


def _why_nothing(run: Run, judged: Rows, known: Rows) -> str:
    if not known.any():
        return f"{run.folder} has no row with all scores that labels are judged by"
    if not judged.any():
        return (
            f"in every class the model gives most labels less than {1 - BEYOND:.0%} over training, "
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


def known_verdict(run: Run, planted: Planted | None = None) -> Verdict:
    """The verdict, where it tells more than a ranking.

    Raises:
        ResultError: it does not, or there is none.
    """
    found = suspects(run, planted)
    if found.why is not None:
        raise ResultError(
            f"the labels of {run.folder} cannot be judged: {found.why}. {WHAT_WOULD_TELL}"
        )
    return found


def _by_threshold(run: Run, samples: Rows, fdr: float, stage: str) -> Verdict:
    margins = _margins(run, stage)
    known = margins[samples & np.isfinite(margins)]
    if len(known) < calibration.LEAST:
        raise ResultError(
            f"{run.folder} has {len(known)} threshold samples with an AUM; a cut-off needs at "
            f"least {calibration.LEAST}. Plant --threshold into more data, or leave --planted out."
        )
    cut = float(np.quantile(known, _BELOW))
    suspect = (margins < cut) & ~samples
    hard = run.hardness(f"aum@{stage}")
    return replace(ranking("threshold", ("aum",), (stage, None), hard, fdr), suspect=suspect)


def _margins(run: Run, stage: str) -> Values:
    if f"aum@{stage}" not in run.score_columns:
        raise ResultError(
            f"{run.folder} has no score aum, which threshold samples cut. Score again with aum "
            f"among --scores, or give --planted with flipped labels."
        )
    return run.numbers(f"aum@{stage}")


def _present(run: Run, wanted: tuple[str, ...], stage: str) -> tuple[str, ...]:
    names = tuple(name for name in wanted if f"{name}@{stage}" in run.score_columns)
    if not names:
        raise ResultError(
            f"{run.folder} has none of the scores {', '.join(wanted)}, by which labels are judged. "
            f"Score again with one of them in --scores."
        )
    return names
