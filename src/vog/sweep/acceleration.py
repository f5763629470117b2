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
from vog.data.inputs import VariedInputs
from vog.errors import ModelError
from vog.models.protocol import FittedWeights, Variant
from vog.observation import Observation, Signal
from vog.progress import progress
from vog.result.rows import RowBlock
from vog.sweep.block import meanings, rows_of
from vog.sweep.comparison import equal_in_most_rows
from vog.sweep.job import Computation
from vog.sweep.observe import Observer
from vog.sweep.weights import read_all

# With this many examples, the error of a correlation near 0.995 is about 0.001.
_SAMPLE_SIZE = 128
# precision="auto" uses bfloat16 from this rank correlation of VoG with float32 on.
LEAST_CORRELATION = 0.995
_TIMINGS = 3


@dataclass(frozen=True)
class Fidelity:
    """Agreement and speed of a faster computation, compared with the slow one.

    Attributes:
        spearman: by column, the rank correlation of the two scores on a sample of the
            examples; 1 is the same order.
        examples: number of examples in the sample.
        speed: how many times as fast the faster one computes a batch.
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
    observer: Observer, fitted: FittedWeights, first: Batch, needs: frozenset[Signal]
) -> Observer:
    """Return the observer with norms folded, if that leaves the first batch as it is."""
    try:
        faster = replace(observer, model=observer.model.variant(Variant.FOLDED))
    except ModelError:  # there is none
        return observer
    plain = _observe_first(observer, fitted, first, needs)
    try:
        folded = _observe_first(faster, fitted, first, needs)
    except ModelError:  # the model reaches its norms in a way that cannot be replaced
        return observer
    return faster if equal_in_most_rows(plain, folded, needs) else observer


def _observe_first(
    observer: Observer, fitted: FittedWeights, first: Batch, needs: frozenset[Signal]
) -> Observation:
    model = observer.model
    classes = torch.zeros(len(first.positions), dtype=torch.int64, device=model.device)
    with model.evaluation_mode():
        return observer(model.ready(fitted), model.place(first.inputs), classes, needs)


def with_bfloat16(slow: Computation) -> Computation:
    """Return the computation with convolutions and linear layers in bfloat16.

    Raises:
        ModelError: the model has no such way.
    """
    model = slow.model.variant(Variant.BFLOAT16)
    read = read_all(slow.files, model, slow.memory_plan.hold, slow.quiet)
    return replace(slow, model=model, weights=read.weights)


def try_bfloat16(slow: Computation, always: bool) -> tuple[Computation, dict[str, Any] | None, str]:
    """Return the computation in bfloat16 if its scores rank as in float32 and it is faster.

    Args:
        slow: in float32.
        always: use bfloat16 whatever the comparison shows.

    Returns:
        The computation to run; the entry of the question with the comparison, or None if it stays
        in float32; and a note for the plan.

    Raises:
        ModelError: `always` is set and the model does not run in bfloat16.
    """
    try:
        fast = with_bfloat16(slow)
        fidelity = compare_computations(slow, fast, "trying bfloat16")
    except ModelError as error:
        if always:
            raise
        return slow, None, str(error).splitlines()[0]
    column, correlation = lowest_correlation(fidelity.spearman)
    note = (
        f"{column} in bfloat16 has rank correlation {correlation:.4f} with float32 "
        f"({fidelity.examples} examples), {fidelity.speed:.2f} times as fast"
    )
    if always or (correlation >= LEAST_CORRELATION and fidelity.speed > 1):
        return fast, fidelity.question_entry, note
    return slow, None, f"{note}; expected at least {LEAST_CORRELATION}, and faster"


def with_compiled_model(slow: Computation) -> Computation:
    """Return the computation with a forward pass that is compiled at its first full batch.

    Raises:
        ModelError: the model has no such way.
    """
    return replace(slow, model=slow.model.variant(Variant.COMPILED, slow.batch_size))


def try_compiling(slow: Computation) -> tuple[Computation, str]:
    """Return the computation, compiled if that is faster, and a note with the measurement."""
    batch = data.read_batch(slow.examples, range(slow.batch_size))
    if len(batch.positions) < slow.batch_size:
        return slow, "not all of the first batch can be read"
    if isinstance(batch.inputs, VariedInputs):
        return slow, "examples differ in length, and a graph is compiled for one shape"
    start = time.perf_counter()
    try:
        fast = with_compiled_model(slow)
        observe_plain, observe_compiled = _last_observer(slow, batch), _last_observer(fast, batch)
        with slow.model.evaluation_mode(), slow.memory_allocation():
            is_equal = equal_in_most_rows(observe_plain(), observe_compiled(), slow.needs)
            seconds = time.perf_counter() - start
            speed = _speedup(observe_plain, observe_compiled) if is_equal else 0.0
    except ModelError as error:
        return slow, str(error).splitlines()[0]
    if not is_equal:
        return slow, "the compiled model gives different numbers"
    note = f"{speed:.2f} times as fast, after {seconds:.0f} s of compiling"
    return fast if speed > 1 else slow, note


def compare_computations(slow: Computation, fast: Computation, activity: str) -> Fidelity:
    """Return how the scores of two computations agree on a sample, and the speedup."""
    sample = _sample_examples(slow.examples)
    starts = range(0, len(sample), slow.batch_size)
    ranges = [range(start, min(start + slow.batch_size, len(sample))) for start in starts]
    batches = list(data.samples(sample, ranges))
    # Entered once for both: they share the module, with the same parts of it replaced.
    with (
        progress(activity, 2 * len(sample), 0, slow.quiet) as advance,
        slow.model.evaluation_mode(),
        slow.memory_allocation(),
    ):
        slow_scores = _score_batches(replace(slow, examples=sample), batches, advance)
        fast_scores = _score_batches(replace(fast, examples=sample), batches, advance)
        speed = _speedup(*(_last_observer(each, batches[0]) for each in (slow, fast)))
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
    computation: Computation, batches: list[Batch], advance: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Return the scores of all batches by column."""
    rows: list[RowBlock] = []
    for batch in batches:
        rows += rows_of(computation, batch)
        advance(len(batch.rows))
    return {
        column: np.concatenate([batch_rows.scores[column] for batch_rows in rows])
        for column in meanings(computation.scores, computation.stages)
    }


def _last_observer(computation: Computation, batch: Batch) -> Callable[[], Observation]:
    """Return a function that observes the batch under the last checkpoint."""
    model, needs = computation.model, computation.needs
    placed = model.place(batch.inputs)
    labels = computation.observer.labels(batch)

    def observe() -> Observation:
        observation = computation.observer(computation.weights.last, placed, labels, needs)
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
