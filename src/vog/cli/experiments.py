"""Commands for the experiments that need no data of the user's."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vog.cli import options, show


def demo(
    out: Annotated[Path, options.written("A folder for everything the demo makes.")] = Path("demo"),
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    r"""Train on real digits with 5 % flipped labels, score them, and see which score finds them.

    Example:
      vog demo --out demo
    """
    from vog.experiments import demo as experiment

    made = experiment.run(
        out, quiet, tell=lambda text: None if quiet else typer.echo(f"{text} ...", err=True)
    )
    typer.echo("\nThe hardest digits by VoG within their class\n")
    show.for_people(made.hardest.to_pylist())
    typer.echo(
        f"\nHow well each score finds the {made.flipped} flipped labels among {made.examples:,} "
        f"(AUROC: 0.5 is chance, 1 is perfect), with 95 % intervals\n"
    )
    show.for_people(
        [
            {
                "score": one.score,
                "AUROC": f"{one.auroc.value:.3f} [{one.auroc.low:.3f}, {one.auroc.high:.3f}]",
                f"flipped among the {made.flipped} hardest": f"{one.precision.value:.0%}",
            }
            for one in made.verified.of("flip", "all")
        ]
    )
    typer.echo(
        f"\nVoG tells which examples are hard for the model, not which labels are wrong.\n\n"
        f"The verdict, which does not know what was flipped: {made.suspects} labels are suspects, "
        f"{made.found} of them\nare among the {made.flipped} flipped ones; about a tenth was "
        f"expected to be right.\n  vog suspects {made.run.folder}\n"
        f"With flips to learn from, its probabilities are calibrated:\n"
        f"  vog suspects {made.run.folder} --planted {made.planted}\n\n"
        f"test accuracy    {made.test_accuracy:.1%}\n"
        f"run              {made.run.folder}\n"
        f"grid             {made.grid}\n"
        f"error by decile  {made.chart}\n"
        f"which score      {made.which}\n"
        f"report           {made.report}   (open it in a browser)\n\n"
        f"Every digit, to sort, compare and mark in a browser:\n  vog view {made.run.folder}\n\n"
        f"The scoring alone, as you would do it on your own work:\n  {made.command}"
    )


def toy(
    out: Annotated[
        Path, options.written("A folder for checkpoints, run, figures and toy.json.")
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
            "which takes the easiest points for hard ones too.",
        ),
    ] = "normalize",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    r"""Score two-dimensional blobs under a linear network: VoG is high near its boundary.

    What is differentiated is the probability of the label, as in the authors' script, and not its
    logit: the network is linear, so the gradient of a logit is the same for every example of a
    class, and VoG of the logit could not tell one point from another.

    Example:
      vog toy --split test --mode complete --out toy
    """
    from vog.experiments import toy as experiment

    made = experiment.run(out, split, mode, vog_cal, quiet)
    typer.echo(
        f"accuracy   {made.train_accuracy:.1%} of the training, {made.test_accuracy:.1%} of the "
        f"test points\n"
        f"Spearman   {made.spearman:.3f} between VoG ({split}, {mode}, {vog_cal}) and the distance "
        f"to the boundary\n"
        f"run        {made.run.folder}\n"
        f"summary    {made.summary}"
    )
    for figure in made.figures:
        typer.echo(f"figure     {figure}")
