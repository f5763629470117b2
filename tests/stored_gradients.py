"""Gradients stored in the layout of the authors, drawn at random."""

from pathlib import Path

import numpy as np

RNG = np.random.default_rng(0)


def store(folder: Path, steps: tuple[int, ...] = (1, 2, 10), count: int = 70) -> np.ndarray:
    """Random gradients in the layout; what was stored, checkpoints first."""
    gradients = RNG.normal(size=(len(steps), count, 4, 5)).astype(np.float32)
    for step, of_step in zip(steps, gradients, strict=True):
        at = folder / f"weight_{step}"
        at.mkdir(parents=True)
        np.save(at / "ground_truth.npy", np.arange(count, dtype=np.int32) % 3)
        np.save(at / "pred_label.npy", np.full(count, step))
        for row, gradient in enumerate(of_step):
            np.save(at / f"grad_{row:05d}.npy", gradient)
    return gradients
