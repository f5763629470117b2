"""Divide memory between the weights, the batch that is computed, and the block of examples.

A block is scored under a checkpoint as a whole. It is one batch if all weights stay in memory, and
as many batches as fit if the weights are read again for each block.
"""

import re
from dataclasses import dataclass, fields, is_dataclass
from functools import partial

import torch
from jaxtyping import Shaped
from torch import Tensor

from vog.checkpoints import Stage, segments
from vog.data.inputs import Inputs, VariedInputs
from vog.errors import DataError, ModelError
from vog.models.protocol import Weights
from vog.scores import Score, needs_of, outcomes_of, reads_logits
from vog.sweep.observe import Observer
from vog.sweep.weights import STREAMED_COPIES
from vog.wording import option

_FREE_SHARE = 0.7  # of free memory, unless the user gives a size
_PROBE_SIZES = 4, 8  # examples; the difference gives the bytes of one example
# Libraries need memory beside tensors, such as workspaces of convolutions.
_LIBRARY_FACTOR = 1.25
# Elements of a batch of inputs that keep a processor, or a GPU, busy.
_BATCH_ELEMENTS = {"cpu": 2**18, "cuda": 2**26}
_MIN_BATCH, _MAX_BATCH = 16, 1024
# Batches of a block; with more, reading the weights takes almost none of the time.
_MAX_BATCHES = 64
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class MemoryNeeds:
    """Memory that computing needs, in bytes.

    Attributes:
        weights: bytes of one checkpoint.
        fixed: bytes of any batch, however small.
        example: bytes of one example while its batch is computed.
        state: bytes of one example until its block is finished, with its input.
        is_measured: the model can tell how much a batch takes; if not, batches start small, and are
            halved if memory runs out.
        elements: the number of elements that are differentiated in one example; 0 if none are.
    """

    weights: int
    fixed: int
    example: int
    state: int
    is_measured: bool = True
    elements: int = 0

    def bytes_for(self, weights: int, batch: int, block: int) -> int:
        """Return the bytes for `weights` bytes, and `batch` and `block` examples."""
        return weights + self.fixed + batch * self.example + block * self.state


@dataclass(frozen=True)
class MemoryPlan:
    """Sizes of batches and blocks, and the memory that they take.

    Attributes:
        total: bytes that may be used.
        needed: bytes that will be used.
        hold: whether the weights of all checkpoints stay in memory.
        batch_size: examples that are computed together.
        block_size: examples that are read together, a multiple of it.
    """

    total: int
    needed: int
    hold: bool
    batch_size: int
    block_size: int


def measure_needs(
    observer: Observer,
    weights: Weights,
    inputs: Inputs,
    labels: Shaped[Tensor, "n *label"],
    stages: tuple[Stage, ...],
    scores: tuple[Score, ...],
    workers: int,
    halved_share: float = 0.0,
) -> MemoryNeeds:
    """Return the memory needs, measured on two small batches; of the longest example if they vary.

    `halved_share` is the share of examples that are also scored on halves of the checkpoints.
    """
    peaks: list[int | None] = []
    states = elements = 0
    inputs = inputs.longest if isinstance(inputs, VariedInputs) else inputs
    model = observer.model
    with model.evaluation_mode():
        for count in _PROBE_SIZES:
            placed = model.place(inputs[torch.arange(count) % len(inputs)])
            some = labels[torch.arange(count, device=labels.device) % len(labels)]
            outcomes = None if reads_logits(scores) else outcomes_of(scores)
            observe = partial(observer, weights, placed, some, needs_of(scores), outcomes=outcomes)
            # One-time costs come before the peak is measured.
            observation = observer.task.complete(observe(), outcomes_of(scores))
            states = sum(_state_nbytes(score.init(observation)) for score in scores) // count
            if observation.input_gradient is not None:
                elements = observation.input_gradient[0, 0].numel()
            peaks.append(model.peak_bytes(observe))
    few, many = _PROBE_SIZES
    measured = [peak for peak in peaks if peak is not None]
    first_peak, last_peak = (measured[0], measured[-1]) if measured else (0, 0)
    example, size = max(0, last_peak - first_peak) // (many - few), inputs[:1].nbytes
    # Workers prefetch two blocks each on the host; the GPU holds only the current one.
    read_ahead = size * (2 * workers + 2) if model.device.type == "cpu" else size
    return MemoryNeeds(
        weights=model.nbytes(weights),
        fixed=int(_LIBRARY_FACTOR * max(0, first_peak - few * example)),
        # An observation lives until the next one is computed; a merge allocates a third state.
        example=int(_LIBRARY_FACTOR * example) + size + 2 * states,
        state=read_ahead + int((len(segments(stages)) + 1) * (1 + 2 * halved_share) * states),
        is_measured=bool(measured),
        elements=elements,
    )


def plan_memory(
    needs: MemoryNeeds,
    batch_size: int | str,
    total: int,
    device: str,
    elements: int,
    checkpoints: int,
    examples: int,
) -> MemoryPlan:
    """Return the largest useful batch that fits, with all weights in memory if they fit too.

    Args:
        needs: the measured memory needs.
        batch_size: a batch size, or "auto".
        total: bytes that may be used.
        device: "cpu", "cuda" or another type of device.
        elements: number of elements of one input.
        checkpoints: number of checkpoints.
        examples: number of examples.

    Raises:
        ModelError: not even a batch of one example fits.
    """
    useful = _power_of_two(_BATCH_ELEMENTS.get(device, 2**18) // max(1, elements))
    most = _MAX_BATCH if needs.is_measured else _MIN_BATCH
    goal = min(most, max(_MIN_BATCH, useful)) if batch_size == "auto" else int(batch_size)
    goal = min(goal, examples)
    held = checkpoints * needs.weights
    size = _largest_fitting(needs, held, total, goal)
    streamed = STREAMED_COPIES * needs.weights
    if size >= min(goal, _MIN_BATCH) or streamed >= held:
        size = size if batch_size == "auto" else goal
        return _check_fits(MemoryPlan(total, needs.bytes_for(held, size, size), True, size, size))
    size = _largest_fitting(needs, streamed, total, goal) if batch_size == "auto" else goal
    remaining = total - needs.bytes_for(streamed, size, 0)
    batches = max(1, min(_MAX_BATCHES, remaining // max(1, size * needs.state))) if size else 0
    needed = needs.bytes_for(streamed, max(1, size), batches * size)
    return _check_fits(MemoryPlan(total, needed, False, size, batches * size))


def _check_fits(plan: MemoryPlan) -> MemoryPlan:
    if plan.batch_size < 1:
        raise ModelError(
            f"weights and one example need {plan.needed / 1e9:,.2f} GB, and "
            f"{plan.total / 1e9:,.2f} GB may be used. Raise {option('memory')} if there is more, "
            f"or set {option('batch_size')} to try anyway."
        )
    return plan


def total_bytes(memory: str | int | None, free: int) -> int:
    """Return the bytes that may be used: a size such as `4GB`, or a share of `free` bytes.

    Raises:
        DataError: `memory` is not a size.
    """
    if memory is None:
        return int(_FREE_SHARE * free)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", str(memory), re.IGNORECASE)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if size < 1:
        raise DataError(f"{option('memory', memory)}: expected a size such as 4GB or 500MB.")
    return size


def _largest_fitting(needs: MemoryNeeds, weights: int, total: int, goal: int) -> int:
    """Return `goal` examples, or else the largest power of two that fits; 0 if none fits."""
    size = (total - weights - needs.fixed) // max(1, needs.example + needs.state)
    return goal if size >= goal else _power_of_two(size)


def _power_of_two(number: int) -> int:
    """Return the largest power of two that is at most `number`; 0 if `number` is below 1."""
    return 2 ** (number.bit_length() - 1) if number > 0 else 0


def _state_nbytes(state: object) -> int:
    """Return the bytes of the tensors in the state of a score."""
    if isinstance(state, Tensor):
        return state.nbytes
    if is_dataclass(state):
        return sum(_state_nbytes(getattr(state, field.name)) for field in fields(state))
    if isinstance(state, tuple | list):
        return sum(map(_state_nbytes, state))
    return 0
