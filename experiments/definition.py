"""The definition: how much each variant of VoG changes the ranking.

python experiments/definition.py --gradients train_results --published vog_late.npy --checkpoints runs/imagenet --data list.txt --root photographs --out runs/definition

First on the gradients that the authors published with their scores (the layout of `vog gradients`):
every variant that appears in the paper's formula or in public code, recomputed with NumPy and compared
with VoG by Spearman's correlation, and VoG itself compared with the published scores. Then on
checkpoints of `experiments/imagenet.py`: VoG of other targets, and with colours kept apart.

Expected, written before the first run: the published scores within 1e-6; one sample more or less in the
denominator changes values by a factor and no rank; the formula as printed ranks at 0.98 to 0.99, the
mean absolute gradient of one late checkpoint above 0.95; loss and probability, which are scaled by how
wrong the network is, rank quite differently.
"""  # noqa: E501

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from jaxtyping import Float

import vog
from imagenet import build
from vog.analysis.one_run.correlation import spearman
from vog.cli import run_command
from vog.errors import DataError
from vog.files.writing import as_json, make_folder, write_text
from vog.gradients.layout import stored_checkpoints

Gradients = Float[np.ndarray, "checkpoints n h w"]


def main(
    gradients: Annotated[Path, typer.Option(help="weight_STEP folders of the authors.")],
    published: Annotated[Path, typer.Option(help="Their scores of the same examples, .npy.")],
    checkpoints: Annotated[Path, typer.Option(help="Made by experiments/imagenet.py.")],
    data: Annotated[Path, typer.Option(help="A list file of `path label` lines.")],
    root: Annotated[Path, typer.Option(help="What its paths are relative to.")],
    out: Annotated[Path, typer.Option(help="A folder for the runs and definition.json.")],
) -> None:
    """Print both tables, and write them to definition.json."""
    make_folder(out)
    results = {
        "published": difference_to_published(gradients, read_published(published)),
        "variants": variants(gradients),
        "targets": targets(checkpoints, data, root, out),
    }
    text = as_json(results)
    write_text(out / "definition.json", text)
    typer.echo(text)


def read_published(path: Path) -> Float[np.ndarray, "n"]:
    """Return the published scores."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"--published {path} cannot be read: {error}") from error


def difference_to_published(folder: Path, published: Float[np.ndarray, "n"]) -> dict[str, float]:
    """Return the largest relative difference between our scores and theirs."""
    ours = vog_of(read_gradients(folder))
    if ours.shape != published.shape:
        raise DataError(f"{len(ours)} examples have gradients; --published has {published.shape}.")
    return {"largest relative difference": float(np.abs(ours / published - 1).max())}


def read_gradients(folder: Path) -> Gradients:
    """Return all stored gradients in double precision."""
    steps = stored_checkpoints(folder)
    rows = range(len(steps[0].labels))
    return np.stack([[step.gradient(row) for row in rows] for step in steps]).astype(np.float64)


def vog_of(gradients: Gradients) -> Float[np.ndarray, "n"]:
    """Return VoG: the mean over pixels of the population standard deviation over checkpoints."""
    return gradients.std(axis=0).mean(axis=(1, 2))


def variants(folder: Path) -> dict[str, float]:
    """Return Spearman's correlation with VoG of the printed formula and of other variants."""
    gradients = read_gradients(folder)
    count = len(gradients)
    squares = ((gradients - gradients.mean(axis=0)) ** 2).sum(axis=0)
    summed = np.cumsum(gradients, axis=0)
    vog_scores = vog_of(gradients)
    variant_scores = {
        "as printed: sum of squares times sqrt(1/K)": squares.mean(axis=(1, 2)) / np.sqrt(count),
        "variance in place of standard deviation": gradients.var(axis=0).mean(axis=(1, 2)),
        "sample standard deviation (ddof 1)": gradients.std(axis=0, ddof=1).mean(axis=(1, 2)),
        "gradients that accumulate over checkpoints": vog_of(summed),
        "spread about zero, for the mean of a wrong window": np.sqrt(
            (gradients**2).mean(axis=0)
        ).mean((1, 2)),
        "spread of the mean over pixels": gradients.mean(axis=(2, 3)).std(axis=0),
        "mean absolute gradient": np.abs(gradients).mean(axis=(0, 2, 3)),
        "mean absolute gradient of the last checkpoint": np.abs(gradients[-1]).mean(axis=(1, 2)),
        "without the first checkpoint": vog_of(gradients[1:]),
        "without the last checkpoint": vog_of(gradients[:-1]),
    }
    return {name: spearman(vog_scores, values) for name, values in variant_scores.items()}


def targets(checkpoints: Path, data: Path, root: Path, out: Path) -> dict[str, float]:
    """Return Spearman's correlation of other targets with VoG of the label's logit."""

    def vog_of_target(target: str, channels: str) -> Float[np.ndarray, "n"]:
        run = vog.score(
            build,
            checkpoints,
            data,
            out / f"{target}-{channels}",
            root=root,
            scores="vog",
            target=target,
            channels="keep" if channels == "keep" else "mean",
        )
        return run.table(["vog@all"])["vog@all"].to_numpy().astype(np.float64)

    logit_scores = vog_of_target("logit", "mean")
    return {"colours kept apart": spearman(logit_scores, vog_of_target("logit", "keep"))} | {
        f"target {name}": spearman(logit_scores, vog_of_target(name, "mean"))
        for name in ("predicted", "probability", "loss")
    }


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
