"""Arguments and options that commands for written runs share, and how such a run is opened."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vog.cli import printing
from vog.cli.printing import TableFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vog.result import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A folder written by `vog score`.")]
PrintedAs = Annotated[TableFormat, typer.Option("--format", help="How the table is printed.")]
Classes = Annotated[
    Path | None,
    typer.Option(help='A file of lines as 18: "magpie", where the data have no names of classes.'),
]
RunFolders = Annotated[
    list[Path], typer.Argument(metavar="RUN RUN...", help="Two folders or more of `vog score`.")
]
Root = Annotated[
    Path | None,
    typer.Option(help="Where the images, the .npz or the stored gradients are, if they moved."),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="Where the data are, if they moved; or file.py:function that returns the dataset, to "
        "show its items. Nothing that only the run names is imported for this.",
    ),
]
PlantedFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="PLANTED",
        help="What `vog plant` wrote, if RUN was trained on it: its flips calibrate, its threshold "
        "samples give AUM's cut-off. Default: probabilities out of sample, or the tail of doubts.",
    ),
]


def open_named_run(folder: Path, classes: Path | None) -> "Run":
    """Open a run, say so if it is not finished, and name its classes by a file."""
    import vog
    from vog.result.class_names import read_class_names

    run = vog.open(folder)
    printing.warn_unfinished(run)
    return run if classes is None else run.named(read_class_names(classes))


def open_runs(folders: list[Path]) -> "list[Run]":
    """Open several runs, and say which are not finished."""
    import vog

    runs = [vog.open(folder) for folder in folders]
    for run in runs:
        printing.warn_unfinished(run)
    return runs


def print_left_out(left_out: dict[str, int], err: bool = True) -> None:
    """Say how many rows each run has that not all have."""
    for name, count in left_out.items():
        if count:
            typer.echo(
                f"{name} has {count:,} that are not in all runs, which are left out.", err=err
            )


def warn_of_other_data(names: "Sequence[str]") -> None:
    """Warn where runs without ids of their own are of different data."""
    if names:
        typer.echo(
            f"Warning: the data of {', '.join(names)} are not those of the first run, and rows "
            f"were matched by their number. Ids of their own would tell which are the same.",
            err=True,
        )


def warn(sentence: str) -> None:
    """Write a warning to stderr."""
    typer.echo(f"Warning: {sentence}", err=True)
