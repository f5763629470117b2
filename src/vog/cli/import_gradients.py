"""The command that scores stored gradients."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options, printing


def import_gradients(
    folder: Annotated[
        Path, typer.Argument(help="A folder of weight_STEP/grad_NNNNN.npy, ground_truth.npy, ...")
    ],
    out: options.OutFolder,
    stages: options.Stages = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    r"""Score gradients that were stored in the layout of the VoG authors.

    Example:
      vog import train_results --out scores/imagenet
    """
    from vog.gradients.score_stored import import_stored

    with options.explain_interruption(overwrite):
        run = import_stored(folder, out, stages, overwrite, quiet)
    if not quiet:
        printing.print_problem_rows(run)
        typer.echo(f"{out}: {run.rows:,} rows. Next: vog top {out}")
