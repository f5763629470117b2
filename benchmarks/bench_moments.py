"""The spread over checkpoints: every gradient kept, against moments one checkpoint at a time."""

import functools

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from vog import moments

EXAMPLES, PIXELS, CHECKPOINTS, ROUNDS = 64, 32 * 32, 12, 200
GROUP = "moments: 64 maps of 32 x 32, 12 checkpoints"


@pytest.fixture(scope="module")
def maps() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(1, EXAMPLES, PIXELS) for _ in range(CHECKPOINTS)]


def kept(maps: list[Tensor]) -> Tensor:
    """The obvious way."""
    return torch.cat(maps).std(dim=0, correction=0)


def one_by_one(maps: list[Tensor]) -> Tensor:
    return moments.std(functools.reduce(moments.merge, map(moments.moments_of, maps)))


def together(maps: list[Tensor]) -> Tensor:
    return moments.std(moments.moments_of(torch.cat(maps)))


WAYS = {
    "all gradients kept": kept,
    "moments, one by one": one_by_one,
    "moments, together": together,
}


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("way", WAYS)
def bench_moments(benchmark: BenchmarkFixture, maps: list[Tensor], way: str) -> None:
    found = benchmark.pedantic(WAYS[way], (maps,), rounds=ROUNDS, warmup_rounds=5)
    torch.testing.assert_close(found, kept(maps), rtol=1e-4, atol=1e-6)
