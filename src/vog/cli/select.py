"""The command that selects the examples to train with."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PlantedFolder, PrintedAs, RunFolder

if TYPE_CHECKING:
    from vog.analysis.selection.select import Selection

_PRINTED_CLASSES = 10


class WrittenAs(StrEnum):
    """The forms in which the kept rows are written."""

    IDS = "ids"
    INDICES = "indices"
    LIST = "list"
    NPY = "npy"
    NPZ = "npz"
    TABLE = "table"


def select(
    run: RunFolder,
    keep_hardest: Annotated[
        str | None,
        typer.Option(
            metavar="N|N%",
            help="Keep this many rows, the hardest first: 70% (or 0.7) of all rows, rounded up, or "
            "1000. This many are left in the end: rows that other options drop count as "
            "dropped.",
        ),
    ] = None,
    drop_easiest: Annotated[
        str | None,
        typer.Option(
            metavar="N|N%", help="The same as what to drop: 30% here keeps the hardest 70%."
        ),
    ] = None,
    keep_easiest: Annotated[
        str | None, typer.Option(metavar="N|N%", help="Keep this many rows, the easiest first.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="The score column to rank by, such as vog@late:class or el2n@all:class. "
            "Default: vog@all:class, as for `vog top`."
        ),
    ] = None,
    floor: Annotated[
        str,
        typer.Option(
            metavar="N|N%",
            help="Keep at least this many rows, or this share, of each class; other classes lose "
            "more. Marks, suspects and problems are dropped even so.",
        ),
    ] = "0",
    drop_suspects: Annotated[
        bool,
        typer.Option(
            "--drop-suspects",
            help="Drop the rows whose label is probably wrong, unless they are marked `keep`.",
        ),
    ] = False,
    planted: PlantedFolder = None,
    stage: options.VerdictStage = None,
    drop_redundant: Annotated[
        str | None,
        typer.Option(
            metavar="N|N%",
            help="Drop this many (20% is of all rows) of the rows that every checkpoint predicts "
            "correctly, the easiest by the mean of all scores first.",
        ),
    ] = None,
    drop_marked: Annotated[
        bool, typer.Option("--drop-marked", help="Drop the rows marked `drop` in the viewer.")
    ] = False,
    relabel_marked: Annotated[
        bool,
        typer.Option(
            "--relabel-marked",
            help="Write the labels chosen with `relabel` in the viewer.",
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Drop the suspects even if they are more than a fifth of all rows, or more "
            "than half of a class.",
        ),
    ] = False,
    drop_problems: Annotated[
        bool,
        typer.Option(
            "--drop-problems",
            help="Drop the rows that could not be read or scored. Default: they are kept.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the draw among rows of equal value.")] = 0,
    out: Annotated[
        Path | None,
        options.output("The file to write. Default: only print what would be kept."),
    ] = None,
    written: Annotated[
        WrittenAs | None,
        typer.Option(
            "--as",
            help="What to write: one id or index a line, indices as int64 (npy), lines of "
            "`relative/path label` (list), or the scored .npz or table with only the kept rows. "
            "Default: by the ending (.npy, .npz, that of the table), else list for image files "
            "and indices for other data.",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            help="The folder that the paths of a list are relative to. Default: that of the data."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The .npz that was scored, if it has moved.")
    ] = None,
    form: PrintedAs = TableFormat.TABLE,
    safe_csv: options.SafeCsv = False,
) -> None:
    r"""Choose the examples of RUN to train with, and write a list of them.

    Rules apply in this order: marks, suspects, problems, redundant rows, last the share by a
    column. All shares are of all rows of RUN, except --floor, which is of each class.

    Example:
      vog select scores/a --keep-hardest 70% --floor 20 --drop-suspects --out train.txt
    """
    import vog
    from vog.analysis.selection import select
    from vog.result.planting_record import load_planting_record

    if out is None and (written or root or data):
        raise typer.BadParameter("--as, --root and --data only work with --out. Add it.")
    opened_run = vog.open(run)
    selection = select.select(
        opened_run,
        keep_hardest=keep_hardest,
        drop_easiest=drop_easiest,
        keep_easiest=keep_easiest,
        by=by,
        floor=floor,
        drop_suspects=drop_suspects,
        planted=None if planted is None else load_planting_record(planted),
        stage=stage,
        drop_redundant=drop_redundant,
        drop_marked=drop_marked,
        relabel_marked=relabel_marked,
        drop_problems=drop_problems,
        seed=seed,
        yes=yes,
    )
    if out is not None:
        selection.save(out, None if written is None else str(written), root, data)
    if form is TableFormat.TABLE:
        _print_selection(selection)
    else:
        printing.print_table(_class_rows(selection), form, safe_csv=safe_csv)
    for note in selection.notes:
        typer.echo(f"Note: {note}", err=True)
    printing.warn_unfinished(opened_run)
    printing.warn_label_agreement(opened_run)
    if out is not None:
        file_line = f"{out}: {len(selection.ids):,} of {opened_run.rows:,} rows"
        typer.echo(file_line, err=form is not TableFormat.TABLE)


def _print_selection(selection: "Selection") -> None:
    rows = len(selection.ids) + len(selection.dropped)
    counts = {f"dropped: {why}": count for why, count in selection.reasons.items()}
    counts |= {"kept": len(selection.ids)} | {"kept, relabelled": selection.relabelled}
    printing.print_aligned(
        [
            {"rows": outcome, "how many": count, "share": f"{count / rows:.1%}"}
            for outcome, count in counts.items()
            if count or outcome == "kept"
        ]
    )
    by_share = sorted(_class_rows(selection), key=lambda row: row["kept"] / row["rows"])
    labelled = [group for group in selection.classes if group.label is not None]
    smallest = min(labelled, key=lambda group: group.kept_rows, default=None)
    smallest_note = (
        ""
        if smallest is None
        else f"; the smallest is now {smallest.label_name or smallest.label} with "
        f"{smallest.kept_rows:,} rows"
    )
    typer.echo(f"\nBy class, the smallest share kept first{smallest_note}\n")
    printing.print_aligned(by_share[:_PRINTED_CLASSES])
    if len(by_share) > _PRINTED_CLASSES:
        typer.echo(f"... and {len(by_share) - _PRINTED_CLASSES:,} more classes")
    typer.echo("")


def _class_rows(selection: "Selection") -> list[dict[str, Any]]:
    return [
        {
            "class": group.label,
            "name": group.label_name,
            "rows": group.rows,
            "kept": group.kept_rows,
        }
        | {reason: group.dropped_by_reason.get(reason, 0) for reason in selection.reasons}
        for group in selection.classes
    ]
