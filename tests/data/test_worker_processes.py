"""Worker processes read the rows they are asked for, whatever the data keep open, and wherever."""

import functools
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

import vog
import world
from batch_tensors import tensor_of
from vog import data
from vog.data import open_source, worker_processes
from vog.errors import DataError
from vog.sweep import resolve
from vog.sweep.label_sample import sample_agreement
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

# Records are larger than what Python reads ahead, so that each of them is read from the file.
ROWS, SIZE = 192, 9000
IN_MODULE: list[Any] = []
OPENED: list[Any] = []  # in this process, where a test is to close them


def record(row: int) -> bytes:
    return np.full(SIZE // 4, row, np.float32).tobytes()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Records of equal length, of which each holds its own number."""
    path = tmp_path / "records.bin"
    path.write_bytes(b"".join(map(record, range(ROWS))))
    yield path
    while OPENED:
        OPENED.pop().close()


def kept_open(file: Path, mode: str = "rb") -> Any:
    OPENED.append(file.open(mode))
    return OPENED[-1]


class Records(Dataset[tuple[np.ndarray, int]]):
    """Reads records through whatever `opened` returns, which keeps it open as it likes."""

    def __init__(self, opened: Callable[[], Any]) -> None:
        self.opened = opened

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        handle = self.opened()
        if isinstance(handle, tarfile.TarFile):
            member = handle.extractfile(str(row))
            assert member is not None
            content = member.read()
        elif isinstance(handle, zipfile.ZipFile):
            content = handle.read(str(row))
        else:
            handle.seek(row * SIZE)
            content = handle.read(SIZE)
        values = np.frombuffer(content, np.float32)[:3].copy()
        return values, int(values[0])


def in_an_attribute(file: Path) -> Dataset[Any]:
    class Lazy(Records):
        handle = None

        def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
            self.handle = self.handle or kept_open(file)
            self.opened = lambda: self.handle
            return super().__getitem__(row)

    return Lazy(lambda: None)


def in_a_module(file: Path) -> Dataset[Any]:
    IN_MODULE.clear()

    def opened() -> Any:
        if not IN_MODULE:
            IN_MODULE.append(kept_open(file))
        return IN_MODULE[0]

    return Records(opened)


def in_a_cache(file: Path) -> Dataset[Any]:
    return Records(functools.cache(lambda: kept_open(file)))


def in_parts_of_parts(file: Path) -> Dataset[Any]:
    half = ROWS // 2
    halves = [
        Subset(in_an_attribute(file), range(half)),
        Subset(in_a_cache(file), range(half, ROWS)),
    ]
    return ConcatDataset(halves)


def opened_when_made(file: Path) -> Dataset[Any]:
    handle = kept_open(file)
    return Records(lambda: handle)


def opened_to_be_written(file: Path) -> Dataset[Any]:
    handle = kept_open(file, "r+b")
    return Records(lambda: handle)


def looked_at_before(file: Path) -> Dataset[Any]:
    dataset = in_an_attribute(file)
    _ = dataset[5]
    return dataset


def in_a_tar_archive(file: Path) -> Dataset[Any]:
    with tarfile.open(file.with_suffix(".tar"), "w") as archive:
        for row in range(ROWS):
            member = tarfile.TarInfo(str(row))
            member.size = SIZE
            archive.addfile(member, io.BytesIO(record(row)))
    return Records(functools.cache(lambda: tarfile.open(file.with_suffix(".tar"))))


def in_a_zip_archive(file: Path) -> Dataset[Any]:
    with zipfile.ZipFile(file.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for row in range(ROWS):
            archive.writestr(str(row), record(row))
    return Records(functools.cache(lambda: zipfile.ZipFile(file.with_suffix(".zip"))))


KINDS = (
    in_an_attribute,
    in_a_module,
    in_a_cache,
    in_parts_of_parts,
    opened_when_made,
    opened_to_be_written,
    looked_at_before,
    in_a_tar_archive,
    in_a_zip_archive,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_row_is_its_own_whatever_is_open(
    kind: Callable[[Path], Dataset[Any]], file: Path
) -> None:
    examples = open_source(kind(file), workers=2)
    ranges = [range(row, row + 4) for row in range(0, ROWS, 4)]
    read = list(data.batches(examples, ranges, 2))
    assert tensor_of(*read)[:, 0].tolist() == list(range(ROWS))
    assert torch.cat([batch.labels for batch in read]).tolist() == list(range(ROWS))


class OfItsProcess(Dataset[tuple[torch.Tensor, int]]):
    """As a database that refuses a connection which another process opened."""

    def __init__(self) -> None:
        self.connected: int | None = None

    def __len__(self) -> int:
        return 24

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        self.connected = self.connected or os.getpid()
        if self.connected != os.getpid():
            raise RuntimeError("the connection is that of another process")
        return torch.linspace(-1, 1, 108).reshape(3, 6, 6) * (row + 1), row % world.CLASSES


@pytest.mark.slow
def test_a_run_with_workers_reads_nothing_in_its_own_process(
    checkpoints: Path, tmp_path: Path
) -> None:
    """Not for the digest, the guards, precision, fewer checkpoints, nor to plan."""
    dataset = OfItsProcess()
    run = vog.score(
        world.build,
        checkpoints,
        dataset,
        tmp_path / "run",
        scores="vog",
        precision="auto",
        checkpoints_per_stage=2,
        workers=2,
        batch_size=8,
        quiet=True,
    )
    assert dataset.connected is None
    assert run.rows == 24
    assert not len(run.problems())


def test_few_processes_read_the_examples_of_the_plan(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reads all rows that the last checkpoint is compared on, and not one each."""
    job = prepare(
        Request(world.build, checkpoints, OfItsProcess(), tmp_path / "run", workers=1, quiet=True)
    )
    started: list[int] = []
    mapped = worker_processes.mapped

    def counted(function: Any, arguments: Any, workers: int) -> Any:
        started.append(workers)
        return mapped(function, arguments, workers)

    monkeypatch.setattr(worker_processes, "mapped", counted)
    assert sample_agreement(job) is not None
    assert started == [1]


def test_without_workers_it_reads_itself(checkpoints: Path, tmp_path: Path) -> None:
    dataset = OfItsProcess()
    vog.score(world.build, checkpoints, dataset, tmp_path / "run", workers=0, quiet=True)
    assert dataset.connected == os.getpid()


def test_randomness_is_still_found_where_a_worker_looks(checkpoints: Path, tmp_path: Path) -> None:
    class Noisy(OfItsProcess):
        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            value, label = super().__getitem__(row)
            return value + torch.rand(()), label

    with pytest.raises(DataError, match="is different each time it is read"):
        vog.score(world.build, checkpoints, Noisy(), tmp_path / "run", workers=1, quiet=True)


def test_what_a_transform_keeps_open_is_not_shared_either(file: Path) -> None:
    opened = functools.cache(lambda: kept_open(file))

    def transform(row: np.ndarray) -> np.ndarray:
        opened().seek(int(row[0]) * SIZE)
        return np.frombuffer(opened().read(SIZE), np.float32)[:3].copy()

    numbers = np.arange(ROWS, dtype=np.float32)[:, None]
    examples = open_source((numbers, np.zeros(ROWS, int)), transform=transform, workers=2)
    next(data.samples(examples, [range(3)]))
    assert not opened.cache_info().currsize
    read = list(data.batches(examples, [range(row, row + 4) for row in range(0, ROWS, 4)], 2))
    assert tensor_of(*read)[:, 0].tolist() == list(range(ROWS))


def test_data_in_memory_need_no_processes() -> None:
    pairs = [(torch.zeros(2), 0), (torch.ones(2), 1)]
    tensors = TensorDataset(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))
    for kept in (pairs, tensors, Subset(tensors, [1, 3]), (np.zeros((4, 2)), np.zeros(4, int))):
        assert open_source(kept, workers=None).workers == 0
    assert open_source(OfItsProcess(), workers=None).workers > 0


def test_a_file_that_cannot_be_opened_again_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = open_source(opened_when_made(file), workers=0)

    def refuse(number: int, flags: int) -> None:
        raise OSError(13, "Permission denied", "records.bin")

    monkeypatch.setattr(worker_processes, "_reopen", refuse)
    with pytest.raises(DataError, match=r"cannot open records.bin again.*Pass workers=0"):
        list(data.batches(examples, [range(4)], 1))


def test_batches_that_shared_memory_has_no_room_for_come_another_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The inputs of a batch are larger than half of what is free."""
    monkeypatch.setattr(worker_processes, "free_shared_memory", lambda: 2**21)
    examples = open_source((np.random.default_rng(0).normal(size=(40, 200, 200)), np.arange(40)))
    plain = data.read_batch(examples, range(40))
    monkeypatch.setattr(torch.Tensor, "share_memory_", lambda self: pytest.fail("no room"))
    ranges = [range(30), range(30, 40)]
    read = list(data.batches(examples, ranges, 2))
    assert torch.equal(tensor_of(*read), tensor_of(plain))
    assert [batch.rows for batch in read] == ranges
    tensor_of(read[0]).add_(1)  # as any other tensor


def test_room_that_somebody_else_took_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    examples = open_source((np.ones((6, 2)), np.arange(6)))
    assert tensor_of(*data.batches(examples, [range(6)], 1)).sum() == 12


def test_where_processes_can_share_nothing_the_data_are_read_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_processes, "free_shared_memory", lambda: 0)
    examples = open_source(OfItsProcess(), workers=2)
    assert examples.workers == 0
    assert "/dev/shm has no room" in examples.notes[0]
    assert "read without worker processes" in examples.notes[0]


def test_data_that_cannot_be_sent_are_read_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where processes are started anew and inherit nothing, the default of some systems."""
    monkeypatch.setattr("multiprocessing.get_start_method", lambda: "spawn")

    class Local(OfItsProcess):
        pass

    examples = open_source(Local(), workers=2)
    assert examples.workers == 0
    assert "cannot be sent" in examples.notes[0]


def test_notes_reach_the_plan(checkpoints: Path, tmp_path: Path) -> None:
    items = [(*OfItsProcess()[row], "seen on Monday") for row in range(6)]
    request = Request(world.build, checkpoints, items, tmp_path / "run", quiet=True)
    told = resolve.resolve(request).notes
    assert told["data"] == "items have 3 parts; the first two are read, as input and label"
