"""A small ResNet with three checkpoints and data: the network that every framework builds again.

Its weights are NumPy arrays under the names of PyTorch, with its order of axes; whoever builds it
in another framework carries them across. Padding is explicit, because others pad a stride of two on
the other side. The activation is smooth, so no rounding decides whether a unit is on.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 10
ROWS = 23  # no multiple of a batch size
STEPS = (100, 200, 300)
Arrays = dict[str, np.ndarray]


class Unit(nn.Module):
    """A convolution and its batch norm."""

    def __init__(self, narrow: int, wide: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(narrow, wide, size, stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(wide)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class SmallResNet(nn.Module):
    """A stem, one block of stride two with a projection, the mean over pixels, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Unit(3, 8, 3)
        self.first = Unit(8, 16, 3, stride=2)
        self.second = Unit(16, 16, 3)
        self.projection = Unit(8, 16, 1, stride=2)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.stem(x))
        x = F.silu(self.second(F.silu(self.first(x))) + self.projection(x))
        return self.head(x.mean(dim=(2, 3)))


def build() -> SmallResNet:
    """The network, in training mode as it comes."""
    return SmallResNet()


def weights(steps: Sequence[int] = STEPS) -> dict[int, Arrays]:
    """By step, random weights with batch statistics that are not those of any batch."""
    rng = np.random.default_rng(0)
    checkpoints: dict[int, Arrays] = {}
    for step in steps:
        arrays = {}
        for name, value in build().state_dict().items():
            if name.endswith("running_var"):
                array = rng.uniform(0.5, 2, value.shape)
            elif not name.endswith("num_batches_tracked"):
                width = value[0].numel() if value.ndim > 1 else 4
                array = rng.normal(size=value.shape) / width**0.5
            else:
                continue
            arrays[name] = array.astype(np.float32)
        checkpoints[step] = arrays
    return checkpoints


def save_torch(folder: Path) -> Path:
    """Save the checkpoints as PyTorch does, and return their folder."""
    folder.mkdir(parents=True)
    for step, arrays in weights().items():
        state = {name: torch.from_numpy(array) for name, array in arrays.items()}
        torch.save(state, folder / f"step-{step}.pt")
    return folder


def data(channels_last: bool = False, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Images of 3 x 16 x 16, or of 16 x 16 x 3, and labels of all classes."""
    rng = np.random.default_rng(1)
    images = rng.normal(size=(rows, 3, 16, 16)).astype(np.float32)
    images = np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if channels_last else images
    return images, rng.integers(0, CLASSES, rows)
