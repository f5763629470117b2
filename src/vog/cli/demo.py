"""The command for the experiment with digits and flipped labels."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options, printing


def demo(
    out: Annotated[Path, options.written("A folder for everything the demo makes.")] = Path("demo"),
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    r"""Train on real digits with 5 % flipped labels, score them, and see which score finds them.

    Example:
      vog demo --out demo
    """
    from vog.experiments import demo as experiment

    made = experiment.run_demo(
        out, quiet, tell=lambda text: None if quiet else typer.echo(f"{text} ...", err=True)
    )
    typer.echo("\nThe hardest digits by VoG within their class\n")
    printing.print_aligned(made.hardest.to_pylist())
    typer.echo(
        f"\nHow well each score finds the {made.flipped} flipped labels among {made.examples:,} "
        f"(AUROC: 0.5 is chance, 1 is perfect), with 95 % intervals\n"
    )
    printing.print_aligned(
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
