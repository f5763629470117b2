"""`kill -9` at random moments: the table in the end is that of an uninterrupted run."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

import vog
import world

KILLS = 20
# Batches of one and a slow reader: a run of some seconds, with a part each 50 ms.
SCORE = """
import sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np, torch, world, vog
from vog.result import buffer
torch.set_num_threads(1)
buffer._SECONDS = 0.05

class Slow(torch.utils.data.Dataset):
    def __init__(self):
        self.inputs, self.targets = world.inputs_and_labels(1000)
    def __len__(self):
        return len(self.targets)
    def __getitem__(self, row):
        time.sleep(0.004)
        return self.inputs[row], self.targets[row]

print("started", flush=True)
vog.score(world.build, sys.argv[2], Slow(), sys.argv[3], scores="all", batch_size=4, quiet=True)
print("finished", flush=True)
"""


def begin(checkpoints: Path, out: Path) -> "subprocess.Popen[str]":
    """A process that scores into `out`, and has come as far as to start."""
    words = [str(Path(__file__).parent), str(checkpoints), str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", SCORE, *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def finish(checkpoints: Path, out: Path) -> float:
    """Let a run come to its end; the seconds from its start to its first part."""
    with begin(checkpoints, out) as process:
        start = time.perf_counter()
        while not list(out.glob("part-*.parquet")) and process.poll() is None:
            time.sleep(0.01)
        first = time.perf_counter() - start
        assert process.stdout is not None
        assert process.stdout.read() == "finished\n"
    return first


def test_twenty_kills_end_in_the_same_table(checkpoints: Path, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    moments, out = random.Random(seed), tmp_path / "killed"
    # Half of the kills come before a process has written its first part, half after, on a
    # slow machine as on a fast one.
    latest = 2 * finish(checkpoints, tmp_path / "whole")
    stamps: dict[Path, int] = {}
    interrupted = 0
    for _ in range(KILLS):
        with begin(checkpoints, out) as process:
            time.sleep(moments.uniform(0, latest))
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            interrupted += "finished" not in process.stdout.read()
        found = {p: p.stat().st_mtime_ns for p in out.glob("part-*.parquet")}
        assert stamps.items() <= found.items(), f"seed {seed}: a finished part was touched"
        stamps = found
    assert interrupted >= KILLS // 2, f"seed {seed}: the kills came too late to test anything"
    assert len(stamps) > 1, f"seed {seed}: no part was written before and between kills"
    finish(checkpoints, out)
    found = {p: p.stat().st_mtime_ns for p in out.glob("part-*.parquet")}
    assert stamps.items() <= found.items()
    killed, whole = vog.open(out), vog.open(tmp_path / "whole")
    assert killed.rows == 1000
    assert killed.table().equals(whole.table()), f"seed {seed}"


def test_equal_tables_is_a_check_that_can_fail(checkpoints: Path, tmp_path: Path) -> None:
    inputs, labels = world.inputs_and_labels(9)
    one = vog.score(world.build, checkpoints, (inputs, labels), tmp_path / "a")
    inputs[4, 0, 0, 0] = np.nextafter(inputs[4, 0, 0, 0], np.float32(9))
    assert torch.is_grad_enabled()
    other = vog.score(world.build, checkpoints, (inputs + 1e-3, labels), tmp_path / "b")
    assert not one.table().equals(other.table())
