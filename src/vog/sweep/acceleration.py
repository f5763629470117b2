"""Faster ways to ask the same model, each of them taken only where it gives the same answers."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from vog import data
from vog.analysis.one_run.correlation import spearman
from vog.data import Batch, Examples
from vog.errors import ModelError
from vog.models import Weights
from vog.models.torch import norm_folding
from vog.models.torch.adapter import TorchModel
from vog.models.torch.compiled import compiled
from vog.progress import progress
from vog.result.rows import Rows
from vog.scores import Observation, Signal
from vog.sweep.block import meanings, rows_of
from vog.sweep.job import Job
from vog.sweep.weights import read_all

# Enough that a correlation of 0.995 is known to about 0.001.
_SAMPLE = 128
# What --precision auto asks of VoG in bfloat16.
FAITHFUL = 0.995
_TURNS = 3
# Relative difference of the same sums in another order, in float32, with room for deep networks.
_ROUNDING, _JUMPS = 1e-4, 1e-2


@dataclass(frozen=True)
class Fidelity:
    """What comparing a faster way with the slow one showed.

    Attributes:
        spearman: rank correlation of both by column, on a sample of the examples; 1 is equal.
        examples: in the sample.
        speed: how many times as fast a batch is.
    """

    spearman: dict[str, float]
    examples: int
    speed: float

    @property
    def stored(self) -> dict[str, Any]:
        """As the question keeps it."""
        return {"examples": self.examples, "spearman": self.spearman}


def decisive(spearman: Mapping[str, float]) -> tuple[str, float]:
    """The column that decides, and its correlation: the least of VoG's, or else of any score's.

    Stages differ much: where little moves any more, late in training, rounding moves most.
    """
    of_vog = {name: value for name, value in spearman.items() if name.startswith("vog@")}
    least = min((of_vog or spearman).items(), key=lambda item: item[1], default=None)
    return least or ("no score", 0.0)  # there is none where all examples score the same


def folded(
    model: TorchModel, fitted: Weights, first: Batch, needs: frozenset[Signal]
) -> TorchModel:
    """The model with its norms in its convolutions, if the first batch shows no difference."""
    inputs = model.place(first.inputs)
    classes = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
    with model.borrowed():
        weights = model.ready(fitted)
        found = norm_folding.find(model.module, lambda: model.forward(weights, inputs))
        plain = model.observe(weights, inputs, classes, needs)
    if not found.pairs:
        return model
    faster = replace(model, folding=found)
    try:
        with faster.borrowed():
            seen = faster.observe(faster.ready(fitted), inputs, classes, needs)
    except ModelError:  # the norms are reached in a way that cannot be replaced
        return model
    return faster if _same(plain, seen, needs) else model


def _same(plain: Observation, faster: Observation, needs: frozenset[Signal]) -> bool:
    """Whether both saw the same, but for rounding.

    The logits of every example have to be equal. Gradients jump where a ReLU is met at zero, and
    rounding decides on which side, so a few jumps are let pass in most examples.
    """
    for signal in needs | {Signal.LOGITS}:
        a, b = (
            one.signal(signal)[0].flatten(start_dim=1)
            if one.signal(signal).ndim > 2
            else one.signal(signal)[0][:, None]
            for one in (plain, faster)
        )
        known = (a.isfinite() & b.isfinite()).all(dim=1)
        if not torch.equal(a.isfinite(), b.isfinite()) or not known.any():
            return False
        a, b = a[known], b[known]
        size = torch.maximum(a.norm(dim=1), b.norm(dim=1)).clamp_min(1e-12)
        differ = (a - b).norm(dim=1) / size
        most = differ.max() if signal is Signal.LOGITS else differ.median()
        if most > (_ROUNDING if signal is Signal.LOGITS else _JUMPS):
            return False
    return True


def in_bfloat16(job: Job) -> Job:
    """The job with convolutions and linear layers in bfloat16."""
    assert isinstance(job.model, TorchModel)
    model = replace(job.model, precision="bfloat16")
    read = read_all(job.files, model, job.share.hold, job.request.quiet, job.request.reader)
    return replace(job, model=model, weights=read.weights)


def try_bfloat16(job: Job, always: bool) -> tuple[Job, dict[str, Any] | None, str]:
    """The job in bfloat16, if its scores rank as in float32 and it is faster.

    Args:
        job: in float32.
        always: whatever the comparison shows.

    Returns:
        The job to do; what the comparison showed, as the question keeps it, or None where the
        job stays in float32; and what is to be said of it.

    Raises:
        ModelError: `always`, and the model does not run in bfloat16.
    """
    fast = in_bfloat16(job)
    try:
        found = compared(job, fast, "trying bfloat16")
    except ModelError as error:
        if always:
            raise
        return job, None, str(error).splitlines()[0]
    name, value = decisive(found.spearman)
    said = (
        f"{name} ranks in bfloat16 as in float32 at {value:.4f} ({found.examples} examples), "
        f"{found.speed:.2f} times as fast"
    )
    if always or (value >= FAITHFUL and found.speed > 1):
        return fast, found.stored, said
    return job, None, f"{said}; expected at least {FAITHFUL} and more than 1"


def in_a_graph(job: Job) -> Job:
    """The job with a forward pass that is compiled when it first meets a full batch."""
    assert isinstance(job.model, TorchModel)
    model = replace(job.model, compiled=compiled(job.model), compiled_for=job.batch_size)
    return replace(job, model=model)


def compiling_pays(job: Job) -> tuple[bool, str]:
    """Whether a compiled forward pass is faster on the first batch, and what was measured."""
    batch = data.read_batches(job.examples, range(job.batch_size))
    if len(batch.at) < job.batch_size:
        return False, "not all of the first batch can be read"
    fast = in_a_graph(job)
    slowly, fastly = _looking(job, batch), _looking(fast, batch)
    start = time.perf_counter()
    with job.model.borrowed(), job.keeping_memory():
        try:
            same = _same(slowly(), fastly(), job.needs)
        except ModelError as error:
            return False, str(error).splitlines()[0]
        took = time.perf_counter() - start
        if not same:
            return False, "the compiled model gives other numbers"
        speed = _speed(slowly, fastly)
    return speed > 1, f"{speed:.2f} times as fast, after {took:.0f} s of compiling"


def compared(slow: Job, fast: Job, what: str) -> Fidelity:
    """How two ways of doing a job agree on a sample of its examples, and which is faster."""
    sample = _sample(slow.examples)
    starts = range(0, len(sample), slow.batch_size)
    ranges = [range(start, min(start + slow.batch_size, len(sample))) for start in starts]
    batches = list(data.samples(sample, ranges))
    # One loan for both: they are the same module, with the same parts of it replaced.
    with (
        progress(what, 2 * len(sample), 0, slow.request.quiet) as advance,
        slow.model.borrowed(),
        slow.keeping_memory(),
    ):
        by_slow = _scored(replace(slow, examples=sample), batches, advance)
        by_fast = _scored(replace(fast, examples=sample), batches, advance)
        speed = _speed(*(_looking(job, batches[0]) for job in (slow, fast)))
    agreement = {name: spearman(by_slow[name], by_fast[name]) for name in by_slow}
    return Fidelity(
        # Of scores that are the same for every example, as `forgetting` may be, there is none.
        {name: round(value, 4) for name, value in agreement.items() if np.isfinite(value)},
        len(sample),
        speed,
    )


def _sample(examples: Examples) -> Examples:
    """Some of the rows, evenly over all."""
    rows = np.unique(np.linspace(0, len(examples) - 1, _SAMPLE).round().astype(int)).tolist()
    return Examples(
        [str(examples.ids[row]) for row in rows],
        lambda position: examples.read(examples.row(rows[position])),
        "",
        None if examples.labels is None else examples.labels[rows],
        apart=examples.apart,
    )


def _scored(
    job: Job, batches: list[Batch], advance: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """By column, its values."""
    rows: list[Rows] = []
    for batch in batches:
        rows += rows_of(job, batch)
        advance(len(batch.rows))
    return {
        column: np.concatenate([one.scores[column] for one in rows])
        for column in meanings(job.scores, job.stages)
    }


def _looking(job: Job, batch: Batch) -> Callable[[], Observation]:
    """What one checkpoint is asked about one batch."""
    inputs = job.model.place(batch.inputs)
    labels = batch.labels[batch.at].to(inputs.device)

    def look() -> Observation:
        seen = job.model.observe(job.weights.last, inputs, labels, job.needs)
        seen.signal(Signal.LOGITS).cpu()  # waits for a GPU
        return seen

    return look


def _speed(slow: Callable[[], object], fast: Callable[[], object]) -> float:
    """How many times as fast the one is as the other: the median of turns."""
    ratios: list[float] = []
    for _ in range(_TURNS):
        start = time.perf_counter()
        slow()
        middle = time.perf_counter()
        fast()
        ratios.append((middle - start) / (time.perf_counter() - middle))
    return statistics.median(ratios)
