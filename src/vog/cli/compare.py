"""The command that says how alike several runs of the same data rank it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs, RunFolders, open_runs, print_left_out

if TYPE_CHECKING:
    from vog.analysis.many_runs.comparison import Comparison


def compare(
    runs: RunFolders,
    scores: Annotated[
        str | None,
        typer.Option(
            metavar="a,b",
            help="Only these: vog for all its stages, vog@late or vog@late:class for one. "
            "Default: every score that all runs have.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="The column by which examples moved. Default: vog@all:class, of combined runs "
            "vog_z@all, or the first score."
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Examples that moved most.")] = 10,
    quiet: options.NoProgress = False,
    form: PrintedAs = TableFormat.TABLE,
) -> None:
    r"""Say how alike several runs rank the same examples: those of two seeds, models or epochs.

    Spearman's and Kendall's correlation of the hardness, and which share of the hardest 1, 5 and
    10 % are the same, for each score and stage; the examples that moved most; and what was asked
    differently. Examples are the same where their ids are.

    Example:
      vog compare scores/seed0 scores/seed1 --by vog@late
    """
    from vog.analysis.many_runs.comparison import compare as compared
    from vog.files.writing import as_json

    names = options.split_list(scores)
    result = compared(open_runs(runs), names, by, count, quiet)
    if form is TableFormat.TABLE:
        _print_comparison(result, full=names is not None)
        return
    print_left_out(dict(zip(result.runs, result.only, strict=True)))
    if form is TableFormat.CSV:
        printing.print_table([pair.row() for pair in (*result.agreements, *_means(result))], form)
    else:
        typer.echo(as_json(result.as_dict()), nl=False)


def _print_comparison(result: "Comparison", full: bool) -> None:
    """For people: of all stages only if scores were named, else of all checkpoints together."""
    typer.echo(f"{result.shared:,} examples are in all of {', '.join(result.runs)}.")
    print_left_out(dict(zip(result.runs, result.only, strict=True)), err=False)
    if result.relabelled:
        typer.echo(f"{result.relabelled:,} of them do not have the same label in all runs.")
    pairwise = len(result.runs) > 2
    over = ", mean over pairs of runs" if pairwise else ""
    typer.echo(f"\nAgreement of the rankings{over}; of the hardest, the share that is the same\n")
    means = [row for row in result.means if full or "@all" in row.column or row.column == result.by]
    printing.print_aligned([_format_row(row.row(), {"runs"}) for row in means])
    if len(means) < len(result.means):
        typer.echo("\nAll other stages: --format csv, or name a score with --scores.")
    if pairwise:
        typer.echo(f"\nBy {result.by}, pair by pair\n")
        pairs = [row for row in result.agreements if row.column == result.by]
        printing.print_aligned([_format_row(row.row(), {"column"}) for row in pairs])
    typer.echo(f"\n{result.said}")
    _print_moved(result)
    if result.differences:
        typer.echo("\nWhat was asked differently\n")
        printing.print_aligned(
            [
                {"": row.key} | dict(zip(result.runs, row.values, strict=True))
                for row in result.differences
            ]
        )
    typer.echo("")


def _print_moved(result: "Comparison") -> None:
    if not result.moved:
        return
    typer.echo(f"\nThe examples that moved most by {result.by}: rank from 0, easy, to 1, hard\n")
    named = any(example.label_name is not None for example in result.moved)
    printing.print_aligned(
        [
            {"id": example.id, "label": example.label}
            | ({"label_name": example.label_name} if named else {})
            | {_run_head(run): rank for run, rank in zip(result.runs, example.ranks, strict=True)}
            | {"difference": example.difference}
            for example in result.moved
        ]
    )


def _run_head(run: str) -> str:
    """The name of a run as the head of a column that no other has."""
    return f"{run} (run)" if run in ("id", "label", "label_name", "difference") else run


def _format_row(row: dict[str, Any], omit: set[str]) -> dict[str, Any]:
    """Correlations with two digits, as two seeds hardly give more; shares as such."""
    return {
        name: printing.format_number(name, value) for name, value in row.items() if name not in omit
    }


def _means(result: "Comparison") -> tuple[Any, ...]:
    """The means, where they are not of one pair."""
    return result.means if len(result.runs) > 2 else ()
