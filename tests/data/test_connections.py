"""Data that hold a connection open are read without worker processes, wherever they keep it."""

import functools
import logging
import multiprocessing
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import ConcatDataset, Dataset, Subset

from vog.data import connections, open_source, worker_processes

ROWS = 32
CONNECTED: list[Any] = []


@pytest.fixture
def connect() -> Iterator[Callable[[], socket.socket]]:
    """Make connections to a server that answers with the number it was asked."""
    ends: list[socket.socket] = []

    def made() -> socket.socket:
        here, there = socket.socketpair()
        ends.extend((here, there))
        threading.Thread(target=_answer, args=(there,), daemon=True).start()
        return here

    yield made
    CONNECTED.clear()
    for end in ends:
        end.close()


def _answer(there: socket.socket) -> None:
    try:
        while asked := there.recv(4):
            there.sendall(asked)
    except OSError:  # closed
        pass


class Asking(Dataset[tuple[np.ndarray, int]]):
    """Asks a server for each of its rows."""

    def __init__(self, kept: Any, taken: Callable[[Any], Any] = lambda kept: kept) -> None:
        self.kept, self.taken = kept, taken

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        connection = self.taken(self.kept)
        connection.send(struct.pack("i", row))
        (number,) = struct.unpack("i", connection.recv(4))
        return np.full(2, number, np.float32), number


class OfModule(Asking):
    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        self.taken = lambda _: None
        self.kept = None
        connection = CONNECTED[0]
        connection.send(struct.pack("i", row))
        return np.zeros(2, np.float32), struct.unpack("i", connection.recv(4))[0]


class Slotted:
    __slots__ = ("connection",)

    def __init__(self, connection: Any) -> None:
        self.connection = connection


def pooled(connection: socket.socket) -> Dataset[Any]:
    pool: queue.SimpleQueue[Any] | queue.LifoQueue[Any] = queue.LifoQueue()
    pool.put(connection)
    return Asking({"pool": pool}, lambda kept: kept["pool"].queue[0])


def enclosed(connection: socket.socket) -> Dataset[Any]:
    return Asking(None, lambda _: connection)


def partly(connection: socket.socket) -> Dataset[Any]:
    return Asking(None, functools.partial(lambda one, _: one, connection))


def cached(connection: socket.socket) -> Dataset[Any]:
    waiting = [connection]
    take = functools.cache(lambda _: waiting.pop())
    take(None)
    return Asking(None, take)


def of_a_module(connection: socket.socket) -> Dataset[Any]:
    CONNECTED.append(connection)
    return OfModule(None)


def in_parts(connection: socket.socket) -> Dataset[Any]:
    whole = Asking(connection)
    return ConcatDataset([Subset(whole, range(20)), Subset(whole, range(20, ROWS))])


def in_a_slot(connection: socket.socket) -> Dataset[Any]:
    return Asking(Slotted(connection), lambda kept: kept.connection)


@pytest.mark.parametrize(
    "kind",
    [Asking, pooled, enclosed, partly, cached, of_a_module, in_parts, in_a_slot],
    ids=lambda kind: kind.__name__,
)
def test_a_connection_is_seen_wherever_it_is_kept(
    kind: Callable[[socket.socket], Dataset[Any]], connect: Callable[[], socket.socket]
) -> None:
    examples = open_source(kind(connect()), workers=2)
    assert (examples.workers, examples.read_by_workers) == (0, False)
    assert "hold a socket" in examples.notes[0]
    assert "connect at the first read" in examples.notes[0]
    assert [examples.read(row)[1] for row in range(ROWS)] == list(range(ROWS))


def test_a_pipe_to_another_process_is_seen() -> None:
    here, there = multiprocessing.Pipe()
    with here, there:
        held = open_source(Plain(kept=[here]), workers=2)
    assert held.workers == 0


def test_the_connection_of_a_transform_is_seen(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    arrays = np.zeros((4, 2), np.float32), np.zeros(4, int)

    def transform(row: np.ndarray) -> np.ndarray:
        return row + connection.fileno() * 0

    assert open_source(arrays, transform=transform, workers=2).workers == 0


def test_what_a_function_connects_is_seen_where_nothing_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "connecting_data.py").write_text(
        "import builtins, socket\n"
        "import numpy as np\n"
        "builtins.kept_by_a_test = socket.socketpair()\n"
        "class Data:\n"
        "    def __len__(self): return 4\n"
        "    def __getitem__(self, row): return np.zeros(2, np.float32), row\n"
    )
    import builtins

    try:
        examples = open_source(f"{tmp_path}/connecting_data.py:Data", workers=2)
        assert examples.workers == 0
        assert "hold a socket" in examples.notes[0]
    finally:
        for end in builtins.kept_by_a_test:  # type: ignore[attr-defined]
            end.close()
        del builtins.kept_by_a_test  # type: ignore[attr-defined]


class Plain(Dataset[tuple[np.ndarray, int]]):
    """Reads nothing from elsewhere."""

    def __init__(self, **kept: Any) -> None:
        vars(self).update(kept)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        return np.zeros(2, np.float32), row


class Hostile:
    """Fails or answers whatever it is asked."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attribute is to be asked for")

    def fileno(self) -> Any:
        raise RuntimeError("closed")


def test_what_is_no_connection_of_the_data_leaves_the_workers(
    connect: Callable[[], socket.socket],
) -> None:
    connect()  # of somebody else
    closed = socket.socket()
    closed.close()
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb") as written:
        circle: list[Any] = []
        circle.append(circle)
        kept = Plain(
            closed=closed,
            circle=circle,
            hostile=Hostile(),
            written=written,
            logger=logging.getLogger("data"),
            many=[{"path": str(number)} for number in range(5000)],
        )
        examples = open_source(kept, workers=2)
    assert examples.workers == 2
    assert not examples.notes


def test_a_file_that_another_thread_closes_meanwhile_is_no_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, there = socket.socketpair()
    listed = [here.fileno(), there.fileno()]
    there.close()
    monkeypatch.setattr(worker_processes, "open_descriptors", lambda: listed)
    status = os.fstat(here.fileno())
    assert connections.open_sockets() == {(status.st_dev, status.st_ino)}
    here.close()
