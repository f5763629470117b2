"""What it costs to fold halves of the checkpoints beside the scores: the sweep with and without.

Both take turns; the questions they answer differ in nothing else. There are as many rows as are
halved at most, which is the dearest case: of a million rows 0.5 % are.
"""

import statistics
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import networks
from networks import NETWORKS
from vog.sweep import split_half
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

CHECKPOINTS, TURNS = 6, 5
EXAMPLES = {"ResNet-18, 32 x 32": 256, "MLP, 784-256-10": 5000}


@pytest.mark.benchmark(group="halves of the checkpoints")
@pytest.mark.parametrize("name", EXAMPLES)
def bench_halves(
    benchmark: BenchmarkFixture, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = NETWORKS[name]
    files = networks.save_checkpoints(network, tmp_path / "c", CHECKPOINTS)
    job = prepare(
        Request(
            network.build,
            files,
            networks.data(network, EXAMPLES[name]),
            tmp_path / "run",
            batch_size=network.batch,
            overwrite=True,
            quiet=True,
        )
    )

    def seconds(rows: int) -> float:
        with monkeypatch.context() as patch:
            patch.setattr(split_half, "ROWS", rows)
            start = time.perf_counter()
            sweep(job)
            return time.perf_counter() - start

    turns = [(seconds(0), seconds(split_half.ROWS)) for _ in range(TURNS + 1)][1:]
    benchmark.extra_info["ratio"] = round(statistics.median(b / a for a, b in turns), 3)
    benchmark.extra_info["without, s"] = round(statistics.median(a for a, _ in turns), 2)
    benchmark.pedantic(sweep, (job,), rounds=1)
