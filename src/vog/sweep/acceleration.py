"""Faster ways to compute with the same model, used only if they give the same results."""

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
from vog.models.torch.compiled import compile_forward
from vog.observation import Observation, Signal
from vog.progress import progress
from vog.result.rows import RowBlock
from vog.sweep.block import meanings, rows_of
from vog.sweep.job import Job
from vog.sweep.observe import Observer
from vog.sweep.weights import read_all

# With this many examples, the error of a correlation near 0.995 is about 0.001.
_SAMPLE_SIZE = 128
# precision="auto" uses bfloat16 from this rank correlation of VoG with float32 on.
LEAST_CORRELATION = 0.995
_TIMINGS = 3
# Relative differences in float32 between sums in a different order, with room for deep networks.
_LOGIT_TOLERANCE, _GRADIENT_TOLERANCE = 1e-4, 1e-2


@dataclass(frozen=True)
class Fidelity:
    """Agreement and speed of a faster job, compared with the slow one.

    Attributes:
        spearman: by column, the rank correlation of the two jobs' scores on a sample of the
            examples; 1 is the same order.
        examples: number of examples in the sample.
        speed: how many times as fast the faster job computes a batch.
    """

    spearman: dict[str, float]
    examples: int
    speed: float

    @property
    def question_entry(self) -> dict[str, Any]:
        """Return the entry that the question stores."""
        return {"examples": self.examples, "spearman": self.spearman}


def lowest_correlation(spearman: Mapping[str, float]) -> tuple[str, float]:
    """Return the column with the lowest correlation: of VoG, or of all scores without VoG.

    Stages differ: late in training scores change little, so rounding weighs most there.
    """
    vog_only = {column: rho for column, rho in spearman.items() if column.startswith("vog@")}
    lowest = min((vog_only or spearman).items(), key=lambda pair: pair[1], default=None)
    return lowest or ("no score", 0.0)  # constant scores have no correlation


def with_folded_norms(
    observer: Observer, fitted: Weights, first: Batch, needs: frozenset[Signal]
) -> TorchModel:
    """Return the model with norms folded into convolutions if the first batch stays the same."""
    model = observer.model
    assert isinstance(model, TorchModel)
    inputs = model.place(first.inputs)
    classes = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
    with model.evaluation_mode():
        weights = model.ready(fitted)
        folding = norm_folding.find(model.module, lambda: model.forward(weights, inputs))
        plain = observer(weights, inputs, classes, needs)
    if not folding.pairs:
        return model
    faster = replace(model, folding=folding)
    try:
        with faster.evaluation_mode():
            folded = replace(observer, model=faster)(faster.ready(fitted), inputs, classes, needs)
    except ModelError:  # the model reaches its norms in a way that cannot be replaced
        return model
    return faster if _equal_in_most_rows(plain, folded, needs) else model


def _equal_in_most_rows(plain: Observation, faster: Observation, needs: frozenset[Signal]) -> bool:
    """Return whether two observations are equal up to rounding, example by example.

    The logits of every example must agree. Of gradients the median example must agree: rounding
    decides on which side of zero the input of a ReLU falls, and can change a whole gradient.
    """
    for signal in needs | {Signal.LOGITS}:
        a, b = (
            observation.signal(signal)[0].flatten(start_dim=1)
            if observation.signal(signal).ndim > 2
            else observation.signal(signal)[0][:, None]
            for observation in (plain, faster)
        )
        finite = (a.isfinite() & b.isfinite()).all(dim=1)
        if not torch.equal(a.isfinite(), b.isfinite()) or not finite.any():
            return False
        a, b = a[finite], b[finite]
        norms = torch.maximum(a.norm(dim=1), b.norm(dim=1)).clamp_min(1e-12)
        differences = (a - b).norm(dim=1) / norms
        difference = differences.max() if signal is Signal.LOGITS else differences.median()
        if difference > (_LOGIT_TOLERANCE if signal is Signal.LOGITS else _GRADIENT_TOLERANCE):
            return False
    return True


def with_bfloat16(job: Job) -> Job:
    """Return the job with convolutions and linear layers in bfloat16."""
    assert isinstance(job.model, TorchModel)
    model = replace(job.model, precision="bfloat16")
    read = read_all(job.files, model, job.memory_plan.hold, job.request.quiet, job.request.reader)
    return replace(job, model=model, weights=read.weights)


def try_bfloat16(job: Job, always: bool) -> tuple[Job, dict[str, Any] | None, str]:
    """Return the job in bfloat16 if its scores rank as in float32 and it is faster.

    Args:
        job: the job in float32.
        always: use bfloat16 whatever the comparison shows.

    Returns:
        The job to run; the entry of the question with the comparison, or None if the job stays
        in float32; and a note for the plan.

    Raises:
        ModelError: `always` is set and the model does not run in bfloat16.
    """
    fast = with_bfloat16(job)
    try:
        fidelity = compare_jobs(job, fast, "trying bfloat16")
    except ModelError as error:
        if always:
            raise
        return job, None, str(error).splitlines()[0]
    column, correlation = lowest_correlation(fidelity.spearman)
    note = (
        f"{column} in bfloat16 has rank correlation {correlation:.4f} with float32 "
        f"({fidelity.examples} examples), {fidelity.speed:.2f} times as fast"
    )
    if always or (correlation >= LEAST_CORRELATION and fidelity.speed > 1):
        return fast, fidelity.question_entry, note
    return job, None, f"{note}; expected at least {LEAST_CORRELATION}, and faster"


def with_compiled_model(job: Job) -> Job:
    """Return the job with a forward pass that is compiled at its first full batch."""
    assert isinstance(job.model, TorchModel)
    model = replace(job.model, compiled=compile_forward(job.model), full_batch=job.batch_size)
    return replace(job, model=model)


def try_compiling(job: Job) -> tuple[bool, str]:
    """Return whether compiling makes the first batch faster, and a note with the measurement."""
    batch = data.read_batch(job.examples, range(job.batch_size))
    if len(batch.positions) < job.batch_size:
        return False, "not all of the first batch can be read"
    fast = with_compiled_model(job)
    observe_plain, observe_compiled = _last_observer(job, batch), _last_observer(fast, batch)
    start = time.perf_counter()
    with job.model.evaluation_mode(), job.memory_allocation():
        try:
            is_equal = _equal_in_most_rows(observe_plain(), observe_compiled(), job.needs)
        except ModelError as error:
            return False, str(error).splitlines()[0]
        seconds = time.perf_counter() - start
        if not is_equal:
            return False, "the compiled model gives different numbers"
        speed = _speedup(observe_plain, observe_compiled)
    return speed > 1, f"{speed:.2f} times as fast, after {seconds:.0f} s of compiling"


def compare_jobs(slow: Job, fast: Job, activity: str) -> Fidelity:
    """Return how the scores of two jobs agree on a sample of the examples, and the speedup."""
    sample = _sample_examples(slow.examples)
    starts = range(0, len(sample), slow.batch_size)
    ranges = [range(start, min(start + slow.batch_size, len(sample))) for start in starts]
    batches = list(data.samples(sample, ranges))
    # Entered once for both jobs: they share the module, with the same parts of it replaced.
    with (
        progress(activity, 2 * len(sample), 0, slow.request.quiet) as advance,
        slow.model.evaluation_mode(),
        slow.memory_allocation(),
    ):
        slow_scores = _score_batches(replace(slow, examples=sample), batches, advance)
        fast_scores = _score_batches(replace(fast, examples=sample), batches, advance)
        speed = _speedup(*(_last_observer(job, batches[0]) for job in (slow, fast)))
    agreement = {name: spearman(slow_scores[name], fast_scores[name]) for name in slow_scores}
    return Fidelity(
        # A score that is equal for all examples, such as `forgetting`, has no correlation.
        {name: round(rho, 4) for name, rho in agreement.items() if np.isfinite(rho)},
        len(sample),
        speed,
    )


def _sample_examples(examples: Examples) -> Examples:
    """Return a sample of the examples, evenly spaced over all."""
    rows = np.unique(np.linspace(0, len(examples) - 1, _SAMPLE_SIZE).round().astype(int)).tolist()
    return Examples(
        [str(examples.ids[row]) for row in rows],
        lambda position: examples.read(examples.row(rows[position])),
        "",
        None if examples.labels is None else examples.labels[rows],
        read_by_workers=examples.read_by_workers,
    )


def _score_batches(
    job: Job, batches: list[Batch], advance: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Return the scores of all batches by column."""
    rows: list[RowBlock] = []
    for batch in batches:
        rows += rows_of(job, batch)
        advance(len(batch.rows))
    return {
        column: np.concatenate([batch_rows.scores[column] for batch_rows in rows])
        for column in meanings(job.scores, job.stages)
    }


def _last_observer(job: Job, batch: Batch) -> Callable[[], Observation]:
    """Return a function that observes the batch under the last checkpoint."""
    inputs = job.model.place(batch.inputs)
    labels = batch.labels[batch.positions].to(inputs.device)

    def observe() -> Observation:
        observation = job.observer(job.weights.last, inputs, labels, job.needs)
        observation.signal(Signal.LOGITS).cpu()  # waits for a GPU
        return observation

    return observe


def _speedup(slow: Callable[[], object], fast: Callable[[], object]) -> float:
    """Return how many times as fast `fast` is as `slow`: the median of several timings."""
    ratios: list[float] = []
    for _ in range(_TIMINGS):
        start = time.perf_counter()
        slow()
        middle = time.perf_counter()
        fast()
        ratios.append((middle - start) / (time.perf_counter() - middle))
    return statistics.median(ratios)
