"""A sweep beside the bare loop of a framework, in turns: what its benchmarks have in common."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

import vog
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

CHECKPOINTS, BATCH, PAIRS, CLASSES = 3, 64, 5, 10
Data = tuple[np.ndarray, np.ndarray]


def data(shape: Sequence[int], examples: int) -> Data:
    """Return random images of a shape, and labels."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(examples, *shape)).astype(np.float32)
    return images, rng.integers(0, CLASSES, examples)


def vog_of(gradients: Sequence[np.ndarray], colours: int) -> np.ndarray:
    """Return VoG of a batch from its gradients under each checkpoint, as a user would."""
    return np.stack([g.mean(axis=colours) for g in gradients]).std(axis=0).mean(axis=(1, 2))


def compare(
    benchmark: BenchmarkFixture,
    model: Any,
    checkpoints: Any,
    bare: Callable[[], np.ndarray],
    arrays: Data,
) -> None:
    """Time a bare loop and a sweep in turns, and put medians and ratios into the results.

    Args:
        benchmark: gets the results.
        model: as `vog.score` takes it.
        checkpoints: as `vog.score` takes them.
        bare: computes VoG of all examples.
        arrays: images and labels.
    """
    out = Path(str(checkpoints if not isinstance(checkpoints, list) else checkpoints[0])).parent
    request = Request(
        *(model, checkpoints, arrays, out.parent / "run"),
        scores="vog",
        batch_size=BATCH,
        overwrite=True,
        quiet=True,
    )
    job = prepare(request)
    taken = [(_seconds(bare), _seconds(lambda: sweep(job))) for _ in range(PAIRS + 1)][1:]
    passes = len(arrays[1]) * CHECKPOINTS
    milliseconds = [[1000 * s / passes for s in way] for way in zip(*taken, strict=True)]
    for way, each in zip(("the bare loop", "sweep, `vog`"), milliseconds, strict=True):
        ratios = [s / b for s, b in zip(each, milliseconds[0], strict=True)]
        benchmark.extra_info[way] = {
            "ms": round(statistics.median(each), 3),
            "least": round(min(each), 3),
            "most": round(max(each), 3),
            "ratio": round(statistics.median(ratios), 3),
        }
    np.testing.assert_allclose(vog.open(request.out).values("vog@all"), bare(), rtol=1e-3)
    benchmark.pedantic(bare, rounds=1)


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
