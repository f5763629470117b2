"""What fewer checkpoints and bfloat16 cost: how well VoG ranks as with everything, by stage.

python benchmarks/approximation.py --out runs/approximation --data mnist10k.npz

scores the digits of the demo, and the first 8,000 of an `.npz` of 28 x 28 digits where there is
one, with all checkpoints, with K of each stage, and in bfloat16. Of each stage: Spearman's
correlation with the whole; the scale; and, for candidates that would be scored again with all
checkpoints, the share of the true top tenth among them and the cost of both passes, as a share of
one pass with everything. NOTES.md says what was made of it.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import nn
from torch.nn import functional as F

import vog
from vog.analysis.one_run.correlation import spearman
from vog.cli import run_command
from vog.experiments import demo
from vog.files.writing import make_folder

EPOCHS, BATCH, EXAMPLES = 24, 128, 8000
PER_STAGE, REFINED = (2, 3, 4), (0.1, 0.15, 0.2, 0.3, 0.5)


def build() -> nn.Module:
    """Three convolutions with batch normalisation: 28 x 28 to ten logits."""
    layers: list[nn.Module] = []
    for inside, outside in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if outside < 64 else [nn.AdaptiveAvgPool2d(3)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(576, 10))


def train(inputs: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """A checkpoint after each epoch; nothing where they are there."""
    if (folder / f"epoch-{EPOCHS - 1}.pt").exists():
        return
    make_folder(folder)
    torch.manual_seed(0)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    x, y = torch.from_numpy(inputs), torch.from_numpy(labels)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        schedule.step()
        torch.save(model.state_dict(), folder / f"epoch-{epoch}.pt")


def compare(name: str, out: Path, words: dict[str, Any]) -> None:
    """Print what each way of leaving something out does to VoG of each stage."""

    def values(label: str, **more: Any) -> dict[str, np.ndarray]:
        folder = out / f"{name}-{label}"
        table = vog.score(**words, out=folder, scores="vog", overwrite=True, quiet=True, **more)
        columns = table.table()
        return {one: columns[one].to_numpy() for one in table.score_columns}

    whole, halved = values("whole"), values("bfloat16", precision="bfloat16")
    count = len(list(Path(words["checkpoints"]).iterdir()))
    for column, exact in whole.items():
        typer.echo(f"{name} {column}: bfloat16 {spearman(halved[column], exact):.4f}")
    for each in PER_STAGE:
        few = values(f"{each}", checkpoints_per_stage=each)
        share = len(vog.open(out / f"{name}-{each}").question["checkpoints"]) / count
        for column, exact in whole.items():
            top = set(np.argsort(-exact)[: len(exact) // 10].tolist())
            found = np.argsort(-few[column]).tolist()
            refined = [
                f"{part:.0%}: {len(top & set(found[: round(part * len(exact))])) / len(top):.2f} "
                f"at {share + part * (1 - share):.2f}"
                for part in REFINED
            ]
            scale = np.median(few[column]) / np.median(exact)
            typer.echo(
                f"{name} {column}, {each} a stage ({share:.2f} of the cost): "
                f"{spearman(few[column], exact):.3f}, scale {scale:.2f}; {', '.join(refined)}"
            )


def main(
    out: Annotated[Path, typer.Option(help="A folder for checkpoints and runs.")],
    data: Annotated[
        Path | None, typer.Option(help="An .npz of digits: images [n, 28, 28], labels.")
    ] = None,
) -> None:
    """Compare on the digits of the demo, and on those of a file."""
    demo.run_demo(out / "demo", quiet=True)
    digits = {"model": demo.build, "data": out / "demo" / "digits.npz"}
    compare("digits", out, digits | {"checkpoints": out / "demo" / "checkpoints"})
    if data is None:
        return
    with np.load(data) as file:
        inputs = (file["images"][:EXAMPLES, None] / 255).astype(np.float32)
        labels = file["labels"][:EXAMPLES].astype(np.int64)
    train(inputs, labels, out / "checkpoints")
    words = {"model": build, "data": (inputs, labels), "checkpoints": out / "checkpoints"}
    compare("MNIST", out, words)


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
