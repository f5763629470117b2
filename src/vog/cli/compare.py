"""Commands for several runs of the same data, as of several seeds: compare, combine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options, show
from vog.cli.read import PrintedAs
from vog.cli.show import TableFormat
from vog.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vog.analysis.comparison import Comparison
    from vog.analysis.seeds import SeedsCurve
    from vog.result import Run

RunFolders = Annotated[
    list[Path], typer.Argument(metavar="RUN RUN...", help="Two folders or more of `vog score`.")
]


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
    from vog.analysis.comparison import compare as compared
    from vog.result.files import as_json

    names = options.words(scores)
    found = compared(_opened(runs), names, by, count, quiet)
    if form is TableFormat.TABLE:
        _print(found, whole=names is not None)
        return
    _tell_left_out(dict(zip(found.runs, found.only, strict=True)))
    if form is TableFormat.CSV:
        show.table([one.row() for one in (*found.agreements, *_over_pairs(found))], form)
    else:
        typer.echo(as_json(found.as_dict()), nl=False)


def combine(
    runs: RunFolders,
    out: Annotated[Path, options.written("The run folder to write.")],
    by: Annotated[
        str | None,
        typer.Option(
            help="The column by which it is told how many runs are enough. Default: "
            "vog@all:class, or the first score."
        ),
    ] = None,
    chart: Annotated[
        Path | None, options.written("Draw that as well: .png, .svg, .html or .json.")
    ] = None,
    folds: Annotated[
        bool,
        typer.Option(
            "--folds",
            help="The runs are of what the folds of `vog folds` hold out: write all their rows as "
            "one run, in which each row was judged by a training without it.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run in --out.")] = False,
    quiet: options.NoProgress = False,
    form: PrintedAs = TableFormat.TABLE,
) -> None:
    r"""Write the means over several runs as a run, and say how many runs would be enough.

    Beside the mean of each score, SCORE@STAGE, stand the means of its ranks and of its z-scores
    within the class, SCORE_rank@STAGE and SCORE_z@STAGE, and their standard errors,
    SCORE_rank_se@STAGE and SCORE_z_se@STAGE. All runs must have scored the same labels.

    Example:
      vog combine scores/seed0 scores/seed1 scores/seed2 --out scores/mean --chart seeds.png
    """
    from vog.analysis.combination import combine_joined
    from vog.analysis.joined import join
    from vog.analysis.seeds import seeds_curve_joined

    show.refuse_other_chart(chart)
    opened = _opened(runs)
    if folds:
        _combine_folds(opened, out, by, chart, overwrite, form)
        return
    if by is not None:
        for run in opened:
            run.score_column(by)
    joined = join(opened)
    made = combine_joined(joined, out, overwrite, quiet)
    _warn_of_other_data(joined.of_other_data)
    _tell_left_out(dict(zip(joined.names, joined.only, strict=True)))
    found = seeds_curve_joined(joined, by, quiet)
    form_is_table = form is TableFormat.TABLE
    typer.echo(f"{out}: {made.rows:,} rows, means over {len(opened)} runs", err=not form_is_table)
    show.marked(made)
    _print_curve(found, form)
    if chart is not None:
        from vog.figures import charts
        from vog.figures.charts.seeds import seeds_curve as drawn

        typer.echo(charts.save(drawn(found), chart), err=not form_is_table)


def _combine_folds(
    runs: "list[Run]",
    out: Path,
    by: str | None,
    chart: Path | None,
    overwrite: bool,
    form: TableFormat,
) -> None:
    from vog.analysis.combined_folds import combine_folds

    for option, value in (("--by", by), ("--chart", chart)):
        if value is not None:
            raise ResultError(
                f"{option} is about means over several runs, and --folds makes none. Leave it out."
            )
    made = combine_folds(runs, out, overwrite)
    typer.echo(
        f"{out}: {made.rows:,} rows, each judged by a training without it, from {len(runs)} folds",
        err=form is not TableFormat.TABLE,
    )
    rows = [{"fold": run.question["data"]["fold"]["number"], "rows": run.rows} for run in runs]
    if form is not TableFormat.TABLE:
        show.table(rows, form)
    show.marked(made)
    show.agreement(made, also_high=True)
    typer.echo(f"Next: vog suspects {out}", err=form is not TableFormat.TABLE)


def _opened(folders: list[Path]) -> "list[Run]":
    import vog

    runs = [vog.open(folder) for folder in folders]
    for run in runs:
        show.unfinished(run)
    return runs


def _print(found: "Comparison", whole: bool) -> None:
    """For people: of all stages only if scores were named, else of all checkpoints together."""
    typer.echo(f"{found.shared:,} examples are in all of {', '.join(found.runs)}.")
    _tell_left_out(dict(zip(found.runs, found.only, strict=True)), err=False)
    if found.relabelled:
        typer.echo(f"{found.relabelled:,} of them do not have the same label in all runs.")
    many = len(found.runs) > 2
    over = ", mean over pairs of runs" if many else ""
    typer.echo(f"\nAgreement of the rankings{over}; of the hardest, the share that is the same\n")
    shown = [one for one in found.means if whole or "@all" in one.column or one.column == found.by]
    show.for_people([_shown(one.row(), {"runs"}) for one in shown])
    if len(shown) < len(found.means):
        typer.echo("\nAll other stages: --format csv, or name a score with --scores.")
    if many:
        typer.echo(f"\nBy {found.by}, pair by pair\n")
        pairs = [one for one in found.agreements if one.column == found.by]
        show.for_people([_shown(one.row(), {"column"}) for one in pairs])
    typer.echo(f"\n{found.said}")
    _print_moved(found)
    if found.differences:
        typer.echo("\nWhat was asked differently\n")
        show.for_people(
            [
                {"": one.key} | dict(zip(found.runs, one.values, strict=True))
                for one in found.differences
            ]
        )
    typer.echo("")


def _tell_left_out(only: dict[str, int], err: bool = True) -> None:
    for name, count in only.items():
        if count:
            typer.echo(
                f"{name} has {count:,} that are not in all runs, which are left out.", err=err
            )


def _warn_of_other_data(names: "Sequence[str]") -> None:
    if names:
        typer.echo(
            f"Warning: the data of {', '.join(names)} are not those of the first run, and rows "
            f"were matched by their number. Ids of their own would tell which are the same.",
            err=True,
        )


def _print_moved(found: "Comparison") -> None:
    if not found.moved:
        return
    typer.echo(f"\nThe examples that moved most by {found.by}: rank from 0, easy, to 1, hard\n")
    named = any(one.label_name is not None for one in found.moved)
    show.for_people(
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
    return {name: _digits(name, value) for name, value in row.items() if name not in silent}


def _digits(name: str, value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "-" if value != value else f"{value:.0%}" if "hardest" in name else f"{value:.2f}"


def _over_pairs(found: "Comparison") -> tuple[Any, ...]:
    """The means, where they are not of one pair."""
    return found.means if len(found.runs) > 2 else ()


def _print_curve(found: "SeedsCurve", form: TableFormat) -> None:
    if form is TableFormat.TABLE:
        typer.echo(f"\nAgreement of means over some runs with means over others, {found.column}\n")
        show.for_people([{k: _digits(k, v) for k, v in row.items()} for row in found.rows()])
        typer.echo(f"\n{found.said}")
    else:
        show.table(found.rows(), form)
    if found.runs < 4:
        typer.echo(
            f"With {found.runs} runs nothing is measured beyond single ones: means of 2 against "
            f"means of 2 others need 4.",
            err=True,
        )
