"""The command that measures how well the scores of a run find planted faults."""

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
        typer.Option(help="Only this kind: flip, duplicate, corrupt, outside or threshold."),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(help="The stage of the scores. Default: all; in csv and json, every stage."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Only the N best scores of each kind. Default: all.")
    ] = None,
    chart: Annotated[
        Path | None, options.output("A chart to write as well: .png, .svg, .html, .json.")
    ] = None,
    resamples: Annotated[
        int, typer.Option(max=10_000, help="For the intervals of average precision; at least 20.")
    ] = 200,
    form: PrintedAs = TableFormat.TABLE,
    quiet: options.NoProgress = False,
) -> None:
    r"""Measure how well each score of RUN finds the examples that `vog plant` planted.

    Each kind is compared with the unchanged rows. Intervals are 95 % intervals. An AUROC of 0.5 is
    chance and 1 is perfect; below 0.5, the planted rows are easier than the unchanged ones.

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
            typer.echo("Stage all, the whole training. --stage chooses another one.\n")
        for name in result.kinds:
            _print_kind(result, name, stage or "all", count, record.methods(name))
    else:
        rows = [
            score.row() for k in result.kinds for score in result.detections_of(k, stage)[:count]
        ]
        printing.print_table(rows, form)
    if chart is not None:
        from vog.figures import charts

        path = charts.save_chart(charts.detection(result, stage or "all"), chart)
        typer.echo(path, err=form is not TableFormat.TABLE)
    printing.warn_unfinished(opened_run)


def _print_kind(
    result: "Verification", kind: str, stage: str, count: int | None, methods: "tuple[str, ...]"
) -> None:
    rows = result.detections_of(kind, stage)
    largest = max(rows, key=lambda detection: detection.planted)
    typer.echo(
        f"{kind} ({', '.join(methods)}): {largest.planted:,} planted examples against "
        f"{largest.clean:,} that were left alone; by chance AUROC 0.5, average precision and "
        f"precision {largest.planted_share:.3f}\n"
    )
    gaps = any(detection.left_out for detection in rows)
    printing.print_aligned([_table_row(detection, gaps) for detection in rows[:count]])
    typer.echo("")
    for sentence in result.summarise(kind, stage):
        typer.echo(sentence)
    if kind == "flip":
        typer.echo(f"This holds for wrong labels of the planted kind: {', '.join(methods)}.")
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
