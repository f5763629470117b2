"""What does not compute, at the size of ImageNet: the list, writing a run, and reading it.

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
from vog.result.rows import Meaning, RowBlock, to_table

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


def append(folder: Path) -> Path:
    """A run of four stages with random scores, part by part."""
    rng = np.random.default_rng(0)
    meaning = Meaning("vog", "harder", (0.0, float("inf")), "u", "s")
    columns = [f"vog@{stage}" for stage in STAGES]
    with parts.writing_session(folder, {"data": {"examples": EXAMPLES}}):
        for start in range(0, EXAMPLES, PART):
            rows = range(start, min(start + PART, EXAMPLES))
            count = len(rows)
            labels = rng.integers(0, CLASSES, count)
            guessed = np.where(rng.random(count) < 0.3, rng.integers(0, CLASSES, count), labels)
            made = RowBlock(
                rows,
                [f"{row}.jpg" for row in rows],
                labels,
                np.arange(count),
                dict.fromkeys(STAGES, guessed),
                {},
                {name: rng.gamma(2, size=count) for name in columns},
                {},
            )
            parts.write_part(folder, [to_table(made, dict.fromkeys(columns, meaning), None)], 0.0)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return vog.open(append(tmp_path_factory.mktemp("scale") / "run"))


def note_memory(benchmark: BenchmarkFixture) -> None:
    """The size of this process, fixtures included, to the table's extra columns."""
    benchmark.extra_info["process MiB"] = psutil.Process().memory_info().rss // 2**20


def bench_reading_the_list(benchmark: BenchmarkFixture, listing: Path) -> None:
    examples = benchmark.pedantic(open_source, (listing,), rounds=3)
    assert len(examples) == EXAMPLES
    note_memory(benchmark)


def bench_analyze(benchmark: BenchmarkFixture, run: Run) -> None:
    found = benchmark.pedantic(lambda: vog.analyze(vog.open(run.folder)), rounds=3)
    assert found.errors["late"].overall.examples == EXAMPLES
    note_memory(benchmark)


def bench_append(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Making the random numbers is in it, as one of forty parts of the time."""
    folders = (tmp_path / f"run-{round}" for round in range(4))
    folder = benchmark.pedantic(lambda: append(next(folders)), rounds=3, warmup_rounds=1)
    assert vog.open(folder).rows == EXAMPLES
    benchmark.extra_info["bytes a row"] = round(
        sum(path.stat().st_size for path in folder.glob("part-*")) / EXAMPLES
    )


def column_of(run: Run, name: str) -> np.ndarray:
    return vog.open(run.folder).table([name])[name].to_numpy()


def by_hand(run: Run) -> np.ndarray:
    """The obvious way: a loop over classes."""
    scores = column_of(run, "vog@late").astype(np.float64)
    labels = column_of(run, "label")
    normalised = np.empty_like(scores)
    for label in range(CLASSES):
        mine = labels == label
        normalised[mine] = (scores[mine] - scores[mine].mean()) / scores[mine].std()
    return normalised


@pytest.mark.benchmark(group="scale: class normalization of 1,281,167 rows")
@pytest.mark.parametrize("way", ["a loop over classes", "`run.table`"])
def bench_class_normalization(benchmark: BenchmarkFixture, run: Run, way: str) -> None:
    ways = {
        "a loop over classes": lambda: by_hand(run),
        "`run.table`": lambda: column_of(run, "vog@late:class"),
    }
    found = benchmark.pedantic(ways[way], rounds=3)
    if way == "`run.table`":
        np.testing.assert_allclose(found, by_hand(run), rtol=1e-6, atol=1e-9)


@pytest.mark.benchmark(group="scale: top 100 by class of 1,281,167 rows")
@pytest.mark.parametrize("way", ["sorting all", "`run.top`"])
def bench_top(benchmark: BenchmarkFixture, run: Run, way: str) -> None:
    def sort_all() -> list[int]:
        return np.argsort(-column_of(run, "vog@late:class"), kind="stable")[:100].tolist()

    def top() -> list[int]:
        rows = vog.open(run.folder).top(100, by="vog@late:class")
        return [int(one.removesuffix(".jpg")) for one in rows["id"].to_pylist()]

    found = benchmark.pedantic(sort_all if way == "sorting all" else top, rounds=3)
    assert found == sort_all()
    note_memory(benchmark)
