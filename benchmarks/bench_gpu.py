"""ResNet-50 at 224 x 224 on a GPU: images x checkpoints a second, and the share of the card.

A forward pass is 4.1 G multiplications and additions an image, the backward pass to the input
alone about as many; the card's rate is measured with a matrix product in the same precision.
"""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import PrecisionSpec, Request

EXAMPLES, CHECKPOINTS, SIDE, MATRIX = 2048, 3, 224, 8192
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
        a @ a
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        a @ a
    torch.cuda.synchronize()
    return 10 * 2 * MATRIX**3 / (time.perf_counter() - start)


@needs_gpu
@pytest.mark.benchmark(group="GPU: ResNet-50, 224 x 224")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def bench_gpu(benchmark: BenchmarkFixture, tmp_path: Path, precision: PrecisionSpec) -> None:
    for step in range(CHECKPOINTS):
        torch.manual_seed(step)
        torch.save(resnet50().state_dict(), tmp_path / f"{step}.pt")
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(EXAMPLES, 3, SIDE, SIDE)).astype(np.float32)
    data = (inputs, rng.integers(0, 1000, EXAMPLES))
    words = {"scores": "vog", "overwrite": True, "quiet": True, "precision": precision}
    job = prepare(Request(resnet50, tmp_path, data, tmp_path / "run", **words))
    summary = benchmark.pedantic(sweep, (job,), rounds=3, warmup_rounds=1)
    rate = summary.rows * CHECKPOINTS / summary.seconds
    benchmark.extra_info["images x checkpoints a second"] = round(rate)
    benchmark.extra_info["share of matmul"] = round(rate * OPERATIONS / matmul_rate(precision), 3)
    benchmark.extra_info["device"] = torch.cuda.get_device_name()
    assert summary.rows == EXAMPLES
