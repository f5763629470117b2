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
        Path | None, options.written("A picture to write as well: .png, .svg, .html, .json.")
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

    printing.refuse_other_chart(chart)
    opened = vog.open(run)
    check_stage(opened, stage)
    record = load_planting_record(planted)
    found = measured(opened, record, resamples, kind=kind, quiet=quiet)
    if form is TableFormat.TABLE:
        if opened.out_of_sample:
            typer.echo("Out of sample: each row was judged by a training without it.")
        if stage is None:
            typer.echo("Stage all, the whole training, as no --stage is given.\n")
        for one in found.kinds:
            _print(found, one, stage or "all", count, record.hows(one))
    else:
        rows = [one.row() for k in found.kinds for one in found.of(k, stage)[:count]]
        printing.print_table(rows, form)
    if chart is not None:
        from vog.figures import charts

        path = charts.save_chart(charts.detection(found, stage or "all"), chart)
        typer.echo(path, err=form is not TableFormat.TABLE)
    printing.warn_unfinished(opened)


def _print(
    found: "Verification", kind: str, stage: str, count: int | None, hows: "tuple[str, ...]"
) -> None:
    rows = found.of(kind, stage)
    most = max(rows, key=lambda one: one.planted)
    typer.echo(
        f"{kind} ({', '.join(hows)}): {most.planted:,} planted examples against {most.clean:,} "
        f"that were left alone; by chance AUROC 0.5, average precision and precision "
        f"{most.rate:.3f}\n"
    )
    gaps = any(one.left_out for one in rows)
    printing.print_aligned([_row(one, gaps) for one in rows[:count]])
    typer.echo("")
    for sentence in found.reading(kind, stage):
        typer.echo(sentence)
    if kind == "flip":
        typer.echo(f"This is so for wrong labels of the kind that was planted: {', '.join(hows)}.")
    typer.echo("")


def _row(one: "Detection", gaps: bool) -> dict[str, Any]:
    return {
        "score": one.score,
        "AUROC": _number(one.auroc),
        "average precision": _number(one.ap),
        f"precision of {one.planted:,} hardest": _number(one.precision),
        **({"without value": one.left_out} if gaps else {}),
    }


def _number(one: "Estimate") -> str:
    if one.value != one.value:
        return "-"
    return f"{one.value:.3f}  [{one.low:.3f}, {one.high:.3f}]"
