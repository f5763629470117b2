"""A memory plan for weights that do not fit."""

from dataclasses import replace
from typing import Any

from vog.sweep.memory_plan import MemoryNeeds, MemoryPlan, plan_memory


def streamed(needs: MemoryNeeds, asked: int | str, *sizes: Any) -> MemoryPlan:
    """As if the weights of two checkpoints did not fit: blocks of two batches."""
    share = plan_memory(needs, asked, *sizes)
    return replace(share, hold=False, block_size=2 * share.batch_size)
