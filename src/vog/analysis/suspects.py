"""Which examples look mislabelled: those the model contradicts, hardest by what judges labels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from sklearn.mixture import GaussianMixture

from vog.analysis.agreement import hardness
from vog.analysis.examples import described, wrong
from vog.errors import ResultError
from vog.result import Run
from vog.result.planted import Planted

NEIGHBOURS = ("aum", "confidence", "loss", "el2n", "volg", "csg")


@dataclass(frozen=True)
class Suspect:
    """An example whose label the last checkpoint contradicts.

    Attributes:
        index: its number in the data.
        id: its name.
        label: the class it is given.
        prediction: what the last checkpoint says.
        hardness: mean of its hardness ranks by the neighbours, in [0, 1].
        vog: its hardness rank by VoG, in [0, 1], for comparison; None where it has none.
    """

    index: int
    id: str
    label: int
    prediction: int
    hardness: float
    vog: float | None


@dataclass(frozen=True)
class LikelyErrors:
    """Where to look for wrong labels first.

    Attributes:
        neighbours: the scores whose hardness ranks are averaged.
        suspects: the hardest first.
        contradicted: how many labels the last checkpoint contradicts.
    """

    neighbours: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    contradicted: int


def likely_label_errors(run: Run, count: int = 24) -> LikelyErrors:
    """The examples whose label is contradicted, hardest first by the mean of several scores.

    It is a ranking and no verdict: an example may be hard, rare or blurred and yet rightly
    labelled, and which share is wrong nobody can tell from it. VoG plays no part, since alone it
    does not find label errors: on the digits of `vog demo` its AUROC is 0.51, against above 0.99
    for each of these scores.

    Args:
        run: rows that lack a label, a prediction or one of the scores are never suspects.
        count: how many at most.

    Raises:
        ResultError: the run has none of the scores over all checkpoints.
    """
    neighbours = tuple(name for name in NEIGHBOURS if f"{name}@all" in run.score_columns)
    if not neighbours:
        raise ResultError(
            f"{run.folder} has none of the scores {', '.join(NEIGHBOURS)}, by which likely label "
            f"errors are ranked. Score again with one of them in --scores."
        )
    mean = hardness(run, [f"{name}@all" for name in neighbours]).mean(axis=0)
    errors, judged = wrong(run, "all")
    contradicted = errors & judged
    ranked = np.flatnonzero(contradicted & ~np.isnan(mean))
    at = ranked[np.argsort(-mean[ranked], kind="stable")[:count]]
    vog = run.hardness("vog@all") if "vog@all" in run.score_columns else np.full(run.rows, np.nan)
    suspects = tuple(
        Suspect(**row, hardness=hard, vog=None if np.isnan(by_vog) else by_vog)
        for row, hard, by_vog in zip(
            described(run, at, "all"), mean[at].tolist(), vog[at].tolist(), strict=True
        )
    )
    return LikelyErrors(neighbours, suspects, int(contradicted.sum()))


@dataclass(frozen=True)
class Verdict:
    """Which labels are taken for wrong; arrays are in the order of the run's rows.

    Attributes:
        method: `calibrated`, `threshold` or `mixture`.
        scores: what it combines.
        hardness: the combination that rows are ranked by, in [0, 1]; NaN where a row lacks one.
        probability: that the label is wrong, in [0, 1]; NaN where it is not known.
        suspect: the rows whose label is taken for wrong.
        fdr: the share of right labels among the suspects that is aimed at.
        expected_fdr: the share that is expected among these; NaN where it is not known.
    """

    method: str
    scores: tuple[str, ...]
    hardness: Float[np.ndarray, "n"]
    probability: Float[np.ndarray, "n"]
    suspect: Bool[np.ndarray, "n"]
    fdr: float
    expected_fdr: float


def suspects(run: Run, planted: Planted | None = None, fdr: float = 0.1) -> Verdict:
    """First version."""
    neighbours = tuple(name for name in NEIGHBOURS if f"{name}@all" in run.score_columns)
    hard = hardness(run, [f"{name}@all" for name in neighbours]).mean(axis=0)
    values = run.numbers(f"{neighbours[0]}@all")
    known = np.isfinite(values)
    found = GaussianMixture(2, random_state=0).fit(values[known, None])
    probability = np.full(len(values), np.nan)
    low = int(found.means_.argmin())
    probability[known] = found.predict_proba(values[known, None])[:, low]
    suspect = np.nan_to_num(probability) > 0.5
    return Verdict("mixture", neighbours, hard, probability, suspect, fdr, float("nan"))
