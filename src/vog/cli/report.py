"""The command that writes the report of a run."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options
from vog.cli.run_options import Classes, Data, Root, RunFolder, open_named_run, warn


def report(
    run: RunFolder,
    out: Annotated[Path, options.output("The page to write, .html.")] = Path("report.html"),
    by: Annotated[
        str | None, typer.Option(help="A score column. Default: vog@all:class, as for `vog top`.")
    ] = None,
    figures: Annotated[
        Path | None, options.output("A folder to save each chart in, as PNG and SVG.")
    ] = None,
    token_maps: Annotated[
        bool,
        typer.Option(
            "--token-maps",
            help="Colour the tokens of the texts that are shown by how much the gradient varies "
            "there. It runs the model.",
        ),
    ] = False,
    stage: options.VerdictStage = None,
    classes: Classes = None,
    root: Root = None,
    data: Data = None,
    quiet: options.Quiet = False,
) -> None:
    r"""Write the results of RUN as one page, which opens offline and can be sent to anybody.

    It shows galleries, errors by decile, the data map, stages, classes, the agreement of the
    scores, likely label errors, and what each column means.

    Example:
      vog report scores/a --out report.html --figures figures
    """
    from vog.reporting.page import report as write

    opened_run = open_named_run(run, classes)
    inspect = None
    if token_maps:
        from vog.inspection.inspector import inspector

        inspect = inspector(opened_run, data=data, root=root)
    path = write(opened_run, out, by, root, data, figures, quiet, warn, stage, inspect)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:,.1f} MB")
    if figures is not None:
        typer.echo(f"{figures}: the charts as PNG and SVG")
