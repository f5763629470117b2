"""The command that says how alike several runs of the same data rank it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs, RunFolders, open_runs, tell_left_out

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

    names = options.words(scores)
    found = compared(open_runs(runs), names, by, count, quiet)
    if form is TableFormat.TABLE:
        _print(found, whole=names is not None)
        return
    tell_left_out(dict(zip(found.runs, found.only, strict=True)))
    if form is TableFormat.CSV:
        printing.print_table([one.row() for one in (*found.agreements, *_over_pairs(found))], form)
    else:
        typer.echo(as_json(found.as_dict()), nl=False)


def _print(found: "Comparison", whole: bool) -> None:
    """For people: of all stages only if scores were named, else of all checkpoints together."""
    typer.echo(f"{found.shared:,} examples are in all of {', '.join(found.runs)}.")
    tell_left_out(dict(zip(found.runs, found.only, strict=True)), err=False)
    if found.relabelled:
        typer.echo(f"{found.relabelled:,} of them do not have the same label in all runs.")
    many = len(found.runs) > 2
    over = ", mean over pairs of runs" if many else ""
    typer.echo(f"\nAgreement of the rankings{over}; of the hardest, the share that is the same\n")
    shown = [one for one in found.means if whole or "@all" in one.column or one.column == found.by]
    printing.print_aligned([_shown(one.row(), {"runs"}) for one in shown])
    if len(shown) < len(found.means):
        typer.echo("\nAll other stages: --format csv, or name a score with --scores.")
    if many:
        typer.echo(f"\nBy {found.by}, pair by pair\n")
        pairs = [one for one in found.agreements if one.column == found.by]
        printing.print_aligned([_shown(one.row(), {"column"}) for one in pairs])
    typer.echo(f"\n{found.said}")
    _print_moved(found)
    if found.differences:
        typer.echo("\nWhat was asked differently\n")
        printing.print_aligned(
            [
                {"": one.key} | dict(zip(found.runs, one.values, strict=True))
                for one in found.differences
            ]
        )
    typer.echo("")


def _print_moved(found: "Comparison") -> None:
    if not found.moved:
        return
    typer.echo(f"\nThe examples that moved most by {found.by}: rank from 0, easy, to 1, hard\n")
    named = any(one.label_name is not None for one in found.moved)
    printing.print_aligned(
        [
            {"id": one.id, "label": one.label}
            | ({"label_name": one.label_name} if named else {})
            | {_apart(run): rank for run, rank in zip(found.runs, one.ranks, strict=True)}
            | {"difference": one.difference}
            for one in found.moved
        ]
    )


def _apart(run: str) -> str:
    """The name of a run as the head of a column that no other has."""
    return f"{run} (run)" if run in ("id", "label", "label_name", "difference") else run


def _shown(row: dict[str, Any], silent: set[str]) -> dict[str, Any]:
    """Correlations with two digits, as two seeds hardly give more; shares as such."""
    return {
        name: printing.with_digits(name, value) for name, value in row.items() if name not in silent
    }


def _over_pairs(found: "Comparison") -> tuple[Any, ...]:
    """The means, where they are not of one pair."""
    return found.means if len(found.runs) > 2 else ()
