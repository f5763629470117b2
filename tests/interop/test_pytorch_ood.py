"""`vog analyze --against` counts as pytorch-ood does."""

import numpy as np
import pytest
import torch
from pytorch_ood.metrics import OODMetrics

from vog.analysis.detection.out_of_distribution import ood_metrics

INF = float("inf")
CASES = {
    "random": lambda rng: (rng.normal(1, 1, 301), rng.normal(size=700)),
    "far apart": lambda rng: (rng.normal(9, 1, 50), rng.normal(size=50)),
    "the wrong way round": lambda rng: (rng.normal(-1, 1, 40), rng.normal(size=60)),
    "tied": lambda rng: (rng.integers(0, 5, 200).astype(float), rng.integers(0, 4, 333) * 1.0),
    "one value": lambda rng: (np.ones(20), np.ones(30)),
    "95 % exactly": lambda rng: (np.repeat([1.0, 0.0], [19, 1]), rng.integers(0, 2, 20) * 1.0),
    "infinite": lambda rng: (rng.choice([1.0, 2.0, INF], 80), rng.choice([0.0, 2.0, INF], 90)),
    "one row each": lambda rng: (np.array([1.0]), np.array([0.0])),
}


@pytest.fixture(params=CASES, ids=lambda name: name)
def scores(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Of what is outside, and of the reference."""
    return CASES[request.param](np.random.default_rng(0))


def as_there(outside: np.ndarray, reference: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """High is outside, and so is a label below 0."""
    labels = torch.cat([-torch.ones(len(outside)), torch.ones(len(reference))])
    return torch.from_numpy(np.concatenate([outside, reference])), labels


@pytest.mark.filterwarnings("ignore:AUTC is undefined")
def test_every_figure_is_theirs(scores: tuple[np.ndarray, np.ndarray]) -> None:
    theirs = OODMetrics().update(*as_there(*scores)).compute()
    ours = ood_metrics(*scores)
    assert ours.auroc == pytest.approx(theirs["AUROC"], abs=1e-12)
    assert ours.aupr_out == pytest.approx(theirs["AUPR-OUT"], abs=1e-12)
    assert ours.aupr_in == pytest.approx(theirs["AUPR-IN"], abs=1e-12)
    assert ours.fpr95 == pytest.approx(theirs["FPR95TPR"], abs=1e-12)
