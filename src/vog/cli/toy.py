"""The command for the experiment with two-dimensional blobs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vog.cli import options


def toy(
    out: Annotated[
        Path, options.output("A folder for checkpoints, run, figures and toy.json.")
    ] = Path("toy"),
    split: Annotated[
        Literal["train", "test"], typer.Option(help="The 450 training or the 50 test points.")
    ] = "test",
    mode: Annotated[
        Literal["early", "middle", "late", "complete"],
        typer.Option(help="Epochs 1 to 5, 6 to 10, 11 to 15, or all of them."),
    ] = "early",
    vog_cal: Annotated[
        Literal["raw", "normalize", "abs_normalize"],
        typer.Option(
            "--vog-cal",
            "--vog_cal",
            help="VoG as it is, standardised within the class, or the absolute value of that, "
            "by which the easiest points count as hard, too.",
        ),
    ] = "normalize",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    r"""Score two-dimensional blobs under a linear network: VoG is high near its boundary.

    It differentiates the probability of the label, as the authors' script does, and not its logit:
    the network is linear, so the gradient of a logit is the same for every example of a class, and
    VoG of the logit would be the same for all of them.

    Example:
      vog toy --split test --mode complete --out toy
    """
    from vog.experiments import toy as experiment

    result = experiment.run_toy(out, split, mode, vog_cal, quiet)
    typer.echo(
        f"accuracy   {result.train_accuracy:.1%} of the training, {result.test_accuracy:.1%} of "
        f"the test points\n"
        f"Spearman   {result.spearman:.3f} between VoG ({split}, {mode}, {vog_cal}) and the "
        f"distance to the boundary\n"
        f"run        {result.run.folder}\n"
        f"summary    {result.summary}"
    )
    for figure in result.figures:
        typer.echo(f"figure     {figure}")
