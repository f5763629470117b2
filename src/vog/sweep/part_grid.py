"""Choose where the rows of a run are cut into parts: often enough that a kill loses little."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Shaped

from vog.data import Batch
from vog.data.inputs import Inputs
from vog.models.protocol import Weights
from vog.observation import Signal
from vog.sweep.observe import Observer

# A kill loses the unfinished part: half a second of work, or a 300th of a long run, so that a run
# of days has a few hundred parts and not ten thousand. The rows of a part are held in memory.
PART_SECONDS, _LONG_RUN_PARTS, _MOST_ROWS = 0.5, 300, 2**15
_TIMED_EXAMPLES = 128


@dataclass(frozen=True)
class PartGrid:
    """Where parts are cut.

    Attributes:
        rows_per_part: parts are cut at multiples of this number.
        note: why it differs from the number that the user gave; empty if it does not.
    """

    rows_per_part: int
    note: str = ""


def plan_parts(
    part_rows: int | None, stored: Mapping[str, Any], batch_size: int, rows: int, row_seconds: float
) -> PartGrid:
    """Return where the parts of a run are cut: at whole batches, as when the run began.

    Args:
        part_rows: rows of a part that the user gave; None for about half a second of work.
        stored: the question of the run that is continued; empty for a new run.
        batch_size: examples computed together.
        rows: number of rows of the run.
        row_seconds: seconds that computing one row takes.
    """
    if stored_rows := stored.get("rows_per_part"):
        is_different = part_rows is not None and whole_batches(part_rows, batch_size) != stored_rows
        note = f"{stored_rows:,} rows each, as when the run began" if is_different else ""
        return PartGrid(int(stored_rows), note)
    if part_rows is None:
        useful = max(PART_SECONDS / max(row_seconds, 1e-9), rows / _LONG_RUN_PARTS)
        return PartGrid(whole_batches(int(min(useful, _MOST_ROWS)), batch_size))
    whole = whole_batches(part_rows, batch_size)
    note = f"{whole:,} rows each, in place of {part_rows:,}: whole batches of {batch_size:,}"
    return PartGrid(whole, note if whole != part_rows else "")


def whole_batches(rows: int, batch_size: int) -> int:
    """Return the smallest multiple of the batch size that is at least `rows`."""
    return max(1, -(-rows // batch_size)) * batch_size


def seconds_per_row(
    observer: Observer,
    weights: Weights,
    first: Batch,
    needs: frozenset[Signal],
    batch_size: int,
    checkpoints: int,
    workers: int,
) -> float:
    """Return about how long one row takes, by timing one batch under one checkpoint."""
    count = max(1, min(batch_size, _TIMED_EXAMPLES))
    rows = torch.arange(count) % len(first.inputs)
    inputs, labels = first.inputs[rows], observer.labels(first)[rows.to(observer.model.device)]
    try:
        with observer.model.evaluation_mode():
            computing = _time_observation(observer, weights, inputs, labels, needs)
            computing *= checkpoints / count
    except Exception as error:
        if not observer.model.ran_out(error):
            raise
        observer.model.release()
        computing = 0.0
    reading = first.seconds / len(first.rows)
    return max(reading / workers, computing) if workers else reading + computing


def _time_observation(
    observer: Observer,
    weights: Weights,
    inputs: Inputs,
    labels: Shaped[torch.Tensor, "n *label"],
    needs: frozenset[Signal],
) -> float:
    placed = observer.model.place(inputs)
    start = 0.0
    for _ in range(2):  # the first time includes one-time costs
        start = time.perf_counter()
        observation = observer(weights, placed, labels, needs)
        if observation.logits is not None:
            observation.logits.sum().item()  # waits for a GPU
    return time.perf_counter() - start
