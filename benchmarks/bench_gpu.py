"""ResNet-50 at 224 x 224 on a GPU: images x checkpoints a second, and the share of the card.

A forward pass is 4.1 G multiplications and additions an image, the backward pass to the input
alone about as many; the card's rate is measured with a matrix product in the same precision.
The bare loop of `others.py` takes turns with the sweep.
"""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

import others
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import PrecisionSpec, Request

EXAMPLES, CHECKPOINTS, TURNS, BATCH, SIDE, MATRIX = 2048, 3, 3, 256, 224, 8192
Data = tuple[np.ndarray, np.ndarray]
OPERATIONS = 2 * 2 * 4.1e9  # an image: forward and backward, multiply and add
needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: nothing is said of GPUs"
)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions and a way around them. He et al., arXiv:1512.03385."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.within = nn.Sequential(
            *(nn.Conv2d(inside, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            *(nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)),
        )
        self.around = nn.Sequential()
        if stride > 1 or inside != 4 * width:
            self.around = nn.Sequential(
                nn.Conv2d(inside, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rectified sum of both ways."""
        return torch.relu(self.within(x) + self.around(x))


def resnet50() -> nn.Module:
    """3, 4, 6 and 3 blocks; 25.6 million parameters."""
    blocks: list[nn.Module] = []
    inside = 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for number in range(count):
            blocks.append(Bottleneck(inside, width, stride if number == 0 else 1))
            inside = 4 * width
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.MaxPool2d(3, 2, padding=1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(2048, 1000),
    )


def matmul_rate(precision: str) -> float:
    """Operations a second of a large matrix product."""
    a = torch.randn(MATRIX, MATRIX, device="cuda", dtype=getattr(torch, precision))
    for _ in range(3):
        torch.mm(a, a)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        torch.mm(a, a)
    torch.cuda.synchronize()
    return 10 * 2 * MATRIX**3 / (time.perf_counter() - start)


def bare_loop(files: Sequence[Path], data: Data, precision: str, batch: int) -> float:
    """Seconds of the bare loop of `others.py`, its inputs brought to the card batch by batch."""
    dtype = getattr(torch, precision)
    modules = [others.fused(resnet50, file).to("cuda", dtype) for file in files]
    inputs, labels = (torch.from_numpy(one) for one in data)
    torch.cuda.synchronize()
    start = time.perf_counter()
    kept = [
        others.bare_of(modules, x.pin_memory().to("cuda", non_blocking=True), y.to("cuda"), batch)
        for x, y in zip(inputs.split(batch), labels.split(batch), strict=True)
    ]
    torch.cat(kept).cpu()
    return time.perf_counter() - start


@needs_gpu
@pytest.mark.benchmark(group="GPU: ResNet-50, 224 x 224")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def bench_gpu(benchmark: BenchmarkFixture, tmp_path: Path, precision: PrecisionSpec) -> None:
    files = [tmp_path / f"{step}.pt" for step in range(CHECKPOINTS)]
    for step, file in enumerate(files):
        torch.manual_seed(step)
        torch.save(resnet50().state_dict(), file)
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(EXAMPLES, 3, SIDE, SIDE)).astype(np.float32)
    data = (inputs, rng.integers(0, 1000, EXAMPLES))
    words = {"scores": "vog", "overwrite": True, "quiet": True, "precision": precision}
    job = prepare(Request(resnet50, files, data, tmp_path / "run", **words))
    torch.backends.cudnn.allow_tf32 = False  # as the sweep computes
    swept, looped = [], []
    for _ in range(TURNS + 1):
        swept.append(sweep(job).seconds)
        looped.append(bare_loop(files, data, precision, BATCH))
    last = benchmark.pedantic(sweep, (job,), rounds=1)
    assert last.rows == EXAMPLES
    ratios = [ours / theirs for ours, theirs in zip(swept[1:], looped[1:], strict=True)]
    rate = EXAMPLES * CHECKPOINTS / statistics.median(swept[1:])
    benchmark.extra_info["images x checkpoints a second"] = round(rate)
    benchmark.extra_info["ratio to the bare loop"] = [round(one, 2) for one in sorted(ratios)]
    benchmark.extra_info["share of matmul"] = round(rate * OPERATIONS / matmul_rate(precision), 3)
    benchmark.extra_info["share of the time spent reading"] = round(last.reading / last.seconds, 2)
    benchmark.extra_info["batch"] = job.batch_size
    benchmark.extra_info["device"] = torch.cuda.get_device_name()
