"""The small run whose folder `run-0.1` vog 0.1.0 wrote.

It has 24 rows in three parts, the second of which was then removed.

It was made in an empty folder with `save()` and

    vog score --model begun_by_0_1.py:build --checkpoints checkpoints --data data.npz --out run-0.1
        --scores vog,aum,confidence --batch-size 8

by a process that wrote a part for each batch.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

ROWS, BATCH, SCORES = 24, 8, "vog,aum,confidence"
MISSING = range(8, 16)


def build() -> nn.Module:
    """Torch's own layers alone, of which the question knows only how they print themselves."""
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def _waves(shape: tuple[int, ...], shift: float) -> np.ndarray:
    """Numbers that are the same with every version of every library, to the last bit."""
    count = int(np.prod(shape))
    whole = (np.arange(count) * 37 + int(shift * 11)) % 64 - 32
    return (whole / 32).astype(np.float32).reshape(shape)


def save(folder: Path) -> None:
    """Write `checkpoints/step-1.pt` to `step-4.pt`, and `data.npz`."""
    (folder / "checkpoints").mkdir()
    for step in range(1, 5):
        state = {
            name: torch.from_numpy(_waves(tuple(of.shape), step + len(name)))
            for name, of in build().state_dict().items()
        }
        torch.save(state, folder / "checkpoints" / f"step-{step}.pt")
    np.savez(
        folder / "data.npz",
        inputs=_waves((ROWS, 4), 0),
        labels=np.arange(ROWS) % 3,
        label_names=np.array(["cat", "dog", "newt"]),
    )
