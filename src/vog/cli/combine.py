"""The command that combines runs: means over seeds, or the held-out rows of folds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs, RunFolders, open_runs, print_left_out, warn_of_other_data
from vog.errors import ResultError

if TYPE_CHECKING:
    from vog.analysis.many_runs.ensemble_size import EnsembleSizeCurve
    from vog.result import Run


def combine(
    runs: RunFolders,
    out: Annotated[Path, options.output("The run folder to write.")],
    by: Annotated[
        str | None,
        typer.Option(
            help="The score column that shows how many runs are enough. Default: vog@all:class, "
            "or the first score."
        ),
    ] = None,
    chart: Annotated[
        Path | None, options.output("A chart of that to write as well: .png, .svg, .html or .json.")
    ] = None,
    folds: Annotated[
        bool,
        typer.Option(
            "--folds",
            help="The runs score what the folds of `vog folds` hold out. Write all their rows as "
            "one run, in which each row was judged by a model that was not trained on it.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run in --out.")] = False,
    quiet: options.NoProgress = False,
    form: PrintedAs = TableFormat.TABLE,
) -> None:
    r"""Write the means over several runs as a run, and say how many runs would be enough.

    For each score, write the mean (SCORE@STAGE), the means of its ranks and of its z-scores within
    the class (SCORE_rank@STAGE and SCORE_z@STAGE), and the standard errors of these two
    (SCORE_rank_se@STAGE and SCORE_z_se@STAGE). All runs must have scored the same labels.

    Example:
      vog combine scores/seed0 scores/seed1 scores/seed2 --out scores/mean --chart seeds.png
    """
    from vog.analysis.many_runs.alignment import align_runs
    from vog.analysis.many_runs.averaging import combine_aligned
    from vog.analysis.many_runs.ensemble_size import ensemble_size_curve_aligned

    printing.check_chart_path(chart)
    opened = open_runs(runs)
    by = None if by is None else opened[0].sort_column(by)
    if folds:
        _combine_folds(opened, out, by, chart, overwrite, form)
        return
    if by is not None:
        for run in opened:
            run.score_column(by)
    aligned = align_runs(opened)
    result = combine_aligned(aligned, out, overwrite, quiet)
    warn_of_other_data(aligned.runs_of_other_data)
    print_left_out(dict(zip(aligned.names, aligned.unshared, strict=True)))
    curve = ensemble_size_curve_aligned(aligned, by, quiet)
    form_is_table = form is TableFormat.TABLE
    typer.echo(f"{out}: {result.rows:,} rows, means over {len(opened)} runs", err=not form_is_table)
    printing.print_problem_rows(result)
    _print_curve(curve, form)
    if chart is not None:
        from vog.figures import charts
        from vog.figures.charts.ensemble_size_chart import ensemble_size_chart

        typer.echo(charts.save_chart(ensemble_size_chart(curve), chart), err=not form_is_table)


def _combine_folds(
    runs: "list[Run]",
    out: Path,
    by: str | None,
    chart: Path | None,
    overwrite: bool,
    form: TableFormat,
) -> None:
    from vog.analysis.many_runs.combined_folds import combine_folds

    for option, value in (("--by", by), ("--chart", chart)):
        if value is not None:
            raise ResultError(
                f"{option} is for means over several runs, and --folds computes none. Leave it out."
            )
    union = combine_folds(runs, out, overwrite)
    typer.echo(
        f"{out}: {union.rows:,} rows of {len(runs)} folds, each judged by a model without it",
        err=form is not TableFormat.TABLE,
    )
    rows = [{"fold": run.question["data"]["fold"]["number"], "rows": run.rows} for run in runs]
    if form is not TableFormat.TABLE:
        printing.print_table(rows, form)
    printing.print_problem_rows(union)
    printing.warn_label_agreement(union, also_high=True)
    typer.echo(f"Next: vog suspects {out}", err=form is not TableFormat.TABLE)


def _print_curve(curve: "EnsembleSizeCurve", form: TableFormat) -> None:
    if form is TableFormat.TABLE:
        typer.echo(f"\nAgreement of means over different runs, {curve.column}\n")
        printing.print_aligned(
            [{k: printing.format_number(k, v) for k, v in row.items()} for row in curve.rows()]
        )
        typer.echo(f"\n{curve.summary}")
    else:
        printing.print_table(curve.rows(), form)
    if curve.runs < 4:
        typer.echo(
            f"With {curve.runs} runs only single runs can be compared. To compare means of 2 runs "
            f"with means of 2 different ones, give at least 4.",
            err=True,
        )
