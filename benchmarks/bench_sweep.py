"""Data and checkpoint files in, finished rows out: the sweep beside what people would else run.

All ways take turns, so that a noisy machine is noisy for each of them; those of others in a process
of their own, whose allocator the sweep has not touched. The table of `bench_in_turns` is what the
goals are held against. `extra_info` has milliseconds an image and
checkpoint, and ratios turn by turn.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from sklearn.datasets import load_sample_image

import networks
import others
import vog
from networks import NETWORKS
from vog.analysis.one_run.correlation import spearman
from vog.sweep.job import Job
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

EXAMPLES, CHECKPOINTS, TURNS = 384, 3, 3
# What is slow is no noisier with fewer images.
EXAMPLES_OF_SLOW, EXAMPLES_ONE_BY_ONE = 128, 16
PHOTOGRAPHS, WIDTH, HEIGHT = 256, 500, 375
NETWORK = NETWORKS["ResNet-18, 32 x 32"]


def job(files: Sequence[Path], data: object, out: Path, **words: object) -> Job:
    asked = {"batch_size": NETWORK.batch, "overwrite": True, "quiet": True} | words
    return prepare(Request(NETWORK.build, files, data, out, **asked))  # type: ignore[arg-type]


def here(one: Job) -> float:
    """Seconds of a sweep in this process."""
    start = time.perf_counter()
    sweep(one)
    return time.perf_counter() - start


def in_turns(ways: dict[str, tuple[Callable[[], float], int]]) -> dict[str, list[float]]:
    """Milliseconds an image and checkpoint of each way, turn by turn; the first turn warms up."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, (seconds, images) in ways.items():
            each = 1000 * seconds() / (images * CHECKPOINTS)
            if turn:
                taken[name].append(each)
    return taken


def note(benchmark: BenchmarkFixture, taken: dict[str, list[float]], against: str) -> None:
    """Median and range of each way, and the median of its ratio to one of them."""
    for name, each in taken.items():
        ratios = [a / b for a, b in zip(each, taken[against], strict=True)]
        benchmark.extra_info[name] = {
            "ms": round(statistics.median(each), 2),
            "least": round(min(each), 2),
            "most": round(max(each), 2),
            "ratio": round(statistics.median(ratios), 3),
        }


@pytest.mark.benchmark(group="sweep: ResNet-18, 32 x 32, from arrays")
def bench_in_turns(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="captum is not installed: pip install '.[bench]'")
    files = networks.save_checkpoints(NETWORK, tmp_path / "c", CHECKPOINTS)
    arrays = networks.data(NETWORK, EXAMPLES)
    inputs, labels = map(torch.from_numpy, arrays)

    def some(count: int) -> tuple[others.Build, Sequence[Path], torch.Tensor, torch.Tensor, int]:
        return NETWORK.build, files, inputs[:count], labels[:count], NETWORK.batch

    jobs = {
        "sweep, `vog`": job(files, arrays, tmp_path / "vog", scores="vog"),
        "sweep, default scores": job(files, arrays, tmp_path / "default"),
        "sweep, all scores": job(files, arrays, tmp_path / "all", scores="all"),
        "sweep, scores of logits": job(files, arrays, tmp_path / "z", scores="loss,aum,el2n"),
        "sweep, `vog`, bfloat16": job(
            files, arrays, tmp_path / "half", scores="vog", precision="bfloat16"
        ),
        "sweep, `vog`, no folding": job(files, arrays, tmp_path / "as", scores="vog", fold=False),
    }
    loops: dict[str, tuple[others.Loop, int]] = {
        "the reference's order of work": (others.reference_order, EXAMPLES_ONE_BY_ONE),
        "batches, parameter gradients too": (others.with_parameter_gradients, EXAMPLES_OF_SLOW),
        "captum `Saliency`": (others.captum, EXAMPLES_OF_SLOW),
        "`autograd.grad` on the model as it is": (others.autograd, EXAMPLES_OF_SLOW),
        "bare loop": (others.bare, EXAMPLES),
        "bare loop, bfloat16": (others.bare_bfloat16, EXAMPLES),
    }
    found: dict[str, torch.Tensor] = {}

    def elsewhere(name: str, loop: others.Loop, count: int) -> float:
        """In the other process, whose allocator the sweep has not touched."""
        seconds, found[name] = pool.submit(others.timed, loop, *some(count)).result()
        return seconds

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        ways: dict[str, tuple[Callable[[], float], int]] = {
            name: (partial(elsewhere, name, *loop), loop[1]) for name, loop in loops.items()
        }
        for name, one in jobs.items():
            ways[name] = (partial(here, one), EXAMPLES)
        note(benchmark, in_turns(ways), "bare loop")
    benchmark.pedantic(sweep, (jobs["sweep, `vog`"],), rounds=1)
    scored = vog.open(tmp_path / "vog").table()["vog@all"].to_numpy()
    for name, scores in found.items():
        expected = 0.9 if name.endswith("bfloat16") else 0.999
        assert spearman(scores.numpy(), scored[: len(scores)]) > expected, name


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JPEG files of the size that ImageNet's usually have, cut from two photographs."""
    folder = tmp_path_factory.mktemp("photographs")
    real = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    rng = np.random.default_rng(0)
    for label in range(networks.CLASSES):
        (folder / f"{label}").mkdir()
    for number in range(PHOTOGRAPHS):
        whole = real[number % 2]
        left = int(rng.integers(0, whole.width - WIDTH))
        top = int(rng.integers(0, whole.height - HEIGHT))
        cut = whole.crop((left, top, left + WIDTH, top + HEIGHT))
        cut.save(folder / f"{number % networks.CLASSES}" / f"{number}.jpg", quality=90)
    return folder


def small(image: Image.Image) -> np.ndarray:
    """32 x 32, so that decoding and not the network is the larger part."""
    pixels = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), np.float32)
    return pixels.transpose(2, 0, 1) / 255


@pytest.mark.benchmark(group="sweep: ResNet-18, 32 x 32, from JPEG files")
def bench_from_files(benchmark: BenchmarkFixture, photographs: Path, tmp_path: Path) -> None:
    """Decoding in this process, and in a worker while the model computes."""
    files = networks.save_checkpoints(NETWORK, tmp_path / "c", CHECKPOINTS)
    jobs = {
        f"{workers} workers": job(
            files, photographs, tmp_path / f"{workers}", scores="vog", transform=small,
            workers=workers,
        )
        for workers in (0, 1, 2)
    }  # fmt: skip
    ways: dict[str, tuple[Callable[[], float], int]] = {
        name: (partial(here, one), PHOTOGRAPHS) for name, one in jobs.items()
    }
    note(benchmark, in_turns(ways), "0 workers")
    summary = benchmark.pedantic(sweep, (jobs["1 workers"],), rounds=1)
    benchmark.extra_info["read, images a second"] = round(summary.read_rate)
    benchmark.extra_info["scored, images a second"] = round(summary.scored_rate)
    tables = [vog.open(tmp_path / f"{workers}").table() for workers in (0, 1, 2)]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
