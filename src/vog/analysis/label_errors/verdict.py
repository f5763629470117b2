"""The form of a verdict on the labels of a run."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from vog.former_names import FormerAttribute

PerRow = Float[np.ndarray, "n"]
Mask = Bool[np.ndarray, "n"]

VERDICT_ADVICE = (
    "To find out, judge every label by a training without it (vog folds), plant flips before a "
    "training (vog plant), or use a training that goes on until most right labels are learned and "
    "stops before the wrong ones are."
)


@dataclass(frozen=True)
class Verdict:
    """The labels of a run that are probably wrong; arrays have one entry a row of the run.

    Attributes:
        method: `held out`, `calibrated`, `threshold` or `tail`.
        scores: the combined scores; empty for `held out`, which uses probabilities.
        stage: the stage whose scores are used, or whose last checkpoint (`held out`).
        stage_reason: the reason for this stage, as a clause; None if the caller chose it.
        hardness: the rank of suspicion in [0, 1], 1 the most suspicious; NaN where a row has no
            value of one of the scores.
        probability: that the label is wrong, in [0, 1]; NaN where unknown. For `calibrated`,
            planted flips have 1.
        suspect: True for labels taken for wrong, planted ones included.
        fdr: the target share of right labels among the suspects that were not planted.
        expected_fdr: the expected share of right labels among these, of `held out` an upper bound;
            NaN where unknown.
        expected_wrong_labels: expected number of wrong labels that were not planted: a lower bound.
            NaN where unknown.
        planted: True for planted flips.
        vog_helps: True if VoG improved the calibration by more than its standard error; None
            without a calibration or without VoG.
        reason: why the number of wrong labels is unknown, as a clause. Then `hardness` is only a
            ranking. None if the number is known or threshold samples decide.
        unlearned: classes that the model has not learned. Their labels are not judged.
    """

    method: str
    scores: tuple[str, ...]
    stage: str
    stage_reason: str | None
    hardness: PerRow
    probability: PerRow
    suspect: Mask
    fdr: float
    expected_fdr: float
    expected_wrong_labels: float
    planted: Mask
    vog_helps: bool | None = None
    reason: str | None = None
    unlearned: tuple[int, ...] = ()

    why = FormerAttribute("reason")
    why_stage = FormerAttribute("stage_reason")
    wrong = FormerAttribute("expected_wrong_labels")


def ranking(
    method: str,
    scores: tuple[str, ...],
    stage: tuple[str, str | None],
    hardness: PerRow,
    fdr: float,
    planted: Mask | None = None,
) -> Verdict:
    """Return a verdict that only ranks the rows: no suspects and no probabilities.

    Args:
        method: see `Verdict`, also for the other arguments.
        scores: the combined scores.
        stage: its name, and the reason for it.
        hardness: the rank of suspicion of each row.
        fdr: the target share of right labels.
        planted: the rows with planted flips.
    """
    nans, no_rows = np.full(len(hardness), np.nan), np.zeros(len(hardness), bool)
    planted = no_rows if planted is None else planted
    return Verdict(method, scores, *stage, hardness, nans, no_rows, fdr, np.nan, np.nan, planted)
