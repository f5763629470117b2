"""Where the rows of a run are cut into parts: often enough that a kill costs little."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from vog.data import Batch
from vog.models import Model, Weights
from vog.models.torch import memory
from vog.scores import Signal

# A kill loses the part in flight: half a second of work, or a 300th of a long run. So a run of
# days has some hundred parts, and not ten thousand. The most are held in memory before.
SECONDS, _PARTS, _MOST = 0.5, 300, 2**15
_TIMED = 128  # examples


@dataclass(frozen=True)
class Grid:
    """Where parts are cut.

    Attributes:
        rows_per_part: parts are cut at multiples of it.
        words: why it is another number than was asked for; empty where it is not.
    """

    rows_per_part: int
    words: str = ""


def grid(
    wanted: int | None, before: Mapping[str, Any], batch_size: int, rows: int, seconds_a_row: float
) -> Grid:
    """Return where the parts of a run are cut: whole batches, as when the run was begun.

    Args:
        wanted: by the user; None for about half a second of work.
        before: what the run that is continued was begun with.
        batch_size: examples computed together.
        rows: of the run.
        seconds_a_row: that computing one of them takes.
    """
    if noted := before.get("rows_per_part"):
        is_other = wanted is not None and whole_batches(wanted, batch_size) != noted
        words = f"{noted:,} rows each, as the run was begun" if is_other else ""
        return Grid(int(noted), words)
    if wanted is None:
        useful = max(SECONDS / max(seconds_a_row, 1e-9), rows / _PARTS)
        return Grid(whole_batches(int(min(useful, _MOST)), batch_size))
    whole = whole_batches(wanted, batch_size)
    words = f"{whole:,} rows each, in place of {wanted:,}: whole batches of {batch_size:,}"
    return Grid(whole, words if whole != wanted else "")


def whole_batches(rows: int, batch_size: int) -> int:
    """Return the least multiple of a batch size that is not below a number of rows."""
    return max(1, -(-rows // batch_size)) * batch_size


def seconds_a_row(
    model: Model,
    weights: Weights,
    first: Batch,
    needs: frozenset[Signal],
    batch_size: int,
    checkpoints: int,
    workers: int,
) -> float:
    """Return about how long one row takes, from a batch that is observed under one checkpoint."""
    count = max(1, min(batch_size, _TIMED))
    inputs = first.inputs[torch.arange(count) % len(first.inputs)]
    try:
        with model.borrowed():
            computing = _seconds(model, weights, inputs, needs) * checkpoints / count
    except Exception as error:
        if not memory.ran_out(error):
            raise
        memory.release()
        computing = 0.0
    reading = first.seconds / len(first.rows)
    return max(reading / workers, computing) if workers else reading + computing


def _seconds(
    model: Model, weights: Weights, inputs: torch.Tensor, needs: frozenset[Signal]
) -> float:
    placed = model.place(inputs)
    labels = torch.zeros(len(placed), dtype=torch.int64, device=placed.device)
    before = 0.0
    for _ in range(2):  # the first time pays for what happens once
        before = time.perf_counter()
        seen = model.observe(weights, placed, labels, needs)
        if seen.logits is not None:
            seen.logits.sum().item()  # on a GPU, waits for what was asked
    return time.perf_counter() - before
