"""The command that tells how well the scores of a run find what was planted into its data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs, RunFolder

if TYPE_CHECKING:
    from vog.analysis.detection.intervals import Estimate
    from vog.analysis.detection.planted_faults import Detection, Verification


def verify(
    run: RunFolder,
    planted: Annotated[
        Path, typer.Option(help="The folder that `vog plant` wrote and RUN was scored on.")
    ],
    kind: Annotated[
        str | None,
        typer.Option(help="Only this: flip, duplicate, corrupt, outside or threshold."),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(help="Of the scores shown. Default: all, and every stage in csv and json."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Scores of each kind, the best. Default: every one.")
    ] = None,
    chart: Annotated[
        Path | None, options.output("A picture to write as well: .png, .svg, .html, .json.")
    ] = None,
    resamples: Annotated[
        int, typer.Option(max=10_000, help="For the intervals of average precision; 20 at least.")
    ] = 200,
    form: PrintedAs = TableFormat.TABLE,
    quiet: options.NoProgress = False,
) -> None:
    r"""Tell how well each score of RUN finds the examples that `vog plant` planted.

    Each kind is compared with the rows that were left as they were. Intervals are 95 %
    intervals; AUROC 0.5 is chance, 1 perfect, and below 0.5 the planted are the easier ones.

    Example:
      vog verify scores/planted --planted planted --kind flip --chart flip.png
    """
    import vog
    from vog.analysis.detection.planted_faults import verify as measured
    from vog.analysis.label_errors.suspects import check_stage
    from vog.result.planting_record import load_planting_record

    printing.check_chart_path(chart)
    opened_run = vog.open(run)
    check_stage(opened_run, stage)
    record = load_planting_record(planted)
    result = measured(opened_run, record, resamples, kind=kind, quiet=quiet)
    if form is TableFormat.TABLE:
        if opened_run.out_of_sample:
            typer.echo("Out of sample: each row was judged by a training without it.")
        if stage is None:
            typer.echo("Stage all, the whole training, as no --stage is given.\n")
        for detection in result.kinds:
            _print_kind(result, detection, stage or "all", count, record.hows(detection))
    else:
        rows = [detection.row() for k in result.kinds for detection in result.of(k, stage)[:count]]
        printing.print_table(rows, form)
    if chart is not None:
        from vog.figures import charts

        path = charts.save_chart(charts.detection(result, stage or "all"), chart)
        typer.echo(path, err=form is not TableFormat.TABLE)
    printing.warn_unfinished(opened_run)


def _print_kind(
    result: "Verification", kind: str, stage: str, count: int | None, methods: "tuple[str, ...]"
) -> None:
    rows = result.of(kind, stage)
    largest = max(rows, key=lambda detection: detection.planted)
    typer.echo(
        f"{kind} ({', '.join(methods)}): {largest.planted:,} planted examples against {largest.clean:,} "
        f"that were left alone; by chance AUROC 0.5, average precision and precision "
        f"{largest.rate:.3f}\n"
    )
    gaps = any(detection.left_out for detection in rows)
    printing.print_aligned([_table_row(detection, gaps) for detection in rows[:count]])
    typer.echo("")
    for sentence in result.reading(kind, stage):
        typer.echo(sentence)
    if kind == "flip":
        typer.echo(
            f"This is so for wrong labels of the kind that was planted: {', '.join(methods)}."
        )
    typer.echo("")


def _table_row(detection: "Detection", gaps: bool) -> dict[str, Any]:
    return {
        "score": detection.score,
        "AUROC": _format_estimate(detection.auroc),
        "average precision": _format_estimate(detection.ap),
        f"precision of {detection.planted:,} hardest": _format_estimate(detection.precision),
        **({"without value": detection.left_out} if gaps else {}),
    }


def _format_estimate(estimate: "Estimate") -> str:
    if estimate.value != estimate.value:
        return "-"
    return f"{estimate.value:.3f}  [{estimate.low:.3f}, {estimate.high:.3f}]"
