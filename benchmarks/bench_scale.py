"""What does not compute, at the size of ImageNet: reading the list, and reading a run.

1,281,167 hard links to small pictures stand for the images, random numbers for the scores.
The compute in between grows with examples x checkpoints and is measured on real images, see
docs/reproduction.md.

.venv/bin/pytest benchmarks/bench_scale.py --benchmark-only --override-ini addopts= \
    --benchmark-json scale.json
"""

import os
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

import vog
from vog.data import open_source
from vog.result import Run, parts
from vog.result.rows import Meaning, Rows, to_table

LINKS = 60_000  # ext4 allows 65,000 names of one file
EXAMPLES, CLASSES, PART = 1_281_167, 1000, 2**15
STAGES = ("early", "middle", "late", "all")


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("photographs")
    lines: list[str] = []
    for label in range(CLASSES):
        (made / f"{label}").mkdir()
        for number in range(label, EXAMPLES, CLASSES):
            source = made / f"source-{len(lines) // LINKS}.jpg"
            if not source.exists():
                Image.new("RGB", (64, 64)).save(source)
            os.link(source, made / f"{label}/{number}.jpg")
            lines.append(f"{label}/{number}.jpg {label}")
    (made / "train.txt").write_text("\n".join(lines))
    return made / "train.txt"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, rng = tmp_path_factory.mktemp("scale") / "run", np.random.default_rng(0)
    meaning = Meaning("vog", "harder", (0.0, float("inf")), "u", "s")
    columns = [f"vog@{stage}" for stage in STAGES]
    with parts.begun(folder, {"data": {"examples": EXAMPLES}}):
        for start in range(0, EXAMPLES, PART):
            rows = range(start, min(start + PART, EXAMPLES))
            count = len(rows)
            labels = rng.integers(0, CLASSES, count)
            guessed = np.where(rng.random(count) < 0.3, rng.integers(0, CLASSES, count), labels)
            made = Rows(
                rows,
                [f"{row}.jpg" for row in rows],
                labels,
                np.arange(count),
                dict.fromkeys(STAGES, guessed),
                {},
                {name: rng.gamma(2, size=count) for name in columns},
                {},
            )
            parts.write(folder, [to_table(made, dict.fromkeys(columns, meaning), None)], 0.0)
    return vog.open(folder)


def note_memory(benchmark: BenchmarkFixture) -> None:
    """The size of this process, fixtures included, to the table's extra columns."""
    benchmark.extra_info["process MiB"] = psutil.Process().memory_info().rss // 2**20


def bench_reading_the_list(benchmark: BenchmarkFixture, listing: Path) -> None:
    examples = benchmark.pedantic(open_source, (listing,), rounds=3)
    assert len(examples) == EXAMPLES
    note_memory(benchmark)


def bench_analyze(benchmark: BenchmarkFixture, run: Run) -> None:
    found = benchmark.pedantic(lambda: vog.analyze(vog.open(run.folder)), rounds=3)
    assert found.errors["late"].everything.examples == EXAMPLES
    note_memory(benchmark)


def bench_top(benchmark: BenchmarkFixture, run: Run) -> None:
    rows = benchmark.pedantic(lambda: vog.open(run.folder).top(25, by="vog@late:class"), rounds=3)
    assert len(rows) == 25
    note_memory(benchmark)
