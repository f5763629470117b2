"""Which score finds which fault: flips, near-duplicates, corruptions and images of no class.

python experiments/kinds.py --data mnist10k.npz --out runs/kinds

For the seeds 0, 1 and 2 `vog.plant` flips the labels of 5 % of 8,000 digits of MNIST, adds near-
duplicates of 2 % and images of no class, 2 %, and corrupts 5 % by noise, blur and occlusion. The
network of experiments/mnist.py is trained on all of it for 12 epochs, one checkpoint an epoch, and
`vog.verify` says which score finds what. In the end there are `table.md`, by kind and score the
AUROC with 95 % intervals of Student's t over the seeds, and `kinds.png`, of the first seed.

Expected, written before the first run: flips as in experiments/labels.py. Corrupted digits and
images of no class are hard by loss, EL2N and entropy (AUROC 0.7 to 0.95), images of no class more
so, as their labels are random; VoG of noise is high, as it was for noise that was not trained on.
Near-duplicates are seen twice and so are easier than others by every score: 0.4 to 0.5.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import vog
from mnist import Digits, build, split, train_net
from tables import row, spread
from vog.analysis.detection.planted_faults import Verification
from vog.cli import run_command
from vog.figures import charts
from vog.files.writing import make_folder, write_text

SEEDS, EPOCHS = (0, 1, 2), 12
KINDS = ("flip", "duplicate", "corrupt", "outside")
SHOWN = ("combination", "aum", "loss", "el2n", "confidence", "entropy", "variability", "forgetting",
         "volg", "csg", "grand", "grad_norm", "vog")  # fmt: skip


def main(
    data: Annotated[Path, typer.Option(help="An .npz with `images` and `labels`, as MNIST.")],
    out: Annotated[Path, typer.Option(help="A folder for everything that is made.")],
) -> None:
    """Plant, train, score, verify."""
    train, test = split(data)
    verifications = [verify_seed(train, test, seed, out / f"seed-{seed}") for seed in SEEDS]
    write_text(out / "table.md", table(verifications))
    typer.echo(out / "table.md")
    typer.echo(charts.save_chart(charts.detection(verifications[0]), out / "kinds.png"))


def verify_seed(train: Digits, test: Digits, seed: int, folder: Path) -> Verification:
    """Train once on planted digits and verify; a second call continues."""
    typer.echo(f"seed {seed}")
    make_folder(folder)
    record = vog.plant(
        (train.images, train.labels),
        folder / "planted",
        flip=0.05,
        duplicate=0.02,
        corrupt=0.05,
        outside=0.02,
        seed=seed,
        quiet=True,
    )
    with np.load(folder / "planted" / "data.npz") as file:
        planted = Digits(file["inputs"], file["labels"].astype(np.int64))
    train_net(folder, planted, test, seed, EPOCHS, True, 5e-4, EPOCHS)
    run = vog.score(
        build, folder / "checkpoints", folder / "planted" / "data.npz", folder / "run", scores="all"
    )
    return vog.verify(run, record, quiet=True)


def table(verifications: list[Verification]) -> str:
    """Return the AUROC over seeds for each score over all checkpoints and each kind."""
    text = row("score", *KINDS) + row(*["---"] * (1 + len(KINDS)))
    for score in SHOWN:
        cells = [
            spread(
                [
                    next(
                        o.auroc.value
                        for o in verification.detections_of(kind, "all")
                        if o.score == score
                    )
                    for verification in verifications
                ],
                2,
            )
            for kind in KINDS
        ]
        text += row(f"`{score}`", *cells)
    return text


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
