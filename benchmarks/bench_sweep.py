"""The sweep against the bare loop that does the same forward and backward passes.

Both take turns in one process, batch by batch, so that a noisy machine is noisy for both.
The bare loop has tensors in memory, channels last, and keeps nothing: what a user would
write who needs no scores, no rows, no resume.

make bench
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.func import functional_call

from cifar import resnet18
from vog.sweep.job import Job
from vog.sweep.prepare import prepare
from vog.sweep.request import Request
from vog.sweep.run import sweep

EXAMPLES, CHECKPOINTS, BATCH, ROUNDS = 192, 3, 64, 5


@pytest.fixture(scope="module")
def folder() -> Path:
    """Checkpoints that differ, as files."""
    made = Path(tempfile.mkdtemp())
    (made / "c").mkdir()
    for step in range(CHECKPOINTS):
        torch.manual_seed(step)
        torch.save(resnet18().state_dict(), made / "c" / f"{step}.pt")
    return made


def job_of(folder: Path, name: str, scores: str | None) -> Job:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(EXAMPLES, 3, 32, 32)).astype(np.float32)
    data = (images, rng.integers(0, 10, EXAMPLES))
    out = folder / name
    return prepare(
        Request(
            resnet18,
            folder / "c",
            data,
            out,
            scores=scores,
            batch_size=BATCH,
            overwrite=True,
            quiet=True,
        )
    )


def bare_loop(job: Job) -> torch.Tensor:
    """Forward and backward to the input for every batch and checkpoint; the last gradient."""
    module = resnet18().eval()
    labels = torch.from_numpy(job.examples.labels)
    inputs = torch.from_numpy(job.examples.read.inputs).to(memory_format=torch.channels_last)  # type: ignore[attr-defined]
    gradient = torch.empty(0)
    for rows in torch.arange(len(labels)).split(BATCH):
        for weights in job.weights.each():
            leaf = inputs[rows].requires_grad_()
            logits = functional_call(module, dict(weights), (leaf,))
            total = logits.gather(1, labels[rows][:, None]).sum()
            (gradient,) = torch.autograd.grad(total, leaf)
    return gradient


def seconds(work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


@pytest.mark.benchmark(group="resnet18, 32 x 32, float32, ms an image and checkpoint")
@pytest.mark.parametrize("scores", ["vog", None, "all"], ids=["vog", "default", "all"])
def bench_sweep_against_the_bare_loop(
    benchmark: BenchmarkFixture, folder: Path, scores: str | None
) -> None:
    """`extra_info` has the medians of both and their ratio, round by round."""
    job = job_of(folder, f"run-{scores}", scores)
    bare_loop(job)
    pairs = [(seconds(lambda: bare_loop(job)), seconds(lambda: sweep(job))) for _ in range(ROUNDS)]
    benchmark.pedantic(sweep, (job,), rounds=1)
    each = 1000 / (EXAMPLES * CHECKPOINTS)
    benchmark.extra_info.update(
        bare_ms=each * statistics.median(bare for bare, _ in pairs),
        sweep_ms=each * statistics.median(swept for _, swept in pairs),
        ratio=statistics.median(swept / bare for bare, swept in pairs),
        ratios=[round(swept / bare, 3) for bare, swept in pairs],
    )
    print(scores, benchmark.extra_info)  # noqa: T201 (shown with -s)
