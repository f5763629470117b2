"""Printing by the command line: tables for people, csv and json for programs."""

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from vog.progress import duration

if TYPE_CHECKING:
    from vog.result import Run
    from vog.sweep.loop import Summary
    from vog.sweep.memory_plan import MemoryPlan
    from vog.sweep.plan import Plan

Row = Mapping[str, Any]


class TableFormat(StrEnum):
    """The forms of a printed table."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def print_table(
    rows: Sequence[Row], form: TableFormat, columns: Sequence[str] = (), safe_csv: bool = False
) -> None:
    """Print rows of the same columns to stdout.

    Args:
        rows: the rows.
        form: a table for people, csv or json.
        columns: the names of the columns, for csv without rows.
        safe_csv: in csv, write texts so that no spreadsheet runs them as formulas.
    """
    from vog.files.writing import as_csv, as_json

    if form is TableFormat.JSON:
        sys.stdout.write(as_json(list(rows)))
    elif form is TableFormat.CSV:
        sys.stdout.write(as_csv(rows, columns, safe_csv))
    else:
        print_aligned(rows)


def print_aligned(rows: Sequence[Row]) -> None:
    """Print rows with aligned columns; numbers to four digits."""
    console = console_for(stderr=False)
    if not rows:
        console.print("no rows")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numeric = all(isinstance(row[name], int | float | None) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_format_cell(value) for value in row.values()))
    console.print(table)


def print_plan(plan: "Plan", folder: Path, stored_bytes: int | None = None) -> None:
    """Print to stderr what is going to be done.

    Args:
        plan: the plan.
        folder: where its results go.
        stored_bytes: size of the gradients, if these are stored instead of scores.
    """
    finished = f" ({plan.finished_rows:,} of them done already)" if plan.finished_rows else ""
    by_reason = {
        reason: ", ".join(name for name, cause in plan.left_out.items() if cause == reason)
        for reason in plan.left_out.values()
    }
    left_out = "".join(f" (not {names}: {reason})" for reason, names in by_reason.items())
    scoring = {
        "stages": ", ".join(f"{name} {a}:{b}" for name, (a, b) in plan.stages.items()),
        "scores": ", ".join(plan.scores) + left_out,
    }
    lines = {
        "examples": f"{plan.examples:,}{finished}",
        "checkpoints": f"{plan.checkpoints}, step {plan.steps[0]} to {plan.steps[1]}",
        **(scoring if stored_bytes is None else {"gradients": f"{stored_bytes / 1e9:,.2f} GB"}),
        "target": f"{plan.target} on {plan.device}",
        "weights": f"{plan.weights_bytes / 1e6:,.1f} MB in memory" + _rereading(plan.memory_plan),
        "batch size": f"{plan.memory_plan.batch_size}, {plan.workers} worker processes",
        "memory": f"{plan.memory_plan.needed / 1e9:,.2f} of {plan.memory_plan.total / 1e9:,.2f} GB",
        **plan.notes,
        "folder" if stored_bytes is not None else "run folder": str(folder),
    }
    if plan.seconds is not None:
        lines["estimate"] = f"{duration(plan.seconds)} from two probe batches; nothing is written"
    console = console_for(stderr=True)
    for name, value in lines.items():
        console.print(f"{name:12} {value}")


def _rereading(memory_plan: "MemoryPlan") -> str:
    """Return how often weights are read again, or nothing if all stay in memory."""
    return "" if memory_plan.hold else f"; read again for each {memory_plan.block_size:,} examples"


def print_summary(summary: "Summary", folder: Path, rows: int, steps: int, planned: int) -> None:
    """Print what a sweep did and what limited it. `planned` is the batch size."""
    if summary.rows == 0:
        typer.echo(f"{folder}: all {rows:,} rows were there already.")
        return
    rate = summary.rows / summary.seconds
    typer.echo(
        f"{folder}: {summary.rows:,} rows in {duration(summary.seconds)}, "
        f"{rate:,.0f} examples or {rate * steps:,.0f} examples x checkpoints a second.\n"
        f"Alone, {summary.readers} process{'es' * (summary.readers > 1)} would read "
        f"{summary.read_rate:,.0f} examples a second and the model score "
        f"{summary.scored_rate:,.0f}; {summary.bottleneck}."
    )
    if summary.batch_size < planned:
        typer.echo(
            f"Memory ran out: batches of {planned} were computed {summary.batch_size} examples at "
            f"a time in the end. Give --memory to plan for that.",
            err=True,
        )


def print_problem_rows(run: "Run") -> None:
    """Print to stderr which rows could not be read or scored."""
    problems = run.problems().to_pylist()
    if problems:
        typer.echo(f"{len(problems):,} of {run.rows:,} rows could not be read or scored:", err=True)
        for row in problems[:10]:
            typer.echo(f"  {row['id']}: {row['problem']}", err=True)
        if len(problems) > 10:
            typer.echo(f"  ... and {len(problems) - 10:,} more, in column `problem`", err=True)


def check_chart_path(path: Path | None) -> None:
    """Raise unless the chart can be saved under this path, if there is one."""
    if path is not None:
        from vog.figures.charts import format_of

        format_of(path)
        if not path.absolute().parent.is_dir():
            raise typer.BadParameter(f"--chart {path}: there is no folder {path.parent}.")


def warn_unfinished(run: "Run") -> None:
    """Print to stderr how many rows of a run are missing, if any."""
    if run.missing_rows:
        typer.echo(
            f"{run.folder} has {run.rows:,} rows; {run.missing_rows:,} are missing. "
            f"To continue, run the command that began it again.",
            err=True,
        )


def warn_label_agreement(run: "Run", also_high: bool = False) -> None:
    """Warn on stderr if the last checkpoint hardly agrees with the labels.

    Args:
        run: the run that is shown.
        also_high: also print the share of agreement if it is high enough.
    """
    from vog.analysis.one_run.label_agreement import label_agreement

    agreement = label_agreement(run)
    if agreement is not None and (agreement.is_low or also_high):
        typer.echo(agreement.warning or agreement.sentence, err=True)


def console_for(stderr: bool) -> Console:
    """Return a console that does not wrap piped text at 80 columns."""
    console = Console(stderr=stderr, highlight=False, markup=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, markup=False, width=200)
    return console


def _format_cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_number(name: str, value: Any) -> Any:
    """Format a number for a table: a share of the hardest as a percentage, else two digits."""
    if not isinstance(value, float):
        return value
    return "-" if value != value else f"{value:.0%}" if "hardest" in name else f"{value:.2f}"
