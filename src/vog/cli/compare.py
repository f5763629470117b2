"""The command that compares how several runs rank the same data."""

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
            help="Compare only these: vog for all its stages, vog@late or vog@late:class for one. "
            "Default: every score that all runs have.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="The score column by which to list what moved most. Default: vog@all:class, for "
            "combined runs vog_z@all, or the first score."
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Examples to list that moved most.")] = 10,
    quiet: options.NoProgress = False,
    form: PrintedAs = TableFormat.TABLE,
) -> None:
    r"""Compare how several runs rank the same examples, such as runs of two seeds or models.

    Shows, for each score and stage, Spearman's and Kendall's correlation of the hardness and the
    share of the hardest 1, 5 and 10 % that is the same; then the examples that moved most, and the
    settings that differ. Examples are matched by their ids.

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
    print_left_out(dict(zip(result.runs, result.unshared, strict=True)))
    if form is TableFormat.CSV:
        printing.print_table([pair.row() for pair in (*result.agreements, *_means(result))], form)
    else:
        typer.echo(as_json(result.as_dict()), nl=False)


def _print_comparison(result: "Comparison", full: bool) -> None:
    """Print tables: all stages where scores are named (`full`), else all checkpoints together."""
    typer.echo(f"{result.shared:,} examples are in all of {', '.join(result.runs)}.")
    print_left_out(dict(zip(result.runs, result.unshared, strict=True)), err=False)
    if result.differing_labels:
        typer.echo(f"{result.differing_labels:,} of them do not have the same label in all runs.")
    pairwise = len(result.runs) > 2
    over = ", mean over pairs of runs" if pairwise else ""
    typer.echo(f"\nAgreement of the rankings{over}; for the hardest, the share that is the same\n")
    means = [
        row
        for row in result.mean_agreements
        if full or "@all" in row.column or row.column == result.main_column
    ]
    printing.print_aligned([_format_row(mean.row(), {"runs"}) for mean in means])
    if len(means) < len(result.mean_agreements):
        typer.echo("\nFor other stages, use --format csv, or name a score with --scores.")
    if pairwise:
        typer.echo(f"\nBy {result.main_column}, pair by pair\n")
        pairs = [pair for pair in result.agreements if pair.column == result.main_column]
        printing.print_aligned([_format_row(pair.row(), {"column"}) for pair in pairs])
    typer.echo(f"\n{result.summary}")
    _print_moved(result)
    if result.differences:
        typer.echo("\nSettings that differ\n")
        printing.print_aligned(
            [
                {"": setting.key} | dict(zip(result.runs, setting.values, strict=True))
                for setting in result.differences
            ]
        )
    typer.echo("")


def _print_moved(result: "Comparison") -> None:
    if not result.moved_examples:
        return
    typer.echo(
        f"\nThe examples that moved most by {result.main_column}: ranks from 0 (easy) to 1 (hard)\n"
    )
    named = any(example.label_name is not None for example in result.moved_examples)
    printing.print_aligned(
        [
            {"id": example.id, "label": example.label}
            | ({"label_name": example.label_name} if named else {})
            | {_run_head(run): rank for run, rank in zip(result.runs, example.ranks, strict=True)}
            | {"difference": example.difference}
            for example in result.moved_examples
        ]
    )


def _run_head(run: str) -> str:
    """Return a column head for a run that is different from all other heads."""
    return f"{run} (run)" if run in ("id", "label", "label_name", "difference") else run


def _format_row(row: dict[str, Any], omit: set[str]) -> dict[str, Any]:
    """Return a row of formatted numbers. Two digits suffice: seeds differ by more than that."""
    return {
        name: printing.format_number(name, value) for name, value in row.items() if name not in omit
    }


def _means(result: "Comparison") -> tuple[Any, ...]:
    """Return the means over pairs of runs; nothing if there is only one pair."""
    return result.mean_agreements if len(result.runs) > 2 else ()
