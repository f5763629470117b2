"""`vog.sweep.executor`: whoever computes writes, and the rows are those of one process."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vog
import world
from command_line import TESTS
from plain_models import save, states_of
from process_pool import PoolExecutor
from vog.errors import ModelError
from vog.result import part_names, parts
from vog.sweep import executor
from vog.sweep.executor import Finished, LocalExecutor, Scoring
from vog.sweep.job import Job
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

ROWS = 90


def job(checkpoints: Path, out: Path, **words: Any) -> Job:
    data = world.inputs_and_labels(ROWS)
    words = {"scores": "all", "batch_size": 8, "rows_per_part": 8, "quiet": True, **words}
    return prepare(Request(world.build, checkpoints, data, out, **words))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in part_names.files(folder)}


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [{}, {"precision": "bfloat16", "target": "predicted"}],
    ids=["folded", "bfloat16 at the prediction"],
)
def test_processes_write_the_bytes_of_one(
    words: dict[str, Any], checkpoints: Path, tmp_path: Path
) -> None:
    whole = job(checkpoints, tmp_path / "whole", **words)
    assert sweep(whole).rows == ROWS
    summary = sweep(job(checkpoints, tmp_path / "pool", **words), PoolExecutor())
    assert summary.rows == ROWS
    assert contents(tmp_path / "pool") == contents(tmp_path / "whole")
    assert len(contents(tmp_path / "pool")) == 12
    assert vog.open(tmp_path / "pool").table().equals(vog.open(tmp_path / "whole").table())


@pytest.mark.process
@pytest.mark.slow
def test_streamed_weights_are_read_where_rows_are_computed(
    checkpoints: Path, tmp_path: Path
) -> None:
    held = job(checkpoints, tmp_path / "held")
    sweep(held)
    streamed = job(checkpoints, tmp_path / "streamed")
    weights = replace(streamed.weights, hold=False, held=(streamed.weights.last,))
    sweep(replace(streamed, weights=weights), PoolExecutor())
    assert contents(tmp_path / "streamed") == contents(tmp_path / "held")


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
import torch, world
from pathlib import Path
from process_pool import PoolExecutor
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request
torch.set_num_threads(1)
if __name__ == "__main__":
    data = world.inputs_and_labels(int(sys.argv[4]))
    sweep(prepare(Request(world.build, sys.argv[2], data, Path(sys.argv[3]), scores="vog",
                          batch_size=8, rows_per_part=8, quiet=True)), PoolExecutor())
"""


@pytest.mark.process
@pytest.mark.slow
def test_a_killed_pool_is_continued(checkpoints: Path, tmp_path: Path) -> None:
    """Killed with all its processes when some parts are there; another executor goes on."""
    script, out, rows = tmp_path / "killed.py", tmp_path / "run", 1200
    script.write_text(KILLED, "utf-8")
    words = [str(TESTS), str(checkpoints), str(out), str(rows)]
    running = subprocess.Popen([sys.executable, str(script), *words], start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(out.glob("part-*.parquet"))) < 3 and time.monotonic() < deadline:
        assert running.poll() is None, "it ended before it was killed"
        time.sleep(0.005)
    _kill_group(running)
    before = contents(out)
    assert 3 <= len(before) < rows / 8
    data = world.inputs_and_labels(rows)
    words = {"scores": "vog", "batch_size": 8, "rows_per_part": 8, "quiet": True}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed = sweep(prepare(Request(world.build, checkpoints, data, out, **words)))
        whole = vog.score(world.build, checkpoints, data, tmp_path / "whole", **words)
    finally:
        torch.set_num_threads(threads)
    assert resumed.rows <= rows - 8 * 3
    assert before.items() <= contents(out).items(), "what was finished stays as it was"
    assert vog.open(out).table().equals(whole.table())


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _build_wide() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(108, 20000))


def test_a_job_is_sent_without_weights(checkpoints: Path, tmp_path: Path) -> None:
    """Neither those of the checkpoints nor those that the module was built with."""
    wide = prepare(
        Request(
            _build_wide,
            save(states_of(_build_wide, 2), tmp_path / "c"),
            world.inputs_and_labels(4),
            tmp_path / "run",
            scores="vog",
            quiet=True,
        )
    )
    sent = pickle.dumps(Scoring(wide))
    assert len(sent) < wide.model.nbytes(wide.weights.last) / 20
    received = pickle.loads(sent)
    assert not received.job.weights.held
    loaded = received.with_weights().job
    for weights, others in zip(loaded.weights.each(), wide.weights.each(), strict=True):
        assert all(torch.equal(weights[name], others[name]) for name in others)
    with parts.writing_session(wide.out, wide.question) as sink:
        list(LocalExecutor().run(received.with_weights(), sink.todo(), sink))
    again = prepare(
        Request(
            _build_wide,
            tmp_path / "c",
            world.inputs_and_labels(4),
            tmp_path / "again",
            scores="vog",
            quiet=True,
        )
    )
    sweep(again)
    np.testing.assert_array_equal(
        vog.open(tmp_path / "run").table()["vog@all"],
        vog.open(tmp_path / "again").table()["vog@all"],
    )


class Probe(nn.Module):
    """A head that is trained on a backbone that no checkpoint has."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.backbone, self.head = nn.Linear(108, 8), nn.Linear(8, world.CLASSES)
        self.copied = self.head.weight.detach()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.backbone(x.flatten(1))))

    def state_dict(self, *words: Any, **named: Any) -> Any:
        state = super().state_dict(*words, **named)
        return {k: v for k, v in state.items() if not k.startswith("backbone")}

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        return super().load_state_dict(state_dict, strict=False)


def test_what_no_checkpoint_has_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for step in range(3):
        module = Probe()
        torch.manual_seed(step)
        nn.init.normal_(module.head.weight)
        torch.save(module.state_dict(), folder / f"{step}.pt")
    data = world.inputs_and_labels(12)
    whole = prepare(Request(Probe, folder, data, tmp_path / "a", scores="all", quiet=True))
    sweep(whole)
    sent = prepare(Request(Probe, folder, data, tmp_path / "b", scores="all", quiet=True))
    work = pickle.loads(pickle.dumps(Scoring(sent))).with_weights()
    with parts.writing_session(sent.out, sent.question) as sink:
        list(LocalExecutor().run(work, sink.todo(), sink))
    assert vog.open(tmp_path / "b").table().equals(vog.open(tmp_path / "a").table())


def test_a_model_that_was_not_received_as_it_was_sent_is_refused(
    checkpoints: Path, tmp_path: Path
) -> None:
    received = pickle.loads(pickle.dumps(Scoring(job(checkpoints, tmp_path / "run"))))
    received.job.question["checkpoints"][2]["sha256"] = "another"
    with pytest.raises(ModelError, match=r"step-300.pt in another way than the process that sent"):
        received.with_weights()


def test_a_model_that_cannot_be_sent_says_so(checkpoints: Path, tmp_path: Path) -> None:
    class Local(world.Network):
        pass

    data = world.inputs_and_labels(5)
    local = prepare(Request(Local, checkpoints, data, tmp_path / "run", quiet=True))
    with pytest.raises(ModelError, match="the model cannot be sent to another process: .*Local"):
        pickle.dumps(Scoring(local))


def test_an_executor_that_leaves_rows_out_is_noticed(checkpoints: Path, tmp_path: Path) -> None:
    class Forgetful:
        def run(self, work: Any, cells: Any, sink: Any) -> Generator[Finished]:
            yield from LocalExecutor().run(work, cells[:2], sink)

    with pytest.raises(AssertionError, match="the executor computed 16 of 90 rows"):
        sweep(job(checkpoints, tmp_path / "run"), Forgetful())


def test_the_user_module_is_restored_when_a_run_is_interrupted(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an error of whoever counts, outside of the executor."""
    module = world.build()
    prepared = prepare(
        Request(
            module,
            checkpoints,
            world.inputs_and_labels(ROWS),
            tmp_path / "run",
            quiet=True,
            batch_size=8,
        )
    )
    before = [part.training for part in module.modules()]

    class Interrupting:
        def run(self, work: Any, cells: Any, sink: Any) -> Generator[Finished]:
            for finished in LocalExecutor().run(work, cells, sink):
                yield finished
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(prepared, Interrupting())
    assert [part.training for part in module.modules()] == before


def test_a_smaller_batch_is_remembered(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever computes range by range does not run out of memory at each."""
    made, sizes = executor.rows_of, list[int]()

    def short(computation: Any, block: Any, size: int) -> Any:
        sizes.append(size)
        if size > 3:
            raise MemoryError
        return made(computation, block, size)

    monkeypatch.setattr(executor, "rows_of", short)
    work = Scoring(job(checkpoints, tmp_path / "run"))
    with parts.writing_session(work.job.out, work.job.question) as sink:
        first, second, *_ = sink.todo()
        (done,) = LocalExecutor().run(work, [first], sink)
        assert (done.batch_size, sizes) == (2, [8, 4, 2])
        (done,) = LocalExecutor(done.batch_size).run(work, [second], sink)
        assert (done.batch_size, sizes) == (2, [8, 4, 2, 2])
