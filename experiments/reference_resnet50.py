"""The ResNet-50 of the authors' ImageNet code in PyTorch, scored from TensorFlow's own checkpoints.

python experiments/reference_resnet50.py names.json
vog score --model experiments/reference_resnet50.py:build --names names.json \
    --checkpoints 'model.ckpt-*' --data list.txt --root images --out run

The first line writes which variable of a checkpoint is which weight of the module, as `--names`
takes it. TensorFlow need not be installed. What the two have in common with each other and not with
torchvision's ResNet-50: a max pool of 112 x 112 values is padded at the bottom and the right alone.
In common with torchvision's, though not with the paper of He et al.: the stride is that of the
3 x 3 convolution.
A module is registered in the order in which TensorFlow's layers are made, the projection of a block
first, so that the i-th convolution is `conv2d_i`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor, nn
from torch.nn import functional as F

from vog.cli import run_command

Entry = str | dict[str, object]
_EXPANSION = 4


class Convolution(nn.Module):
    """A convolution with the same padding at both sides, whatever its stride, and its norm."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            inputs, outputs, size, stride, padding=(size - 1) // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs, eps=1e-5)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [n, outputs, height / stride, width / stride]."""
        return self.norm(self.convolution(inputs))


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut; the first block of a stage projects the shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, projects: bool) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.projection = Convolution(inputs, outputs, 1, stride) if projects else None
        self.reduce = Convolution(inputs, width, 1)
        self.spatial = Convolution(width, width, 3, stride)
        self.expand = Convolution(width, outputs, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [n, 4 * width, height / stride, width / stride]."""
        shortcut = inputs if self.projection is None else self.projection(inputs)
        hidden = F.relu(self.spatial(F.relu(self.reduce(inputs))))
        return F.relu(self.expand(hidden) + shortcut)


class ResNet(nn.Module):
    """A ResNet of bottlenecks: images [n, 3, height, width] to logits [n, classes]."""

    def __init__(self, blocks: tuple[int, ...], width: int, classes: int) -> None:
        super().__init__()
        self.stem = Convolution(3, width, 7, stride=2)
        layers: list[nn.Module] = []
        inputs = width
        for stage, count in enumerate(blocks):
            for block in range(count):
                stride = 2 if block == 0 and stage > 0 else 1
                layers.append(Bottleneck(inputs, width << stage, stride, projects=block == 0))
                inputs = (width << stage) * _EXPANSION
        self.blocks = nn.Sequential(*layers)
        self.dense = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [n, classes]."""
        hidden = F.relu(self.stem(images))
        return self.dense(self.blocks(max_pool(hidden)).mean(dim=(2, 3)))


def max_pool(hidden: Tensor) -> Tensor:
    """Return the maximum of 3 x 3 values at every second position, padded as TensorFlow's `SAME`.

    Args:
        hidden: [n, channels, height, width], none of them negative, as after a ReLU.
    """
    top, bottom = _same_padding(hidden.shape[2])
    left, right = _same_padding(hidden.shape[3])
    return F.max_pool2d(F.pad(hidden, (left, right, top, bottom)), 3, stride=2)


def _same_padding(length: int) -> tuple[int, int]:
    """Return the padding before and after an axis: of an even one, only after it."""
    padding = max(0, 2 * (-(-length // 2) - 1) + 3 - length)
    return padding // 2, padding - padding // 2


def build(classes: int = 1000) -> ResNet:
    """Return ResNet-50, untrained."""
    return ResNet((3, 4, 6, 3), 64, classes)


def names_of(module: nn.Module, scope: str = "") -> dict[str, Entry]:
    """Return the weight of the module for each variable of a checkpoint, as `--names` takes it.

    Args:
        module: registers its layers in the order in which TensorFlow makes them.
        scope: stands before the name of every variable, such as `resnet_model/`.
    """
    return {f"{scope}{variable}": entry for variable, entry in _entries(module)}


def _entries(module: nn.Module) -> Iterator[tuple[str, Entry]]:
    counts = {"conv2d": 0, "batch_normalization": 0, "dense": 0}
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            prefix = _next_name("conv2d", counts)
            yield f"{prefix}/kernel", {"to": f"{name}.weight", "permute": [3, 2, 0, 1]}
        elif isinstance(layer, nn.BatchNorm2d):
            prefix = _next_name("batch_normalization", counts)
            yield f"{prefix}/gamma", f"{name}.weight"
            yield f"{prefix}/beta", f"{name}.bias"
            yield f"{prefix}/moving_mean", f"{name}.running_mean"
            yield f"{prefix}/moving_variance", f"{name}.running_var"
        elif isinstance(layer, nn.Linear):
            prefix = _next_name("dense", counts)
            yield f"{prefix}/kernel", {"to": f"{name}.weight", "permute": [1, 0]}
            yield f"{prefix}/bias", f"{name}.bias"


def _next_name(kind: str, counts: dict[str, int]) -> str:
    """Return `conv2d`, then `conv2d_1`, `conv2d_2`, ...: layers are counted from 0."""
    count = counts[kind]
    counts[kind] += 1
    return f"{kind}_{count}" if count else kind


def main(
    out: Annotated[Path, typer.Argument(help="The JSON file for `vog score --names`.")],
    scope: Annotated[str, typer.Option(help="What stands before all names, as `model/`.")] = "",
) -> None:
    """Write the names of the variables of TensorFlow's ResNet-50."""
    out.write_text(json.dumps(names_of(build(), scope), indent=1), encoding="utf-8")


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
