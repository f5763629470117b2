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
from vog.sweep.weights import STREAMED, nbytes

_SHARE = 0.7  # of what is free, unless the user says how much
_PROBED = 4, 8  # examples, whose difference tells what one of them takes
# What a library keeps beside tensors, as workspaces of convolutions.
_UNSEEN = 1.25
# Elements of one batch of inputs: enough to keep a processor, or a GPU, busy.
_ELEMENTS = {"cpu": 2**18, "cuda": 2**24}
_LEAST, _MOST = 16, 1024
# Of a block: beyond that, reading the weights takes next to nothing of the time.
_BATCHES = 64
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

    def of(self, weights: int, batch: int, block: int) -> int:
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


def measure(
    model: Model,
    weights: Weights,
    inputs: Tensor,
    stages: tuple[Stage, ...],
    scores: tuple[Score, ...],
    workers: int,
    halved: float = 0.0,
) -> MemoryNeeds:
    """What one example takes, from two small batches that are really computed.

    `halved` is the share of the examples whose scores are folded from half of the checkpoints too.
    """
    peaks: list[int] = []
    states = 0
    with model.borrowed():
        for count in _PROBED:
            placed = model.place(inputs[torch.arange(count) % len(inputs)])
            labels = torch.zeros(count, dtype=torch.int64, device=placed.device)
            look = partial(model.observe, weights, placed, labels, needs_of(scores))
            seen = look()  # what happens once has happened before the peak is measured
            states = sum(_nbytes(score.init(seen)) for score in scores) // count
            peaks.append(peak_bytes(look, placed.device))
    few, many = _PROBED
    example, own = max(0, peaks[1] - peaks[0]) // (many - few), inputs[:1].nbytes
    # Workers read ahead, two blocks each; of a block on a GPU nothing more is there.
    read_ahead = own * (2 * workers + 2) if model.place(inputs[:1]).device.type == "cpu" else own
    return MemoryNeeds(
        weights=nbytes(weights),
        fixed=int(_UNSEEN * max(0, peaks[0] - few * example)),
        # What one checkpoint said stays until the next has spoken; two states become a third.
        example=int(_UNSEEN * example) + own + 2 * states,
        state=read_ahead + int((len(segments(stages)) + 1) * (1 + 2 * halved) * states),
    )


def plan_memory(
    needs: MemoryNeeds,
    asked: int | str,
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
    useful = _power_of_two(_ELEMENTS[device] // max(1, elements))
    wanted = min(_MOST, max(_LEAST, useful)) if asked == "auto" else int(asked)
    wanted = min(wanted, examples)
    held = checkpoints * needs.weights
    size = _fitting(needs, held, total, wanted)
    streamed = STREAMED * needs.weights
    if size >= min(wanted, _LEAST) or streamed >= held:
        size = size if asked == "auto" else wanted
        return _possible(MemoryPlan(total, needs.of(held, size, size), True, size, size))
    size = _fitting(needs, streamed, total, wanted) if asked == "auto" else wanted
    left = total - needs.of(streamed, size, 0)
    batches = max(1, min(_BATCHES, left // max(1, size * needs.state))) if size else 0
    needed = needs.of(streamed, max(1, size), batches * size)
    return _possible(MemoryPlan(total, needed, False, size, batches * size))


def _possible(share: MemoryPlan) -> MemoryPlan:
    if share.batch_size < 1:
        raise ModelError(
            f"weights and one example take {share.needed / 1e9:,.2f} GB, and "
            f"{share.total / 1e9:,.2f} GB may be taken. Raise --memory if there is more, or give "
            f"a --batch-size to try all the same."
        )
    return share


def total_bytes(asked: str | int | None, device: torch.device) -> int:
    """What may be taken: what the user says, as `4GB` or in bytes, or a share of what is free.

    Raises:
        DataError: no such size.
    """
    if asked is None:
        return int(_SHARE * free_bytes(device))
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", str(asked), re.IGNORECASE)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if size < 1:
        raise DataError(f"--memory is {asked!r}; expected a size as 4GB or 500MB.")
    return size


def _fitting(needs: MemoryNeeds, weights: int, total: int, wanted: int) -> int:
    """As many examples as are wanted, or the largest power of two that fits; 0 if none does."""
    size = (total - weights - needs.fixed) // max(1, needs.example + needs.state)
    return wanted if size >= wanted else _power_of_two(size)


def _power_of_two(number: int) -> int:
    """The largest that is not above a number; 0 below one."""
    return 2 ** (number.bit_length() - 1) if number > 0 else 0


def _nbytes(state: object) -> int:
    """Of the tensors in the state of a score."""
    if isinstance(state, Tensor):
        return state.nbytes
    if is_dataclass(state):
        return sum(_nbytes(getattr(state, one.name)) for one in fields(state))
    if isinstance(state, tuple | list):
        return sum(map(_nbytes, state))
    return 0
