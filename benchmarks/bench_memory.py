"""Memory against the number of rows and of checkpoints, in processes of their own.

Rows are made when they are read, so that nothing but the sweep could grow with them.
"""

import statistics
import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ROWS, CHECKPOINTS = (2_000, 20_000, 200_000, 1_000_000), (3, 15, 60)
FEW_ROWS, FEW_CHECKPOINTS = 20_000, 3
ROUNDS = 3

SWEEP = """
import sys, tempfile
from pathlib import Path
import numpy as np, psutil, torch
from torch import nn
from vog.sweep.prepare import prepare
from vog.sweep.request import Request
from vog.sweep.loop import sweep

rows, checkpoints, memory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None
width = 1024 if memory else 32

class Made(torch.utils.data.Dataset):
    targets = range(rows)
    def __len__(self): return rows
    def __getitem__(self, row): return np.full(20, row % 7, np.float32), row % 3
Made.targets = [row % 3 for row in range(rows)]

build = lambda: nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
                              nn.Linear(width, 3))
with tempfile.TemporaryDirectory() as folder:
    for step in range(checkpoints):
        torch.manual_seed(step)
        torch.save(build().state_dict(), Path(folder) / f"{step}.pt")
    data = Made()
    before = psutil.Process().memory_info().rss
    job = prepare(Request(build, folder + "/*.pt", data, Path(folder) / "run", workers=0,
                          batch_size=1024, memory=memory, quiet=True))
    assert sweep(job).rows == rows
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print((peak - before) / 2**20, job.memory_plan.hold)
"""


def peak(rows: int, checkpoints: int, memory: str = "") -> tuple[float, bool]:
    """MiB above what the process had before, and whether all weights were held."""
    words = [sys.executable, "-c", SWEEP, str(rows), str(checkpoints), memory]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    grown, held = run.stdout.split()
    return float(grown), held == "True"


@pytest.mark.parametrize("rows", ROWS)
def bench_rows(benchmark: BenchmarkFixture, rows: int) -> None:
    benchmark.group = "memory: rows, 3 checkpoints"
    rounds = ROUNDS if rows < max(ROWS) else 1
    found = [peak(rows, FEW_CHECKPOINTS)[0] for _ in range(rounds - 1)]
    found.append(benchmark.pedantic(peak, (rows, FEW_CHECKPOINTS), rounds=1)[0])
    benchmark.extra_info["MiB"] = round(statistics.median(found))


@pytest.mark.parametrize("checkpoints", CHECKPOINTS)
@pytest.mark.parametrize("memory", ["", "200MB"], ids=["held", "streamed"])
def bench_checkpoints(benchmark: BenchmarkFixture, checkpoints: int, memory: str) -> None:
    """4 kB of weights a checkpoint, all held; and 4.3 MB each, where 200 MB may be taken."""
    benchmark.group = f"memory: checkpoints of {'4.3 MB, --memory 200MB' if memory else '6 kB'}"
    grown, held = benchmark.pedantic(peak, (FEW_ROWS, checkpoints, memory), rounds=1)
    benchmark.extra_info["MiB"] = round(grown)
    benchmark.extra_info["all weights held"] = held
