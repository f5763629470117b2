"""How the memory there is is shared out between weights, the batch that is computed, and blocks.

A block is what meets the weights of a checkpoint at one go: one batch where all weights are in
memory, as many as there is room for where they are read again for each block.
"""

import re
from dataclasses import dataclass, fields, is_dataclass
from functools import partial

import torch
from torch import Tensor

from vog.checkpoints import Stage, segments
from vog.errors import DataError, ModelError
from vog.models import Model, Weights
from vog.models.torch.memory import free_bytes, peak_bytes
from vog.scores import Score, needs_of
from vog.sweep.weights import STREAMED_COPIES, nbytes

_FREE_SHARE = 0.7  # of what is free, unless the user says how much
_PROBE_SIZES = 4, 8  # examples, whose difference tells what one of them takes
# What a library keeps beside tensors, as workspaces of convolutions.
_LIBRARY_FACTOR = 1.25
# Elements of one batch of inputs: enough to keep a processor, or a GPU, busy.
_BATCH_ELEMENTS = {"cpu": 2**18, "cuda": 2**24}
_MIN_BATCH, _MAX_BATCH = 16, 1024
# Of a block: beyond that, reading the weights takes next to nothing of the time.
_MAX_BATCHES = 64
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class MemoryNeeds:
    """What computing takes, in bytes.

    Attributes:
        weights: of one checkpoint.
        fixed: of any batch, however small.
        example: of one example while it is computed.
        state: of one example as long as its block is not finished, its input among it.
    """

    weights: int
    fixed: int
    example: int
    state: int

    def bytes_for(self, weights: int, batch: int, block: int) -> int:
        """With so many bytes of weights, and of examples in a batch and in a block."""
        return weights + self.fixed + batch * self.example + block * self.state


@dataclass(frozen=True)
class MemoryPlan:
    """Who gets what.

    Attributes:
        total: bytes that may be taken.
        needed: bytes that are going to be.
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
    model: Model,
    weights: Weights,
    inputs: Tensor,
    stages: tuple[Stage, ...],
    scores: tuple[Score, ...],
    workers: int,
    halved_share: float = 0.0,
) -> MemoryNeeds:
    """What one example takes, from two small batches that are really computed.

    `halved` is the share of the examples whose scores are folded from half of the checkpoints too.
    """
    peaks: list[int] = []
    states = 0
    with model.evaluation_mode():
        for count in _PROBE_SIZES:
            device_inputs = model.place(inputs[torch.arange(count) % len(inputs)])
            labels = torch.zeros(count, dtype=torch.int64, device=device_inputs.device)
            observe = partial(model.observe, weights, device_inputs, labels, needs_of(scores))
            observation = observe()  # what happens once has happened before the peak is measured
            states = sum(_state_nbytes(score.init(observation)) for score in scores) // count
            peaks.append(peak_bytes(observe, device_inputs.device))
    few, many = _PROBE_SIZES
    example, size = max(0, peaks[1] - peaks[0]) // (many - few), inputs[:1].nbytes
    # Workers read ahead, two blocks each; of a block on a GPU nothing more is there.
    read_ahead = size * (2 * workers + 2) if model.place(inputs[:1]).device.type == "cpu" else size
    return MemoryNeeds(
        weights=nbytes(weights),
        fixed=int(_LIBRARY_FACTOR * max(0, peaks[0] - few * example)),
        # What one checkpoint said stays until the next has spoken; two states become a third.
        example=int(_LIBRARY_FACTOR * example) + size + 2 * states,
        state=read_ahead + int((len(segments(stages)) + 1) * (1 + 2 * halved_share) * states),
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
    """The largest useful batch that fits, with all weights in memory if they do as well.

    Args:
        needs: what an example takes.
        asked: a batch size, or "auto".
        total: bytes that may be taken.
        device: "cpu" or "cuda".
        elements: of one input.
        checkpoints: how many there are.
        examples: how many there are.

    Raises:
        ModelError: not even a batch of one example fits.
    """
    useful = _power_of_two(_BATCH_ELEMENTS[device] // max(1, elements))
    goal = min(_MAX_BATCH, max(_MIN_BATCH, useful)) if batch_size == "auto" else int(batch_size)
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
            f"weights and one example take {plan.needed / 1e9:,.2f} GB, and "
            f"{plan.total / 1e9:,.2f} GB may be taken. Raise --memory if there is more, or give "
            f"a --batch-size to try all the same."
        )
    return plan


def total_bytes(memory: str | int | None, device: torch.device) -> int:
    """What may be taken: what the user says, as `4GB` or in bytes, or a share of what is free.

    Raises:
        DataError: no such size.
    """
    if memory is None:
        return int(_FREE_SHARE * free_bytes(device))
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", str(memory), re.IGNORECASE)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if size < 1:
        raise DataError(f"--memory is {memory!r}; expected a size as 4GB or 500MB.")
    return size


def _largest_fitting(needs: MemoryNeeds, weights: int, total: int, goal: int) -> int:
    """As many examples as are wanted, or the largest power of two that fits; 0 if none does."""
    size = (total - weights - needs.fixed) // max(1, needs.example + needs.state)
    return goal if size >= goal else _power_of_two(size)


def _power_of_two(number: int) -> int:
    """The largest that is not above a number; 0 below one."""
    return 2 ** (number.bit_length() - 1) if number > 0 else 0


def _state_nbytes(state: object) -> int:
    """Of the tensors in the state of a score."""
    if isinstance(state, Tensor):
        return state.nbytes
    if is_dataclass(state):
        return sum(_state_nbytes(getattr(state, field.name)) for field in fields(state))
    if isinstance(state, tuple | list):
        return sum(map(_state_nbytes, state))
    return 0
