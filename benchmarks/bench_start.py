"""What a user waits for before anything happens: help, import, and the first part of a run."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import networks
from networks import NETWORKS, Network

ROUNDS, EXAMPLES, CHECKPOINTS = 5, 50_000, 6
VOG = Path(sys.executable).with_name("vog")


@pytest.mark.benchmark(group="start-up")
@pytest.mark.parametrize(
    "words",
    [[sys.executable, "-c", "pass"], [sys.executable, "-c", "import vog"], [str(VOG), "--help"]],
    ids=["python alone", "import vog", "vog --help"],
)
def bench_start(benchmark: BenchmarkFixture, words: list[str]) -> None:
    benchmark.pedantic(
        subprocess.run, (words,), {"check": True, "capture_output": True}, rounds=ROUNDS,
        warmup_rounds=1,
    )  # fmt: skip


@pytest.mark.benchmark(group="start-up: from the command to the first part, MLP 784-256-10")
def bench_first_part(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    import numpy as np

    network: Network = NETWORKS["MLP, 784-256-10"]
    networks.save_checkpoints(network, tmp_path / "c", CHECKPOINTS)
    inputs, labels = networks.data(network, EXAMPLES)
    np.savez(tmp_path / "data.npz", inputs=inputs, labels=labels)
    model = f"{Path(networks.__file__)}:mlp"
    waited: list[float] = []

    def until_the_first_part() -> None:
        out = tmp_path / f"run-{len(waited)}"
        words = ["score", "--model", model, "--checkpoints", tmp_path / "c", "--out", out]
        start = time.perf_counter()
        with subprocess.Popen(
            [VOG, *words, "--data", tmp_path / "data.npz", "--quiet"], cwd=Path(__file__).parent,
            env={"PYTHONPATH": str(Path(__file__).parents[1] / "experiments")},
        ) as process:  # fmt: skip
            while not list(out.glob("part-*.parquet")):
                assert process.poll() in (None, 0)
                time.sleep(0.01)
            waited.append(time.perf_counter() - start)
            process.wait()

    benchmark.pedantic(until_the_first_part, rounds=ROUNDS)
    benchmark.extra_info["first part, s"] = round(statistics.median(waited), 2)
    assert len(waited) == ROUNDS
