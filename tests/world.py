"""A small network, checkpoints of it, and data: what the tests of several parts start from."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

CLASSES = 4


class Network(nn.Sequential):
    """Everything that makes gradients go wrong: batch norm, dropout, ReLU in place."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__(
            nn.Conv2d(3, 6, 3),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(6 * 4 * 4, classes),
        )


def build(classes: int = CLASSES) -> Network:
    """The network, in training mode as it comes."""
    return Network(classes)


def weights(count: int, seed: int = 0) -> list[dict[str, Tensor]]:
    """Random weights with batch statistics that are not those of any batch."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = []
        for _ in range(count):
            state = build().state_dict()
            state["1.running_mean"].normal_()
            state["1.running_var"].uniform_(0.5, 2)
            made.append(state)
    return made


def save_checkpoints(folder: Path, count: int, seed: int = 0) -> None:
    """`step-100.pt`, `step-200.pt`, ..., which as text are not in order from ten on."""
    folder.mkdir(parents=True)
    for i, state in enumerate(weights(count, seed)):
        torch.save({"state_dict": state, "epoch": i}, folder / f"step-{100 * (i + 1)}.pt")


def inputs_and_labels(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Images of 3 x 6 x 6 and labels of all classes."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(count, 3, 6, 6)).astype(np.float32)
    return inputs, rng.integers(0, CLASSES, count)


def interrupted(work: Callable[..., Any], at: int) -> Callable[..., Any]:
    """The same function, but for Ctrl-C at its call number `at`, counted from 1."""
    calls = itertools.count(1)

    def stops(*given: Any) -> Any:
        if next(calls) == at:
            raise KeyboardInterrupt
        return work(*given)

    return stops


def save_npz(path: Path, count: int, names: Sequence[str] | None = None) -> Path:
    """The same as a file that `vog score --data` takes; `names` are those of the classes."""
    inputs, labels = inputs_and_labels(count)
    if names is None:
        np.savez(path, inputs=inputs, labels=labels)
    else:
        np.savez(path, inputs=inputs, labels=labels, label_names=np.array(names))
    return path
