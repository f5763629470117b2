"""The command that lists the hardest examples of a run."""

from typing import Annotated

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs, RunFolder


def top(
    run: RunFolder,
    by: Annotated[
        str | None,
        typer.Option(
            help="Column to sort by, such as vog@late or vog@late:class (also :robust, :rank); a "
            "bare score is that of all checkpoints. "
            "Default: vog@all:class, or the first score if there is no vog. "
            "It is known which end of each score is hard.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 25,
    easiest: Annotated[bool, typer.Option("--easiest", help="List the easiest instead.")] = False,
    label: Annotated[
        str | None, typer.Option(help="Only examples of this class, by name or number.")
    ] = None,
    form: PrintedAs = TableFormat.TABLE,
    safe_csv: options.SafeCsv = False,
) -> None:
    r"""List the hardest examples of RUN.

    Example:
      vog top scores/a --by vog@late:class --label magpie --count 25
    """
    import vog
    from vog.figures.row_texts import with_texts

    opened_run = vog.open(run)
    rows = opened_run.top(count, by=by, label=label, easiest=easiest).to_pylist()
    numbers = [row["index"] for row in rows]
    hidden = {n for n in ("problem", "label_name") if all(row.get(n) is None for row in rows)}
    hidden.add("index")  # the id is enough for people; the library gives both
    rows = [{key: value for key, value in row.items() if key not in hidden} for row in rows]
    if form is TableFormat.TABLE:
        rows = with_texts(opened_run, rows, numbers)
    printing.print_table(rows, form, safe_csv=safe_csv)
    printing.warn_unfinished(opened_run)
    printing.warn_label_agreement(opened_run)
