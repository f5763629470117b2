"""The viewer at the size of ImageNet: how long pages take, and what memory the server has.

A run of 1.3 million rows with thirteen scores at four stages, made of plausible numbers; see
`large_run`. The server is `vog view` in a process of its own, asked over the loopback.

.venv/bin/pytest benchmarks/bench_viewer.py --benchmark-only --override-ini addopts=
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import psutil
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import large_run
from vog.reporting.page import report
from vog.result import Run

ROWS = 1_300_000
LOOKING = 0.5  # seconds that somebody looks at a page before the next, at the very least
SCORES = ("vog", "grad_norm", "loss", "el2n", "aum", "confidence", "variability", "forgetting")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return large_run.write(tmp_path_factory.mktemp("large") / "run", ROWS)


@pytest.fixture(scope="module")
def server(run: Run) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "vog", "view", str(run.folder), "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+/", process.stdout.readline())
        assert address
        yield address[0], psutil.Process(process.pid)
        process.terminate()


def seconds(address: str) -> float:
    before = time.perf_counter()
    with urlopen(address) as answer:
        assert answer.status == 200
        answer.read()
    return time.perf_counter() - before


def views() -> list[str]:
    """Two hundred sorts and filters as somebody clicks them, most of them not seen before."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(200):
        stage = rng.choice(["early", "middle", "late", "all"])
        derived = rng.choice(["", ":class", ":class", ":robust", ":rank"])
        by = f"{rng.choice(SCORES)}@{stage}{derived}"
        if number % 20 == 0:
            by = str(rng.choice(["id", "label", "prediction@all"]))
        query = f"by={quote(by)}"
        kind = number % 8
        if kind == 1:
            query += f"&label={rng.integers(1000)}"
        elif kind == 2:
            query += "&judged=wrong"
        elif kind == 3:
            query += f"&predicted={rng.integers(1000)}&judged=right"
        elif kind == 4:
            query += f"&text={rng.integers(10_000):04d}"
        elif kind == 5:
            query += "&low=0.2&high=0.6" if "@" in by else ""
        made.append(query)
    return made


def bench_first_page(benchmark: BenchmarkFixture, server: tuple[str, psutil.Process]) -> None:
    """The gallery as it is when the viewer has just been started; one round, for there is one."""
    benchmark.group = "the viewer at 1.3 million rows"
    benchmark.pedantic(lambda: seconds(server[0]), rounds=1)
    benchmark.extra_info["memory, MiB"] = round(server[1].memory_info().rss / 2**20)


def bench_sorts_and_filters(
    benchmark: BenchmarkFixture, server: tuple[str, psutil.Process]
) -> None:
    benchmark.group = "the viewer at 1.3 million rows"
    asked = iter(views())
    found: list[float] = []
    benchmark.pedantic(
        lambda: found.append(seconds(f"{server[0]}?{next(asked)}")),
        setup=lambda: time.sleep(LOOKING),
        rounds=200,
    )
    benchmark.extra_info["p95, ms"] = round(float(np.quantile(found, 0.95)) * 1e3)
    benchmark.extra_info["memory, MiB"] = round(server[1].memory_info().rss / 2**20)


def bench_turning_pages(benchmark: BenchmarkFixture, server: tuple[str, psutil.Process]) -> None:
    """Far from the first page rows have to be put in order, and not only the first few found."""
    benchmark.group = "the viewer at 1.3 million rows"
    rng = np.random.default_rng(1)
    pages = iter(rng.integers(2, ROWS // 48, 50).tolist())
    benchmark.pedantic(lambda: seconds(f"{server[0]}?page={next(pages)}"), rounds=50)


@pytest.mark.parametrize(
    "page", ["example/777777", "classes", "compare", "compare.svg", "review.txt"]
)
def bench_pages(benchmark: BenchmarkFixture, server: tuple[str, psutil.Process], page: str) -> None:
    benchmark.group = "the viewer at 1.3 million rows"
    benchmark.pedantic(lambda: seconds(server[0] + page), rounds=5)
    benchmark.extra_info["memory, MiB"] = round(server[1].memory_info().rss / 2**20)


def bench_report(benchmark: BenchmarkFixture, run: Run, tmp_path: Path) -> None:
    benchmark.group = "the report of 1.3 million rows"
    path = benchmark.pedantic(lambda: report(run, tmp_path / "report.html"), rounds=1)
    benchmark.extra_info["MB"] = round(path.stat().st_size / 1e6, 1)
