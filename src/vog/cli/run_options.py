"""Arguments and options of commands that read runs, and functions that open a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vog.cli import printing
from vog.cli.printing import TableFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vog.result import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A folder written by `vog score`.")]
PrintedAs = Annotated[TableFormat, typer.Option("--format", help="The form of the printed table.")]
Classes = Annotated[
    Path | None,
    typer.Option(help='A file of lines such as 18: "magpie", if the data have no class names.'),
]
RunFolders = Annotated[
    list[Path],
    typer.Argument(metavar="RUN RUN...", help="Two or more folders written by `vog score`."),
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
        "show its items. A function that only the run names is not imported.",
    ),
]
PlantedFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="PLANTED",
        help="The folder of `vog plant`, if RUN was trained on it: its flips calibrate the "
        "verdict, its threshold samples set AUM's cut-off. Default: judge by probabilities out of "
        "sample, or else by the tail of doubts.",
    ),
]


def open_named_run(folder: Path, classes: Path | None) -> "Run":
    """Return a run, with class names from a file; print a note if it is not finished."""
    import vog
    from vog.result.class_names import read_class_names

    run = vog.open(folder)
    printing.warn_unfinished(run)
    return run if classes is None else run.with_label_names(read_class_names(classes))


def open_runs(folders: list[Path]) -> "list[Run]":
    """Return several runs; print a note for each that is not finished."""
    import vog

    runs = [vog.open(folder) for folder in folders]
    for run in runs:
        printing.warn_unfinished(run)
    return runs


def print_left_out(left_out: dict[str, int], err: bool = True) -> None:
    """Print how many rows of each run are not in all runs."""
    for name, count in left_out.items():
        if count:
            typer.echo(
                f"{name} has {count:,} rows that are not in all runs. They are left out.", err=err
            )


def warn_of_other_data(names: "Sequence[str]") -> None:
    """Warn about runs of different data, whose rows were matched by number for want of ids."""
    if names:
        typer.echo(
            f"Warning: the data of {', '.join(names)} are not those of the first run, and rows "
            f"were matched by their number. Only with ids could the same examples be matched.",
            err=True,
        )


def warn(sentence: str) -> None:
    """Write a warning to stderr."""
    typer.echo(f"Warning: {sentence}", err=True)
