"""The command that serves the viewer of a run."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options
from vog.cli.run_options import Classes, Data, Root, RunFolder, open_named_run, warn

if TYPE_CHECKING:
    from vog.result import Run
    from vog.viewer.on_demand import InspectedExample, Inspection


def view(
    run: RunFolder,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Any other lets other people in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for a free one.")] = 8765,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="One more host name to accept, such as of a proxy or a tunnel in front. May be "
            "given several times.",
        ),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    classes: Classes = None,
    root: Root = None,
    data: Data = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="For VoG maps. Default: the model of the run."),
    ] = None,
    model_arg: options.ModelArg = None,
    checkpoints: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC...", help="For VoG maps, if they moved; as in `vog score`."),
    ] = None,
    transform: options.Transform = None,
    read: options.Read = None,
    names: options.Names = None,
    device: options.Device = "auto",
) -> None:
    r"""Look at every row of RUN in the browser: sort, filter, compare, and mark what is wrong.

    The VoG map of an example and its values at each checkpoint are computed on request; the page
    names the functions that this runs. Marks are stored in RUN.

    Example:
      vog view scores/a --port 8765
    """
    from vog import viewer
    from vog.viewer.request_guard import is_local

    opened_run = open_named_run(run, classes)
    settings = {
        "model": model,
        "checkpoints": checkpoints,
        "model_args": options.parse_keywords(model_arg) or None,
        "data": data,
        "root": root,
        "transform": transform,
        "read": read,
        "names": names,
        "device": device,
    }
    if not is_local(host):
        typer.echo(
            f"Whoever reaches {host} can see the examples and change the marks, without a "
            f"password. From another computer, open it by the IP address of this one.",
            err=True,
        )
    viewer.serve(
        opened_run,
        host,
        port,
        show=not no_open,
        root=root,
        data=data,
        inspection=_make_inspection(opened_run, settings),
        tell=lambda address: typer.echo(f"{run} at {address}   (Ctrl-C stops it)"),
        warn=warn,
        allow_host=allow_host or (),
    )


def _make_inspection(run: "Run", settings: dict[str, Any]) -> "Inspection":
    """Return what computes examples again; torch is imported at the first request."""
    from vog.viewer.on_demand import inspection

    @cache
    def inspector() -> "Callable[[int], InspectedExample]":
        from vog.inspection import inspector

        return inspector.inspector(run, **settings)

    return inspection(run, settings, lambda index: inspector()(index))
