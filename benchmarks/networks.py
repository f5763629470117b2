"""What the benchmarks look at: three small networks, checkpoints of them, and inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cifar import resnet18

CLASSES = 10


class Transformer(nn.Module):
    """Two encoder layers over a sequence of vectors; the mean of the last goes into the head."""

    def __init__(self, width: int = 128, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Float[Tensor, "n length width"]) -> Float[Tensor, "n classes"]:
        """Logits of each sequence."""
        return self.head(self.encoder(x).mean(dim=1))


def mlp() -> nn.Module:
    """784 to 256 to ten logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, CLASSES))


@dataclass(frozen=True)
class Network:
    """How a network is made, what it takes, and how many examples make a batch."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int


NETWORKS = {
    "ResNet-18, 32 x 32": Network(resnet18, (3, 32, 32), 64),
    "MLP, 784-256-10": Network(mlp, (1, 28, 28), 256),
    "transformer, 64 x 128": Network(Transformer, (64, 128), 16),
}


def save_checkpoints(network: Network, folder: Path, count: int) -> list[Path]:
    """Files of weights that differ, with batch statistics that are not those of a new norm."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for step in range(count):
        torch.manual_seed(step)
        state = network.build().state_dict()
        for key, value in state.items():
            if key.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif key.endswith("running_mean"):
                value.normal_(std=0.1)
        paths.append(folder / f"step-{step}.pt")
        torch.save(state, paths[-1])
    return paths


def data(
    network: Network, count: int
) -> tuple[Float[np.ndarray, "n *input"], Int[np.ndarray, "n"]]:
    """Inputs and labels; the numbers do not matter to the time."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(count, *network.shape)).astype(np.float32)
    return inputs, rng.integers(0, CLASSES, count)
