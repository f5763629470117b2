"""The command line: each command calls one library function and prints where the result is.

No command computes anything, so whatever the command line can do, the library can.
Heavy imports are inside the commands: `vog --help` must not wait for torch.
"""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from vog.cli import (
    analyze,
    combine,
    compare,
    demo,
    export,
    folds,
    form_flags,
    gradients,
    grid,
    import_gradients,
    options,
    plant,
    report,
    score,
    scores,
    select,
    streams,
    suspects,
    top,
    toy,
    verify,
    view,
)
from vog.errors import VogError
from vog.wording import for_command_line

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug shows a traceback that can be searched for
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("score", cls=options.ManyCheckpoints)(score.score)
app.command("top")(top.top)
app.command("export", cls=form_flags.FormsCommand)(export.export)
app.command("analyze")(analyze.analyze)
app.command("grid")(grid.grid)
app.command("report")(report.report)
app.command("view", cls=options.ManyCheckpoints)(view.view)
app.command("compare")(compare.compare)
app.command("combine")(combine.combine)
app.command("folds")(folds.folds)
app.command("plant")(plant.plant)
app.command("verify")(verify.verify)
app.command("suspects")(suspects.suspects)
app.command("select")(select.select)
app.command("gradients", cls=options.ManyCheckpoints)(gradients.gradients)
app.command("import")(import_gradients.import_gradients)
app.command("scores")(scores.scores)
app.command("demo")(demo.demo)
app.command("toy")(toy.toy)


def _version(requested: bool) -> bool:
    if requested:
        from importlib.metadata import version

        typer.echo(f"vog {version('vog')}")
        raise typer.Exit
    return requested


@app.callback()
def _vog(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find the hard, the odd and the wrong examples of a dataset, from saved checkpoints."""


def main() -> None:
    """Run the command `vog`."""
    run_command(app)


def run_command(command: Callable[[], object]) -> None:
    """Run a command. A user's mistake prints a message and exits with 1, a bug a traceback."""
    streams.escape_unprintable_text()
    try:
        with streams.report_unwritable_output(), for_command_line():
            command()
    except VogError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # `vog top ... | head`
        sys.stderr.close()
        sys.exit(141)
