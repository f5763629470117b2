"""Four rows and a verdict on their labels, for exports that are checked by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from runs import INF, NAN, write_run
from vog.analysis.label_errors.verdict import Verdict
from vog.result import Run

IDS = ["a/0.png", "a/1 b+c.png", "b/2.png", "b/3.png"]


def four_rows(
    folder: Path,
    scores: dict[str, list[float]] | None = None,
    names: list[str] | None = None,
    predicted: bool = True,
    where: dict[str, str] | None = None,
) -> Run:
    """A run of four rows, the last without label, prediction and scores."""
    if scores is None:
        scores = {"aum@all": [3, -1, 2, NAN], "forgetting@all": [0, INF, 1, NAN]}
    return write_run(
        folder,
        scores,
        [0, 1, 1, -1],
        [0, 0, 1, -1] if predicted else [],
        {name: "easier" for name in scores if name.startswith("aum")},
        ids=IDS,
        probabilities=[0.875, 0.5, 0.75, NAN],
        problems={3: "unreadable"},
        class_names=names,
        checkpoints=[{"step": 10}, {"step": 20}],
        where=where or {},
    )


VERDICT = Verdict(
    "tail",
    ("aum",),
    "all",
    None,
    hardness=np.array([0.0, 1.0, 0.5, NAN]),
    probability=np.array([0.125, 0.75, 0.25, NAN]),
    suspect=np.array([False, True, False, False]),
    fdr=0.1,
    expected_fdr=NAN,
    expected_wrong_labels=NAN,
    planted=np.zeros(4, bool),
)
BY_HARDNESS = replace(VERDICT, method="threshold", probability=np.full(4, NAN))
