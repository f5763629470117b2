"""The most memory that a process holds while it scores."""

import subprocess
import sys
from pathlib import Path

MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from torch import nn
import vog

rows, checkpoints, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
torch.manual_seed(0)
torch.set_num_threads(1)
width = 1024 if len(sys.argv) > 4 else 16
build = lambda: nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
                              nn.Linear(width, 3))
folder.mkdir()
for step in range(checkpoints):
    torch.save(build().state_dict(), folder / f"{step}.pt")
inputs = np.random.default_rng(0).normal(size=(rows, 20)).astype(np.float32)
labels = np.zeros(rows, np.int64)
data = (inputs, labels)
memory = sys.argv[4] if len(sys.argv) > 4 else None
some = (inputs[:2000], labels[:2000])
vog.score(build, folder, some, folder / "warm", quiet=True, memory=memory)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from vog.sweep.prepare import prepare
from vog.sweep.request import Request
from vog.sweep.loop import sweep
job = prepare(Request(build, folder, data, folder / "run", quiet=True, memory=memory))
assert sweep(job).rows == rows
assert job.memory_plan.hold == (memory is None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak_megabytes(rows: int, checkpoints: int, folder: Path, *memory: str) -> float:
    """The most memory that a process held which swept so many rows of 20 features."""
    words = [sys.executable, "-c", MEASURE, str(rows), str(checkpoints), str(folder), *memory]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
