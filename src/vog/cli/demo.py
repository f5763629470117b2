"""The command for the experiments with flipped labels: of digits, and of sentences."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vog.cli import options, printing

if TYPE_CHECKING:
    from vog.experiments.flipped_labels import Demo


def demo(
    out: Annotated[Path, options.output("A folder for everything the demo makes.")] = Path("demo"),
    kind: Annotated[
        Literal["digits", "text"],
        typer.Option(help="Digits, or sentences of documentation labelled with their topic."),
    ] = "digits",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    r"""Train on real data with 5 % flipped labels, score them, and see which score finds them.

    Example:
      vog demo --out demo
    """
    if kind == "text":
        from vog.experiments.text_demo import run_demo
    else:
        from vog.experiments.demo import run_demo

    result = run_demo(
        out, quiet, tell=lambda text: None if quiet else typer.echo(f"{text} ...", err=True)
    )
    typer.echo(f"\nThe hardest {result.noun} by VoG within their class\n")
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
    figures = "".join(f"{what:<17}{path}\n" for what, path in result.figures.items())
    typer.echo(
        f"\nVoG tells which examples are hard for the model, not which labels are wrong.\n\n"
        f"The verdict, which does not know what was flipped: {_verdict_text(result)}\n"
        f"  vog suspects {result.run.folder}\n"
        f"With flips to learn from, its probabilities are calibrated:\n"
        f"  vog suspects {result.run.folder} --planted {result.planted}\n\n"
        f"test accuracy    {result.test_accuracy:.1%}\n"
        f"run              {result.run.folder}\n"
        f"{figures}"
        f"report           {result.report}   (open it in a browser)\n\n"
        f"All {result.noun}, to sort, compare and mark in a browser:\n"
        f"  vog view {result.run.folder}\n\n"
        f"The scoring alone, as you would do it on your own work:\n  {result.command}"
    )


def _verdict_text(result: "Demo") -> str:
    if not result.suspects:
        return (
            f"how many labels are wrong\ncannot be told from this training. Of the "
            f"{result.flipped} labels that rank highest, {result.flipped_at_top} are flipped."
        )
    return (
        f"{result.suspects} labels are suspects, {result.flipped_suspects} of them\nare among the "
        f"{result.flipped} flipped ones; about a tenth was expected to be right."
    )
