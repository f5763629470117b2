"""The command that writes the rows of a run to one file, as they are or for another tool."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options, printing
from vog.cli.run_options import RunFolder


def export(
    run: RunFolder,
    out: Annotated[Path, options.output("The file to write.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, parquet or jsonl for the rows as they are; or for a tool: cleanlab "
            "(.csv), fiftyone (.json), label-studio (.json and .xml), weights (.npy, for "
            "scikit-learn). Default: by the ending of the file.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns, separated by commas; derived ones too. Default: all stored; for a tool, "
            "the scores over all checkpoints. weights takes one and uses its hardness."
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Where the image files are, if they have moved.")
    ] = None,
    planted: Annotated[
        Path | None,
        typer.Option(help="A folder of `vog plant`, to calibrate the verdict on the labels."),
    ] = None,
    url_prefix: Annotated[
        str | None,
        typer.Option(
            help="For label-studio: the text before the path of each image. Default: "
            "/data/local-files/?d=FOLDER/, where FOLDER is the name of the folder of the images."
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="For label-studio: write only N, the likeliest errors first."),
    ] = None,
    safe_csv: options.SafeCsv = False,
) -> None:
    r"""Write the rows of RUN to one file, as they are or as another tool reads them.

    Example:
      vog export scores/a --out tasks.json --format label-studio --count 200
    """
    import vog
    from vog.exports import export as save
    from vog.result.planting_record import load_planting_record

    opened_run = vog.open(run)
    settings = {
        "root": root,
        "planted": None if planted is None else load_planting_record(planted),
        "url_prefix": url_prefix,
        "count": count,
        "safe_csv": safe_csv or None,
    }
    used_settings = {name: value for name, value in settings.items() if value is not None}
    save(opened_run, out, form, options.split_list(columns), **used_settings)
    typer.echo(f"{out}: {min(count or opened_run.rows, opened_run.rows):,} rows")
    printing.warn_unfinished(opened_run)
    if form in ("fiftyone", "label-studio") and planted is None:
        from vog.analysis.label_errors.suspects import verdict_or_why

        verdict, reason = verdict_or_why(opened_run)
        if reason := reason or (verdict and verdict.reason):
            typer.echo(f"No verdict on the labels: {reason}", err=True)
    if form == "label-studio":
        typer.echo(f"{out.with_suffix('.xml')}: the labelling interface")
