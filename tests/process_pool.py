"""An executor whose ranges are computed, and written, by several processes."""

import multiprocessing
import pickle
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import torch

from vog.result.parts import PartSink
from vog.sweep.executor import Finished, LocalExecutor, Work

_received: list[Work] = []
_executors = [LocalExecutor()]  # the last has the batch size that memory has allowed


@dataclass(frozen=True)
class PoolExecutor:
    """Hands one part after the other to processes that hold the weights."""

    processes: int = 2

    def run(self, work: Work, cells: Sequence[range], sink: PartSink) -> Generator[Finished]:
        """Compute and write rows in other processes, and yield what each of them finished."""
        context = multiprocessing.get_context("spawn")
        sent = pickle.dumps((work, torch.get_num_threads()))
        with ProcessPoolExecutor(self.processes, context, _receive, (sent,)) as pool:
            futures = [pool.submit(_compute, cell, sink.shared()) for cell in cells]
            for future in as_completed(futures):
                yield from future.result()


def _receive(sent: bytes) -> None:
    work, threads = pickle.loads(sent)
    torch.set_num_threads(threads)
    _received.append(work.with_weights())


def _compute(cell: range, sink: PartSink) -> list[Finished]:
    finished = list(_executors[-1].run(_received[0], [cell], sink))
    _executors.append(LocalExecutor(finished[-1].batch_size))
    return finished
