"""Commands for the experiments that need no data of the user's."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import show


def demo(
    out: Annotated[Path, typer.Option(help="A folder for everything the demo makes.")] = Path(
        "demo"
    ),
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
        f"(AUROC: 0.5 is chance, 1 is perfect)\n"
    )
    show.for_people([{"score": name, "AUROC": f"{v:.3f}"} for name, v in made.auroc.items()])
    typer.echo(
        f"\nVoG tells which examples are hard for the model, not which labels are wrong.\n\n"
        f"test accuracy    {made.test_accuracy:.1%}\n"
        f"run              {made.run.folder}\n"
        f"grid             {made.grid}\n"
        f"error by decile  {made.chart}\n\n"
        f"The scoring alone, as you would do it on your own work:\n  {made.command}"
    )
