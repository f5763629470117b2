"""Commands that read a run folder, or say what the scores are."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options, show
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
    safe_csv: options.SafeCsv = False,
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
    show.table(rows, form, safe_csv=safe_csv)
    show.unfinished(opened)
    show.agreement(opened)


def export(
    run: RunFolder,
    out: Annotated[Path, options.written("The file to write.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, parquet or jsonl, the rows as they are; or what a tool reads: cleanlab "
            "(.csv), fiftyone (.json), label-studio (.json and .xml), weights (.npy, of "
            "scikit-learn). Default: what the ending says.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns with commas between, derived ones too. Default: all stored; for a tool, "
            "the scores over all checkpoints. weights takes one, and weighs by its hardness."
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Where the image files are, if they have moved.")
    ] = None,
    planted: Annotated[
        Path | None,
        typer.Option(help="A folder of `vog plant`, to calibrate what is said of the labels."),
    ] = None,
    url_prefix: Annotated[
        str | None,
        typer.Option(
            help="For label-studio: what stands before the path of an image. Default: "
            "/data/local-files/?d=FOLDER/, FOLDER being the name of the folder of the images."
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="For label-studio: only so many, the likeliest errors first."),
    ] = None,
    safe_csv: options.SafeCsv = False,
) -> None:
    r"""Write the rows of RUN to one file, as they are or as another tool reads them.

    Example:
      vog export scores/a --out tasks.json --format label-studio --count 200
    """
    import vog
    from vog.exports import export as save
    from vog.result.planted import load

    opened = vog.open(run)
    how = {
        "root": root,
        "planted": None if planted is None else load(planted),
        "url_prefix": url_prefix,
        "count": count,
        "safe_csv": safe_csv or None,
    }
    given = {name: value for name, value in how.items() if value is not None}
    save(opened, out, form, options.words(columns), **given)
    typer.echo(f"{out}: {min(count or opened.rows, opened.rows):,} rows")
    show.unfinished(opened)
    if form in ("fiftyone", "label-studio") and planted is None:
        from vog.analysis.suspects import verdict_or_why

        found, why = verdict_or_why(opened)
        if why := why or (found and found.why):
            typer.echo(f"Without a verdict on the labels: {why}", err=True)
    if form == "label-studio":
        typer.echo(f"{out.with_suffix('.xml')}: the labelling interface")


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
