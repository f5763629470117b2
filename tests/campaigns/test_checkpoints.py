"""The whole of what the tests of checkpoints have samples of: gadgets and mutated files."""

import os
import resource
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest

import bundle_damage
import strange_files

_SEEDS, _BLOCKS, _BUNDLE_SEEDS = 8000, 8, 3000
_MOST_SECONDS = 10
_MOST_KILOBYTES = 2**20


def corpus() -> list[bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            strange_files.written(kind, writer)
            for kind in strange_files.kinds()
            for writer in strange_files.WRITERS
        ]


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("block", range(_BLOCKS))
def test_mutated_files(tmp_path: Path, block: int) -> None:
    files, mark, ends = corpus(), tmp_path / "mark", {"weights": 0, "refused": 0}
    for seed in range(block, _SEEDS, _BLOCKS):
        data = strange_files.mutated(seed, files, str(mark))
        begun, before = time.monotonic(), peak()
        said, events = strange_files.outcome(data, tmp_path / "a.pt")
        assert events == [], seed
        assert time.monotonic() - begun < _MOST_SECONDS, seed
        assert peak() - before < _MOST_KILOBYTES, seed
        ends["weights" if said == "weights" else "refused"] += 1
    assert not mark.exists()
    assert min(ends.values()) > 0


def test_every_gadget_in_every_form(tmp_path: Path) -> None:
    mark, tried = tmp_path / "mark", 0
    for gadget in strange_files.gadgets(str(mark)):
        for form, pickled in strange_files.calls(*gadget).items():
            for wrap in (bytes, strange_files.as_zip, strange_files.as_legacy):
                said, events = strange_files.outcome(wrap(pickled), tmp_path / "a.pt")
                assert said != "weights", (gadget, form)
                assert events == [], (gadget, form)
                tried += 1
    assert not mark.exists()
    assert tried > 10_000


# In a process of its own, without the type checks of the tests, which take a hundred times as long.
_READ = """
import pathlib, resource, sys, strange_files
data = strange_files.bombs()[sys.argv[1]](300_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
said, events = strange_files.outcome(data, pathlib.Path(sys.argv[2]))
assert said != "weights" and not events, (said, events)
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.parametrize("name", strange_files.bombs())
def test_bombs(tmp_path: Path, name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _READ, name, str(tmp_path / "a.pt")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < _MOST_KILOBYTES


@pytest.mark.parametrize("block", range(_BLOCKS))
def test_mutated_checkpoints_of_tensorflow(tmp_path: Path, block: int) -> None:
    ends: Counter[str] = Counter()
    before = peak()
    for seed in range(block, _BUNDLE_SEEDS, _BLOCKS):
        begun = time.monotonic()
        ends[bundle_damage.outcome(seed, tmp_path / str(seed))] += 1
        assert time.monotonic() - begun < _MOST_SECONDS, seed
    assert peak() - before < _MOST_KILOBYTES
    assert set(ends) <= {"refused", "equal", "values of table", "values of block"}
    assert min(ends["refused"], ends["equal"]) > 0
