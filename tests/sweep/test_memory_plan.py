"""Memory: what is measured, how it is shared out, weights read again, and running out of it."""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import vog
import world
from command_line import TESTS
from observing import fitted, observer
from plain_models import save, states_of
from vog import allocator, host_memory, scores
from vog.checkpoints import cut_stages
from vog.errors import CheckpointError, DataError, ModelError
from vog.models.torch import memory
from vog.models.torch.adapter import TorchModel
from vog.sweep.loop import sweep
from vog.sweep.memory_plan import MemoryNeeds, measure_needs, plan_memory, total_bytes
from vog.sweep.plan import plan
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

CPU = torch.device("cpu")
Data = tuple[np.ndarray, np.ndarray]


def test_peak_bytes_by_hand() -> None:
    """Two tensors of 4 kB live together, the third when one of them is gone: 8 kB at most."""

    def work() -> None:
        a = torch.ones(1000)
        b = a + 1
        del a
        (b * 2)[:10].view(5, 2)  # views take nothing

    assert memory.peak_bytes(work, CPU) == 8000


def test_what_was_there_before_is_not_counted() -> None:
    before = torch.ones(1000)
    assert memory.peak_bytes(lambda: before.mul_(2).view(10, 100), CPU) == 0


def test_what_an_example_takes() -> None:
    """Linear 100 to 50 to 3: activations, gradient of the input, states; twice as much if twice."""
    narrow, wide = (
        measured(nn.Sequential(nn.Linear(width, 50), nn.ReLU(), nn.Linear(50, 3)), width)
        for width in (100, 200)
    )
    assert narrow.weights == 4 * (100 * 50 + 50 + 50 * 3 + 3)
    assert wide.example - narrow.example >= 2 * 4 * 100, "a copy of the input, and its gradient"
    moments = 2 * 4 * 100  # mean and M2 of each input
    assert narrow.state >= moments + 4 * 100


def measured(module: nn.Module, width: int) -> MemoryNeeds:
    model = TorchModel(module)
    weights = model.ready(fitted(model))
    chosen = scores.choose_scores(["vog", "loss"])
    return measure_needs(
        observer(model),
        weights,
        torch.randn(16, width),
        torch.zeros(16, dtype=torch.int64),
        cut_stages(1, 3, 2),
        chosen,
        workers=0,
    )


sizes = st.integers(0, 10**7)
needs = st.builds(MemoryNeeds, sizes.map(lambda n: n + 1), sizes, sizes.map(lambda n: n + 1), sizes)


@given(
    needs, st.integers(1, 10**12), st.integers(1, 10**6), st.integers(2, 100), st.integers(1, 10**6)
)
def test_what_is_shared_out_fits(
    needs: MemoryNeeds, total: int, elements: int, checkpoints: int, examples: int
) -> None:
    try:
        share = plan_memory(needs, "auto", total, "cpu", elements, checkpoints, examples)
    except ModelError:
        assert needs.bytes_for(min(5, checkpoints) * needs.weights, 1, 1) > total
        return
    assert share.needed <= total
    assert 1 <= share.batch_size <= share.block_size
    assert share.block_size % share.batch_size == 0
    assert not share.hold or share.block_size == share.batch_size
    more = plan_memory(needs, "auto", 2 * total, "cpu", elements, checkpoints, examples)
    assert more.hold or not share.hold
    assert more.batch_size >= share.batch_size or more.hold != share.hold


@given(needs, st.integers(1, 10**12), st.integers(1, 500), st.integers(2, 100))
def test_a_size_that_is_asked_is_taken(
    needs: MemoryNeeds, total: int, asked: int, checkpoints: int
) -> None:
    share = plan_memory(needs, asked, total, "cpu", 100, checkpoints, 10**6)
    assert share.batch_size == asked


def test_batches_are_as_large_as_is_useful() -> None:
    tiny = MemoryNeeds(1, 1, 1, 1)
    for elements, examples, expected in ((3072, 10**6, 64), (150_528, 10**6, 16), (2, 10**6, 1024)):
        assert (
            plan_memory(tiny, "auto", 10**12, "cpu", elements, 3, examples).batch_size == expected
        )
    assert plan_memory(tiny, "auto", 10**12, "cpu", 2, 3, 30).batch_size == 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4GB", 4e9), ("500 MB", 5e8), ("1.5g", 1.5e9), ("2000", 2000), ("64kib", 64e3)],
)
def test_sizes(text: str, expected: float) -> None:
    assert total_bytes(text, 10**9) == expected


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "4 XB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(DataError, match="expected a size such as 4GB or 500MB"):
        total_bytes(text, 10**9)


def test_by_default_a_share_of_what_is_free() -> None:
    free = memory.free_bytes(CPU)
    assert 0.5 * free < total_bytes(None, free) < 0.9 * free


def request(checkpoints: Path, data: Any, out: Path, **words: Any) -> Request:
    return Request(world.build, checkpoints, data, out, quiet=True, **words)


def build_wide() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(108, 7000), nn.ReLU(), nn.Linear(7000, 4))


@pytest.mark.slow
def test_weights_that_do_not_fit_are_read_again_for_each_block(tmp_path: Path) -> None:
    """Twelve checkpoints of 3 MB in 33 MB: five at a time, and the numbers are those of all."""
    folder = save(states_of(build_wide, 12), tmp_path / "c")
    data = world.inputs_and_labels(40)
    whole = vog.score(build_wide, folder, data, tmp_path / "whole", batch_size=8)
    small = request(folder, data, tmp_path / "run", batch_size=8, memory="33MB")
    wide = replace(small, model=build_wide)
    job = prepare(wide)
    assert not job.memory_plan.hold
    assert job.memory_plan.block_size > 8
    assert job.weights.nbytes < 16e6
    assert plan(job).weights_bytes == job.weights.nbytes
    sweep(job)
    assert vog.open(tmp_path / "run").table().equals(whole.table())
    predicted = replace(wide, target="predicted", out=tmp_path / "p")
    sweep(prepare(predicted))
    held = vog.score(build_wide, folder, data, tmp_path / "h", batch_size=8, target="predicted")
    assert vog.open(tmp_path / "p").table().equals(held.table())


def test_a_checkpoint_that_changes_while_it_is_streamed(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = plan_memory
    monkeypatch.setattr(
        "vog.sweep.memory_plan.plan_memory", lambda *given: replace(whole(*given), hold=False)
    )
    job = prepare(request(checkpoints, digits, tmp_path / "run"))
    torch.save(world.weights(1, seed=9)[0], checkpoints / "step-300.pt")
    with pytest.raises(CheckpointError, match=r"step-300.pt was changed or removed while the run"):
        sweep(job)


def test_too_little_memory_is_told_before_anything_is_computed(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"weights and one example need .* Raise memory"):
        prepare(request(checkpoints, digits, tmp_path / "run", memory="1KB"))
    assert not (tmp_path / "run").exists()


def test_a_batch_that_does_not_fit_is_halved_and_the_run_goes_on(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = vog.score(world.build, checkpoints, digits, tmp_path / "small", batch_size=4)
    job = prepare(request(checkpoints, digits, tmp_path / "run", batch_size=16))
    observe = TorchModel.observe
    tried: list[int] = []

    def starved(model: TorchModel, weights: Any, inputs: Any, differentiate: bool) -> Any:
        tried.append(len(inputs))
        if len(inputs) > 6:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return observe(model, weights, inputs, differentiate)

    monkeypatch.setattr(TorchModel, "observe", starved)
    summary = sweep(job)
    assert tried[:4] == [16, 8, 4, 4]
    assert tried.count(16) == tried.count(8) == 1, "what did not fit is not tried again"
    assert summary.batch_size == 4
    run, expected = vog.open(tmp_path / "run").table(), small.table()
    assert run["id"].equals(expected["id"])
    for column in ("vog@all", "loss@late", "grad_norm@early"):
        np.testing.assert_allclose(run[column], expected[column], rtol=1e-5)


def test_not_even_one_example_fits(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prepare(request(checkpoints, digits, tmp_path / "run"))

    def starved(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TorchModel, "observe", starved)
    with pytest.raises(ModelError, match="not enough memory for a batch of one example"):
        sweep(job)


def test_other_errors_are_no_lack_of_memory() -> None:
    assert not memory.ran_out(RuntimeError("shapes cannot be multiplied"))
    assert memory.ran_out(MemoryError())
    assert memory.ran_out(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))


STARVED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch, vog, world
from vog.sweep.prepare import prepare
from vog.sweep.request import Request
from vog.sweep.loop import sweep
torch.set_num_threads(1)
import numpy as np
from torch import nn
build = lambda: nn.Sequential(nn.Flatten(), nn.Linear(108, 20000), nn.ReLU(), nn.Linear(20000, 4))
folder = Path(sys.argv[2]) / "c"
folder.mkdir()
for step in range(3):
    torch.save(build().state_dict(), folder / f"{step}.pt")
data = world.inputs_and_labels(3000)
job = prepare(Request(build, folder, data, Path(sys.argv[2]) / "run", batch_size=3000, quiet=True,
                      scores="vog"))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
print(sweep(job).batch_size, vog.open(job.out).rows)
"""


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits address space, as Linux does")
def test_a_real_lack_of_memory(tmp_path: Path) -> None:
    """3,000 examples of 20,000 activations are 240 MB a tensor; half a GB of addresses is left."""
    assert resource.getpagesize()
    run = subprocess.run(
        [sys.executable, "-c", STARVED, str(TESTS), str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    size, rows = map(int, run.stdout.split())
    assert size < 3000
    assert rows == 3000


def test_the_measured_size_is_that_of_the_run_that_is_continued(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less memory now, or more, would cut other batches, and change the last digits."""
    data = world.inputs_and_labels(64)
    first = vog.score(world.build, checkpoints, data, tmp_path / "run", batch_size=8)
    again = vog.score(world.build, checkpoints, data, tmp_path / "run")
    assert again.question["batch_size"] == first.question["batch_size"] == 8


def test_settings_of_the_allocator_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    class Libc:
        def mallopt(self, what: int, value: int) -> int:
            calls.append((what, value))
            return 1

        def malloc_trim(self, pad: int) -> int:
            return 1

    monkeypatch.setattr("vog.allocator.glibc", Libc)
    with pytest.raises(ZeroDivisionError), host_memory.keep_freed_memory(2**40):
        raise ZeroDivisionError
    defaults = [(-4, 65536), (-3, 2**17), (-1, 2**17)]
    assert calls == [(-4, 0), (-1, 2**31 - 1), *defaults]
    calls.clear()
    with pytest.raises(ZeroDivisionError), host_memory.map_large_tensors():
        raise ZeroDivisionError
    assert calls == [(-3, 2**17), *defaults]
    monkeypatch.undo()
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    assert allocator.glibc() is None, "whoever set something knows why"


@pytest.mark.skipif(allocator.glibc() is None, reason="another C library than glibc")
def test_memory_is_kept_and_given_back_where_there_is_too_much_of_it() -> None:
    """After 400 MB were used and freed: kept, given back above the limit, and at the end."""
    process = psutil.Process()
    host_memory.release()  # what earlier tests left on the heap would hide the growth

    def grown() -> float:
        return (process.memory_info().rss - before) / 2**20

    before = process.memory_info().rss
    with host_memory.keep_freed_memory(2**30) as give_back:
        for _ in range(2):
            torch.ones(100 * 2**20)
        give_back()
        assert grown() > 300
    assert grown() < 100
    with host_memory.keep_freed_memory(2**27) as give_back:
        torch.ones(100 * 2**20)
        assert grown() > 300
        give_back()
        assert grown() < 100


def test_memory_is_not_kept_where_weights_come_and_go(
    checkpoints: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes that come and go tear the heap to pieces: 2 GB were seen where 200 MB were planned."""
    job = prepare(request(checkpoints, digits, tmp_path / "run"))
    monkeypatch.setattr(host_memory, "keep_freed_memory", lambda growth: pytest.fail("kept"))
    streamed = replace(job.weights, hold=False, held=(job.weights.last,))
    assert sweep(replace(job, weights=streamed)).rows == len(digits[1])
