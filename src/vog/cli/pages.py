"""Commands that make or serve pages: report, view."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options
from vog.cli.analyze import Classes, opened
from vog.cli.read import RunFolder

if TYPE_CHECKING:
    from vog.figures.viewer.inspection import Inspected, Inspection
    from vog.result import Run

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


def report(
    run: RunFolder,
    out: Annotated[Path, options.written("The page to write, .html.")] = Path("report.html"),
    by: Annotated[
        str | None, typer.Option(help="A score column. Default: vog@all:class, as for `vog top`.")
    ] = None,
    figures: Annotated[
        Path | None, options.written("A folder to save each chart in, as PNG and SVG.")
    ] = None,
    stage: options.VerdictStage = None,
    classes: Classes = None,
    root: Root = None,
    data: Data = None,
    quiet: options.Quiet = False,
) -> None:
    r"""Write one page that says what RUN found; it opens offline and can be sent to anybody.

    Galleries, errors by decile, the data map, stages, classes, whether the scores agree, likely
    label errors, and what each column means.

    Example:
      vog report scores/a --out report.html --figures figures
    """
    from vog.figures.report import report as write

    path = write(opened(run, classes), out, by, root, data, figures, quiet, _warn, stage)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:,.1f} MB")
    if figures is not None:
        typer.echo(f"{figures}: the charts as PNG and SVG")


def view(
    run: RunFolder,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Any other lets others in, unasked.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8765,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="One more name that it may be opened by, as that of a proxy or a tunnel in front "
            "of it. May be given several times.",
        ),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    classes: Classes = None,
    root: Root = None,
    data: Data = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="For VoG maps; default: what the run was scored with."),
    ] = None,
    model_arg: options.ModelArg = None,
    checkpoints: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC...", help="For VoG maps, if they moved: as for `vog score`."),
    ] = None,
    transform: options.Transform = None,
    read: options.Read = None,
    device: options.Device = "auto",
) -> None:
    r"""Look at every row of RUN in the browser: sort, filter, compare, and mark what is wrong.

    The VoG map of an example and its course over training are computed when they are asked for;
    the page names the functions that this runs. Marks are kept in RUN.

    Example:
      vog view scores/a --port 8765
    """
    from vog.figures import viewer
    from vog.figures.viewer.guard import is_local

    found = opened(run, classes)
    asked = {
        "model": model,
        "checkpoints": checkpoints,
        "model_args": options.keywords(model_arg) or None,
        "data": data,
        "root": root,
        "transform": transform,
        "read": read,
        "device": device,
    }
    if not is_local(host):
        typer.echo(
            f"Whoever reaches {host} can see the examples and change the marks: nobody is asked "
            f"for a password. From elsewhere it is opened by the number of this machine's address.",
            err=True,
        )
    viewer.serve(
        found,
        host,
        port,
        show=not no_open,
        root=root,
        data=data,
        inspection=_inspection(found, asked),
        tell=lambda address: typer.echo(f"{run} at {address}   (Ctrl-C stops it)"),
        warn=_warn,
        allow_host=allow_host or (),
    )


def _warn(said: str) -> None:
    typer.echo(f"Warning: {said}", err=True)


def _inspection(run: "Run", asked: dict[str, Any]) -> "Inspection":
    """How examples are computed again; torch is imported when somebody asks for it."""
    from vog.figures.viewer.inspection import inspection

    @cache
    def inspector() -> "Callable[[int], Inspected]":
        from vog.sweep import inspect

        return inspect.inspector(run, **asked)

    return inspection(run, asked, lambda index: inspector()(index))
