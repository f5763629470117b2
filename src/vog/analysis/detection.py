"""How well each score of a run finds examples that are known to be of a kind."""

import numpy as np
from jaxtyping import Shaped
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from vog.result import Run


def auroc_by_score(run: Run, wanted: Shaped[np.ndarray, "n"]) -> dict[str, float]:
    """By score over all checkpoints, how well its hard end finds the wanted rows, best first.

    0.5 is chance, 1 perfect. Every row has to have every score.
    """
    columns = [name for name in run.score_columns if name.endswith("@all")]
    table = run.table(columns)
    found: dict[str, float] = {}
    for name in columns:
        ranks = rankdata(table[name].to_numpy())  # forgetting may be infinite
        signed = ranks if run.hard_is_high(name) else -ranks
        found[name.removesuffix("@all")] = float(roc_auc_score(wanted, signed))
    return dict(sorted(found.items(), key=lambda item: -item[1]))
