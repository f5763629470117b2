"""The plain way (`load_state_dict`, `eval`, `backward`), and the small network it is tried on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import vog

Build = Callable[[], nn.Module]
State = dict[str, Any]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 3, 6, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 10)
WIDTH = 3 * 6 * 6


def states_of(build: Build, count: int = 4) -> list[State]:
    """State dicts of networks with different random weights, as a training loop saves them."""
    states = []
    for seed in range(count):
        torch.manual_seed(seed)
        states.append({key: value.clone() for key, value in build().state_dict().items()})
    return states


def save(states: list[State], folder: Path) -> Path:
    folder.mkdir()
    for step, state in enumerate(states):
        torch.save(state, folder / f"step-{step}.pt")
    return folder


def plain(build: Build, states: list[State]) -> dict[str, np.ndarray]:
    """VoG, mean gradient and AUM by the plain way."""
    gradients, margins = [], []
    for state in states:
        module = build()
        module.load_state_dict(state)
        module.eval()
        leaf = torch.from_numpy(X).requires_grad_()
        logits = module(leaf)
        own = logits[torch.arange(len(Y)), torch.from_numpy(Y)]
        own.sum().backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad.mean(dim=1))
        rival = logits.detach().clone()
        rival[torch.arange(len(Y)), torch.from_numpy(Y)] = -torch.inf
        margins.append(own.detach() - rival.amax(dim=1))
    moved = torch.stack(gradients)
    return {
        "vog": moved.std(0, unbiased=False).flatten(1).mean(1).numpy(),
        "grad_norm": moved.abs().mean(0).flatten(1).mean(1).numpy(),
        "aum": torch.stack(margins).mean(0).numpy(),
    }


def assert_as_plain(build: Build, states: list[State], folder: Path, model: Any = None) -> vog.Run:
    run = vog.score(
        *(build if model is None else model, save(states, folder / "ck"), (X, Y), folder / "run"),
        scores="vog,grad_norm,aum",
    )
    for name, expected in plain(build, states).items():
        found = run.values(f"{name}@all")
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max(), name
    return run


class Base(nn.Module):
    """Two layers, the parts that the networks below share."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x.flatten(1))))
