"""Commands that read a run folder, or say what the scores are."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import show
from vog.cli.show import TableFormat

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A folder written by `vog score`.")]
PrintedAs = Annotated[TableFormat, typer.Option("--format", help="How the table is printed.")]


def top(
    run: RunFolder,
    by: Annotated[
        str | None,
        typer.Option(
            help="Column to sort by, as vog@late or vog@late:class (also :robust, :rank). "
            "Default: vog@all:class, or the first score if there is no vog. "
            "Which end is hard is known for each score.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 25,
    easiest: Annotated[bool, typer.Option("--easiest", help="The other end.")] = False,
    label: Annotated[
        str | None, typer.Option(help="Only examples of this class, by name or number.")
    ] = None,
    form: PrintedAs = TableFormat.TABLE,
) -> None:
    r"""List the hardest examples of RUN.

    Example:
      vog top scores/a --by vog@late:class --label magpie --count 25
    """
    import vog

    opened = vog.open(run)
    rows = opened.top(count, by=by, label=label, easiest=easiest).to_pylist()
    silent = {n for n in ("problem", "label_name") if all(row.get(n) is None for row in rows)}
    silent.add("index")  # the id is enough for people; the library gives both
    rows = [{key: value for key, value in row.items() if key not in silent} for row in rows]
    show.table(rows, form)
    show.unfinished(opened)


def export(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    form: Annotated[
        str | None,
        typer.Option("--format", help="csv, parquet or jsonl; default: what the ending says."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns with commas between, derived ones too; default: all stored."),
    ] = None,
) -> None:
    r"""Write the rows of RUN to one file.

    Example:
      vog export scores/a --out scores.csv
    """
    import vog

    opened = vog.open(run)
    names = columns.split(",") if columns else None
    opened.export(out, form, names)
    typer.echo(f"{out}: {opened.rows:,} rows")


def scores(form: PrintedAs = TableFormat.TABLE) -> None:
    r"""List the scores: what each needs, what a high value means, its range and source.

    Example:
      vog scores
    """
    from vog.scores import SCORES

    rows = [
        {
            "score": score.name,
            "higher is": score.higher_means,
            "range": "[{:.3g}, {:.3g}]".format(*score.range),
            "unit": score.unit,
            "needs": ", ".join(sorted(score.needs)),
            "source": score.source,
        }
        for score in SCORES.values()
    ]
    show.table(rows, form)
