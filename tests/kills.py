"""Runs that are killed with `kill -9` at random moments and begun again, until they may end."""

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import vog

_EXAMPLES = 1000
_AFTER_A_PART = 0.4  # seconds within which it is killed then
# Batches of four and a slow reader: a run of some seconds, with a part each 50 ms.
_SCORE = f"""
import sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np, torch, world, vog
from vog.sweep import part_grid
torch.set_num_threads(1)
part_grid.PART_SECONDS = 0.05

class Slow(torch.utils.data.Dataset):
    def __init__(self):
        self.inputs, self.targets = world.inputs_and_labels({_EXAMPLES})
    def __len__(self):
        return len(self.targets)
    def __getitem__(self, row):
        time.sleep(0.004)
        return self.inputs[row], self.targets[row]

print("started", flush=True)
vog.score(world.build, sys.argv[2], Slow(), sys.argv[3], scores="all", batch_size=4, quiet=True)
print("finished", flush=True)
"""


@dataclass(frozen=True)
class Process:
    """A process that scores, and the file of what it printed.

    It is a file and no pipe: orphaned readers of data would keep a pipe open for some seconds.
    """

    process: "subprocess.Popen[bytes]"
    printed: Path

    @property
    def finished(self) -> bool:
        """Whether it has said that it came to its end."""
        return "finished" in self.printed.read_text()

    def kill(self) -> None:
        """Kill it, without warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def begin(checkpoints: Path, out: Path, script: str = _SCORE) -> Process:
    """Return a process that scores into `out`, when it has come as far as to start.

    Args:
        checkpoints: their folder.
        out: the run folder.
        script: a program that takes the folder of the tests, the checkpoints and the run folder,
            and prints "started" and "finished".
    """
    printed = out.with_suffix(".txt")
    words = [str(Path(__file__).parent), str(checkpoints), str(out)]
    with printed.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", script, *words], stdout=file)
    while "started" not in printed.read_text():
        assert process.poll() is None, "it ended before it began"
        time.sleep(0.01)
    return Process(process, printed)


def parts(out: Path) -> dict[Path, int]:
    """Return when each part of a run was written."""
    return {path: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}


def finish(checkpoints: Path, out: Path, script: str = _SCORE) -> float:
    """Let a run come to its end; return the seconds from its start to its first part."""
    running = begin(checkpoints, out, script)
    start = time.perf_counter()
    while not parts(out) and running.process.poll() is None:
        time.sleep(0.01)
    first = time.perf_counter() - start
    assert running.process.wait() == 0
    assert running.finished
    return first


def killed_often(
    checkpoints: Path, whole: Path, first: float, out: Path, kills: int, script: str = _SCORE
) -> None:
    """Kill a run so many times, let it end, and compare it with one that nobody killed.

    Every other time it is killed when it has written a part more, on a slow machine as on a fast
    one, and else in the time that the first part took.

    Args:
        checkpoints: what both runs look at.
        whole: the run that nobody killed.
        first: how long the first part takes, in seconds.
        out: the folder of the run that is killed.
        kills: how often.
        script: the program; see `begin`.
    """
    seed = random.randrange(10**6)
    moments, interrupted = random.Random(seed), 0
    before: dict[Path, int] = {}
    for turn in range(kills):
        running = begin(checkpoints, out, script)
        while turn % 2 and len(parts(out)) == len(before) and running.process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, _AFTER_A_PART if turn % 2 else first))
        running.kill()
        interrupted += not running.finished
        found = parts(out)
        assert before.items() <= found.items(), f"seed {seed}: a finished part was touched"
        before = found
    assert interrupted >= kills // 2, f"seed {seed}: the kills came too late to test anything"
    assert len(before) > 1, f"seed {seed}: no part was written before and between kills"
    finish(checkpoints, out, script)
    assert before.items() <= parts(out).items(), f"seed {seed}: a finished part was touched"
    assert vog.open(out).rows == vog.open(whole).rows
    assert vog.open(out).table().equals(vog.open(whole).table()), f"seed {seed}"
