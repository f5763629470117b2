"""The command that writes the rows of a run to one file, as they are or for another tool."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options, printing
from vog.cli.form_flags import Context, options_of_flags
from vog.cli.run_options import RunFolder


def export(
    context: Context,
    run: RunFolder,
    out: Annotated[Path, options.output("The file to write.")],
    form: Annotated[
        # `FormsCommand` names the forms in the help.
        str | None, typer.Option("--format", help="The form of the file.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns, separated by commas; derived ones too. Default: all stored; for a tool, "
            "the scores over all checkpoints. weights takes one and uses its hardness."
        ),
    ] = None,
) -> None:
    r"""Write the rows of RUN to one file, as they are or as another tool reads them.

    Example:
      vog export scores/a --out tasks.json --format label-studio --count 200
    """
    import vog
    from vog.exports.registry import export_rows

    opened_run = vog.open(run)
    form_options = options_of_flags(context.obj)
    exported = export_rows(opened_run, out, form, options.split_list(columns), form_options)
    typer.echo(f"{out}: {exported.rows:,} rows")
    printing.warn_unfinished(opened_run)
    judged = exported.judged
    if exported.form.optional_verdict and judged.planted is None and judged.why_no_suspects:
        typer.echo(f"No verdict on the labels: {judged.why_no_suspects}", err=True)
    for line in exported.form.after(opened_run, out):
        typer.echo(line)
