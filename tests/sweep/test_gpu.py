"""The same code on a GPU: the same numbers, no waiting inside the loop, memory that runs out.

Skipped where there is none, which says so: nothing here is known of GPUs then.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import vog
import world
from vog.analysis.one_run.correlation import spearman
from vog.data import read_batch
from vog.models.torch import memory
from vog.sweep.block import observer
from vog.sweep.fold import StageFold
from vog.sweep.prepare import prepare
from vog.sweep.request import PrecisionSpec, Request

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: the GPU path is not tested here"
)
Data = tuple[np.ndarray, np.ndarray]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_says_what_the_processor_says(
    precision: PrecisionSpec, checkpoints: Path, tmp_path: Path
) -> None:
    data = world.inputs_and_labels(71)

    def scored(device: str, precision: PrecisionSpec) -> pa.Table:
        out = tmp_path / device
        return vog.score(
            *(world.build, checkpoints, data, out),
            scores="all",
            batch_size=16,
            device=device,
            precision=precision,
        ).table()

    cpu, gpu = scored("cpu", "float32"), scored("cuda", precision)
    for column in ("vog@all", "volg@late", "loss@all", "aum@early", "grand@all"):
        one, other = cpu[column].to_numpy(), gpu[column].to_numpy()
        if precision == "float32":
            np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5, err_msg=column)
        else:
            assert spearman(one, other) > 0.95, column


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype feature")
def test_nothing_waits_for_the_gpu_inside_the_loop(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    job = prepare(Request(world.build, checkpoints, digits, tmp_path / "run", device="cuda"))
    batch = read_batch(job.examples, range(len(job.examples)))
    with job.model.evaluation_mode():
        observe = observer(job, [batch])
        fold = StageFold(job.stages, job.scores, job.needs, job.task)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for weights in job.weights.each():
                fold.add(observe(weights, batch))
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_peak_bytes_of_a_gpu() -> None:
    made: list[torch.Tensor] = []
    device = torch.device("cuda")
    assert memory.peak_bytes(lambda: made.append(torch.ones(2**20, device=device)), device) >= 2**22
    assert memory.free_bytes(device) > 0
