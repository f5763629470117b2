"""Columns of scores drawn at random, for comparing and averaging runs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vog.result import Run

Make = Callable[..., Run]  # of the fixture `make`


def statistic(test: Callable[..., Any], one: Any, other: Any) -> float:
    return float(test(one, other).statistic)


def noisy(count: int, seed: int, levels: int | None = None) -> list[float]:
    rng = np.random.default_rng(seed)
    values = np.arange(count) / count + rng.normal(size=count)
    return (values if levels is None else np.round(values * levels)).tolist()


def columns(*seeds: int) -> list[dict[str, list[float]]]:
    return [
        {
            "vog@all": noisy(26, seed),
            "vog@late": noisy(26, seed + 9, 1),
            "aum@all": noisy(26, -seed % 99),
        }
        for seed in seeds
    ]
