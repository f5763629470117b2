"""What is said of the labels of a run: how probable it is that each is wrong, and which are."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

Values = Float[np.ndarray, "n"]
Rows = Bool[np.ndarray, "n"]

WHAT_WOULD_TELL = (
    "What would tell: judging every label by a training without it (vog folds), flips that are "
    "planted before a training (vog plant), or a training that goes on until most right labels are "
    "learned and stops before the wrong ones are."
)


@dataclass(frozen=True)
class Verdict:
    """Which labels are taken for wrong; arrays are in the order of the run's rows.

    Attributes:
        method: `held out`, `calibrated`, `threshold` or `tail`.
        scores: what it combines; of `held out` none, as it looks at probabilities.
        stage: the checkpoints whose scores, or whose last, it looks at.
        why_stage: why these, as a clause; None where the stage was asked for.
        hardness: what rows are ranked by, in [0, 1], 1 the most suspicious; NaN where a row lacks
            one of the scores.
        probability: that the label is wrong, in [0, 1]; NaN where it is not known. Of `calibrated`,
            of labels that were not planted; planted ones have 1.
        suspect: the rows whose label is taken for wrong, planted ones among them.
        fdr: the share of right labels among the suspects, the planted left aside, that is aimed at.
        expected_fdr: the share that is expected among them, of `held out` at most; NaN where it is
            not known.
        wrong: how many labels are expected to be wrong, the planted left aside: a lower bound. NaN
            where it is not known.
        planted: which rows were planted, all False where none was.
        vog_helps: whether VoG made the calibration better by more than its standard error; None
            where nothing was calibrated, or the run has no VoG.
        why: why it is not known how many are wrong, as a clause; None where it is, or where
            threshold samples decide. Then `hardness` is a ranking and no more.
        unlearned: classes that the model has not learned, so that their labels are not judged.
    """

    method: str
    scores: tuple[str, ...]
    stage: str
    why_stage: str | None
    hardness: Values
    probability: Values
    suspect: Rows
    fdr: float
    expected_fdr: float
    wrong: float
    planted: Rows
    vog_helps: bool | None = None
    why: str | None = None
    unlearned: tuple[int, ...] = ()


def ranking(
    method: str,
    scores: tuple[str, ...],
    stage: tuple[str, str | None],
    hardness: Values,
    fdr: float,
    planted: Rows | None = None,
) -> Verdict:
    """A verdict that names nothing yet: the order of the rows, and no numbers.

    Args:
        method: as in `Verdict`, as are the others.
        scores: what it combines.
        stage: its name, and why it.
        hardness: by row.
        fdr: what is aimed at.
        planted: which rows were planted.
    """
    unknown, none = np.full(len(hardness), np.nan), np.zeros(len(hardness), bool)
    planted = none if planted is None else planted
    return Verdict(method, scores, *stage, hardness, unknown, none, fdr, np.nan, np.nan, planted)
