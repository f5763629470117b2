"""A verdict on labels: how probable it is that each is wrong, and which are taken for it.

    calibrated   errors were planted: a logistic regression on the neighbours, learned from
                 them, judges every example in folds that have not seen it
    threshold    threshold samples were planted: a label is suspicious whose AUM is below the 99th
                 percentile of examples that cannot have a right label (Pleiss et al., NeurIPS 2020)
    tail         nothing was planted: labels that are doubted more than the tail of the others
                 foretells, which says how many; the neighbours together say which

The first and the last give probabilities, and take as many as keep the expected share of right
labels among them, the false discovery rate, at what is aimed at. Where nothing exceeds the tail,
how many labels are wrong is not known, and none is a suspect.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from vog.analysis import calibration
from vog.analysis.agreement import hardness
from vog.analysis.tail import BEYOND, excess
from vog.errors import ResultError
from vog.result import Run
from vog.result.planted import FLIP, THRESHOLD, Planted, record_of

# What judges labels. The first four look at the logits alone and need no planted errors to be
# weighed: on digits and MNIST their mean ranks better than with the gradients of the loss added.
ALONE = ("aum", "confidence", "loss", "el2n")
NEIGHBOURS = (*ALONE, "volg", "csg")
_BELOW = 0.99  # the quantile of the threshold samples' AUM, as in the paper
_CLEAR = 0.75  # the quantile of the planted from which on they are clearly wrong

WHAT_WOULD_TELL = (
    "What would tell: flips that are planted before a training (vog plant), or a training that "
    "goes on until most right labels are learned and stops before the wrong ones are."
)

Values = Float[np.ndarray, "n"]
Rows = Bool[np.ndarray, "n"]


@dataclass(frozen=True)
class Verdict:
    """Which labels are taken for wrong; arrays are in the order of the run's rows.

    Attributes:
        method: `calibrated`, `threshold` or `tail`.
        scores: what it combines.
        hardness: what rows are ranked by, in [0, 1], 1 the most suspicious; NaN where a row lacks
            one of the scores.
        probability: that the label is wrong, in [0, 1]; NaN where it is not known.
        suspect: the rows whose label is taken for wrong.
        fdr: the share of right labels among the suspects that is aimed at.
        expected_fdr: the share that is expected among them; NaN where it is not known. Of
            `calibrated`, 0 where there are none.
        wrong: how many labels are expected to be wrong in all, planted ones among them; NaN where
            it is not known. Of `tail`, those that exceed it, a lower bound. Of `calibrated`, one's
            own errors were learned from as right, and what that takes away is given back in part:
            of them it is a lower bound.
        vog_helps: whether VoG made the calibration better by more than its standard error; None
            where nothing was calibrated, or the run has no VoG.
        why: why it is not known how many are wrong, as a clause; None where it is, or where
            threshold samples decide. Then `hardness` is a ranking and no more.
        unlearned: classes that the model has not learned, so that their labels are not judged.
    """

    method: str
    scores: tuple[str, ...]
    hardness: Values
    probability: Values
    suspect: Rows
    fdr: float
    expected_fdr: float
    wrong: float
    vog_helps: bool | None = None
    why: str | None = None
    unlearned: tuple[int, ...] = ()


def suspects(run: Run, planted: Planted | str | Path | None = None, fdr: float = 0.1) -> Verdict:
    """Which labels of a run are taken for wrong.

    Args:
        run: rows that lack one of the scores are never suspects.
        planted: what was planted into the data that the run was trained on, or the folder that
            `vog plant` wrote. Flips are learned from; threshold samples alone give a cut-off;
            without either, doubts of the model decide.
        fdr: the share of right labels among the suspects that is aimed at, in (0, 1).

    Raises:
        ResultError: the run has no labels or lacks what is needed, the record is not of its data,
            too few flips were planted, or `fdr` is no share.
    """
    if not 0 < fdr < 1:
        raise ResultError(f"--fdr is {fdr}; expected a share between 0 and 1, as 0.1.")
    if run.table(["label"]).column(0).null_count == run.rows:
        raise ResultError(f"{run.folder} has no labels that could be judged.")
    rows = {} if planted is None else record_of(planted).rows(run)
    if FLIP in rows:
        return _calibrated(run, rows, fdr)
    if THRESHOLD in rows:
        return _by_threshold(run, rows[THRESHOLD], fdr)
    return _by_tail(run, fdr)


def combined(run: Run) -> tuple[tuple[str, ...], Values]:
    """The scores that judge labels without being calibrated, and the mean of their hardness ranks.

    Raises:
        ResultError: the run has none of them over all checkpoints.
    """
    names = _present(run, ALONE)
    return names, hardness(run, [f"{name}@all" for name in names]).mean(axis=0)


def _by_tail(run: Run, fdr: float) -> Verdict:
    names, hard = combined(run)
    doubt = 1 - _confidence(run)
    known = np.isfinite(doubt) & ~np.isnan(hard)
    judged, unlearned = _learned_classes(run, doubt, known)
    found = excess(doubt[judged])
    count = found.count(fdr)
    probability = np.full(len(hard), np.nan)
    suspect = np.zeros(len(hard), bool)
    nothing = Verdict(
        "tail", names, hard, probability, suspect, fdr, np.nan, np.nan, unlearned=unlearned
    )
    if not count:
        return replace(nothing, why=_why_nothing(run, judged, known))
    # How many are wrong is told by the doubts, which ones by all the scores together.
    place = np.flatnonzero(judged)[np.argsort(-hard[judged], kind="stable")]
    probability[place] = 0.0
    probability[place[: len(found.probability)]] = found.probability
    suspect[place[:count]] = True
    return replace(
        nothing,
        expected_fdr=float(found.right[count - 1]) / count,
        wrong=float(found.probability.sum()),
    )


def _confidence(run: Run) -> Values:
    if "confidence@all" not in run.score_columns:
        raise ResultError(
            f"{run.folder} has no score confidence, by which wrong labels are told from hard ones. "
            f"Score again with confidence among --scores, or give --planted with flipped labels."
        )
    return run.numbers("confidence@all")


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


def verdict_or_why(run: Run, planted: Planted | None = None) -> tuple[Verdict | None, str | None]:
    """The verdict, or why there is none; with a record of planting there has to be one.

    Raises:
        ResultError: the run cannot be judged by the record.
    """
    if planted is not None:
        return suspects(run, planted), None
    try:
        return suspects(run), None
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


def _by_threshold(run: Run, samples: Rows, fdr: float) -> Verdict:
    margins = _margins(run)
    known = margins[samples & np.isfinite(margins)]
    if len(known) < calibration.LEAST:
        raise ResultError(
            f"{run.folder} has {len(known)} threshold samples with an AUM; a cut-off needs at "
            f"least {calibration.LEAST}. Plant --threshold into more data, or leave --planted out."
        )
    cut = float(np.quantile(known, _BELOW))
    suspect = (margins < cut) & ~samples
    nothing = np.full(len(margins), np.nan)
    hard = run.hardness("aum@all")
    unknown = float("nan")
    return Verdict("threshold", ("aum",), hard, nothing, suspect, fdr, unknown, unknown)


def _calibrated(run: Run, rows: dict[str, Rows], fdr: float) -> Verdict:
    names = _present(run, NEIGHBOURS)
    usable = np.ones(run.rows, bool)
    for kind, mask in rows.items():  # what is wrong with these is not their label
        usable &= ~mask if kind != FLIP else True
    best, known = _learned(run, names, rows[FLIP], usable)
    helps = None
    if "vog@all" in run.score_columns:
        with_vog, also_known = _learned(run, (*names, "vog"), rows[FLIP], usable)
        helps = with_vog.log_loss < best.log_loss - with_vog.error
        if helps:
            best, known, names = with_vog, also_known, (*names, "vog")
    probability = np.full(len(known), np.nan)
    probability[known] = _with_own(best.probability, rows[FLIP][known])
    found = Verdict("calibrated", names, probability, probability, known, fdr, 0.0, 0.0)
    return replace(_decided(found), vog_helps=helps)


def _with_own(planted: Values, flipped: Rows) -> Values:
    """That a label is wrong, from the probability that it was planted.

    Errors of the data's own look like planted ones and were learned from as right: where half of
    what looks so was planted, nothing gets more than a half. So what the clearest of the planted
    get, a quarter of them, counts as certain.

    Source: Elkan and Noto, KDD 2008 (learning from positive and unlabelled examples), with a
    quantile for their maximum: their mean would take it that wrong and right do not overlap.
    """
    clear = float(np.quantile(planted[flipped], _CLEAR))
    return np.minimum(planted / clear, 1.0)


def _learned(
    run: Run, names: tuple[str, ...], flipped: Rows, usable: Rows
) -> tuple[calibration.Calibrated, Rows]:
    """The calibration by these scores, and the rows that it is of."""
    values = np.stack([run.numbers(f"{name}@all") for name in names])
    known = np.isfinite(values).all(axis=0) & usable
    flips, others = int(flipped[known].sum()), int((~flipped[known]).sum())
    if min(flips, others) < calibration.LEAST:
        raise ResultError(
            f"{run.folder} has {flips} flipped and {others} other labels with all scores; a "
            f"probability is calibrated with at least {calibration.LEAST} of each. Plant more with "
            f"--flip, or leave --planted out."
        )
    return calibration.calibrated(values[:, known], flipped[known]), known


def _decided(found: Verdict) -> Verdict:
    """With as many suspects as keep the expected share of right labels at what is aimed at."""
    known = np.flatnonzero(~np.isnan(found.probability))
    order = known[np.argsort(-found.probability[known], kind="stable")]
    right = np.cumsum(1 - found.probability[order]) / np.arange(1, len(order) + 1)
    # The share grows along the order, so those within the aim are the first ones.
    count = int(np.searchsorted(right, found.fdr, side="right"))
    suspect = np.zeros(len(found.probability), bool)
    suspect[order[:count]] = True
    return replace(
        found,
        suspect=suspect,
        expected_fdr=float(right[count - 1]) if count else 0.0,
        wrong=float(found.probability[known].sum()),
    )


def _margins(run: Run) -> Values:
    if "aum@all" not in run.score_columns:
        raise ResultError(
            f"{run.folder} has no score aum, which threshold samples cut. Score again with aum "
            f"among --scores, or give --planted with flipped labels."
        )
    return run.numbers("aum@all")


def _present(run: Run, wanted: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name for name in wanted if f"{name}@all" in run.score_columns)
    if not names:
        raise ResultError(
            f"{run.folder} has none of the scores {', '.join(wanted)}, by which labels are judged. "
            f"Score again with one of them in --scores."
        )
    return names
