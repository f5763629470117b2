"""The command for the experiment with digits and flipped labels."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options, printing


def demo(
    out: Annotated[Path, options.output("A folder for everything the demo makes.")] = Path("demo"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    r"""Train on real digits with 5 % flipped labels, score them, and see which score finds them.

    Example:
      vog demo --out demo
    """
    from vog.experiments import demo as experiment

    result = experiment.run_demo(
        out, quiet, tell=lambda text: None if quiet else typer.echo(f"{text} ...", err=True)
    )
    typer.echo("\nThe hardest digits by VoG within their class\n")
    printing.print_aligned(result.hardest.to_pylist())
    typer.echo(
        f"\nHow well each score finds the {result.flipped} flipped labels among "
        f"{result.examples:,} (AUROC: 0.5 is chance, 1 is perfect), with 95 % intervals\n"
    )
    printing.print_aligned(
        [
            {
                "score": row.score,
                "AUROC": f"{row.auroc.value:.3f} [{row.auroc.low:.3f}, {row.auroc.high:.3f}]",
                f"flipped among the {result.flipped} hardest": f"{row.precision.value:.0%}",
            }
            for row in result.verification.detections_of("flip", "all")
        ]
    )
    typer.echo(
        f"\nVoG tells which examples are hard for the model, not which labels are wrong.\n\n"
        f"The verdict, which does not know what was flipped: {result.suspects} labels are "
        f"suspects, {result.flipped_suspects} of them\nare among the {result.flipped} flipped "
        f"ones; about a tenth was expected to be right.\n  vog suspects {result.run.folder}\n"
        f"With flips to learn from, its probabilities are calibrated:\n"
        f"  vog suspects {result.run.folder} --planted {result.planted}\n\n"
        f"test accuracy    {result.test_accuracy:.1%}\n"
        f"run              {result.run.folder}\n"
        f"grid             {result.grid}\n"
        f"error by decile  {result.chart}\n"
        f"which score      {result.score_chart}\n"
        f"report           {result.report}   (open it in a browser)\n\n"
        f"Every digit, to sort, compare and mark in a browser:\n  vog view {result.run.folder}\n\n"
        f"The scoring alone, as you would do it on your own work:\n  {result.command}"
    )
