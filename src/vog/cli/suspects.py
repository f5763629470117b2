"""The command that says which labels are probably wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options, show
from vog.cli.analyze import Classes, opened
from vog.cli.read import PrintedAs, RunFolder
from vog.cli.show import TableFormat
from vog.errors import first_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vog.analysis.label_errors import Suspect
    from vog.analysis.suspects import Verdict
    from vog.result import Run
    from vog.result.planted import Planted

_COLUMNS = ("id", "label", "suggested", "probability", "hardness")
PlantedFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="PLANTED",
        help="What `vog plant` wrote, if RUN was trained on it: its flips calibrate, its threshold "
        "samples give AUM's cut-off. Default: what exceeds the tail of right labels.",
    ),
]


def suspects(
    run: RunFolder,
    planted: PlantedFolder = None,
    fdr: Annotated[
        float,
        typer.Option(help="The share of right labels among the suspects that is aimed at."),
    ] = 0.1,
    count: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 25,
    out: Annotated[
        Path | None, options.written("A csv file for all suspects, the most suspicious first.")
    ] = None,
    chart: Annotated[
        Path | None, options.written("A picture of the margins and the cut: .png, .svg, ...")
    ] = None,
    classes: Classes = None,
    form: PrintedAs = TableFormat.TABLE,
    safe_csv: options.SafeCsv = False,
) -> None:
    r"""List the labels of RUN that are probably wrong, with what the model would call them.

    Confidence, AUM, loss and EL2N are combined, with the loss-gradient scores where planted flips
    calibrate; VoG only if it helps there. With csv or json, all suspects are printed. Where it
    cannot be told how many labels are wrong, none is a suspect, and the most doubted are shown.

    Example:
      vog suspects scores/a --fdr 0.05 --out suspects.csv
    """
    import vog
    from vog.analysis.label_errors import hardest, most_suspicious
    from vog.result import planted as records
    from vog.result.where import refuse_to_replace

    show.refuse_other_chart(chart)
    scored = opened(run, classes)
    show.agreement(scored)
    if out is not None:
        refuse_to_replace(scored, out)
    record = None if planted is None else records.load(planted)
    found = vog.suspects(scored, record, fdr)
    rows = _rows(scored, most_suspicious(scored, found), record)
    columns = [*_COLUMNS, *(["planted"] if record is not None else [])]
    if form is TableFormat.TABLE:
        ranked = rows if found.why is None else _rows(scored, hardest(scored, found, count), record)
        show.for_people(ranked[:count])
        typer.echo("\n" + _said(found, rows, scored))
    else:
        show.table(rows, form, columns, safe_csv)
        typer.echo(_said(found, rows, scored), err=True)
    if out is not None:
        from vog.result.files import as_csv, write_text

        write_text(out, as_csv(rows, columns, safe_csv))
        typer.echo(f"{out}: {len(rows):,} suspects", err=form is not TableFormat.TABLE)
    if chart is not None:
        from vog.figures import charts

        typer.echo(
            charts.save(charts.margins(scored, found), chart), err=form is not TableFormat.TABLE
        )


def _rows(
    run: "Run", listed: "Sequence[Suspect]", record: "Planted | None"
) -> list[dict[str, Any]]:
    planted = {} if record is None else {one.id: one.kind for one in record.plants}
    rows = [
        {
            "id": one.id,
            "label": named(run, one.label),
            "suggested": named(run, one.suggested),
            "probability": one.probability,
            "hardness": one.hardness,
        }
        for one in listed
    ]
    if record is None:
        return rows
    return [row | {"planted": planted.get(row["id"])} for row in rows]


def named(run: "Run", label: int | None) -> str | int | None:
    """A class by its name, where it has one."""
    from vog.analysis.examples import class_name

    return None if label is None else class_name(run, label) or label


def _said(found: "Verdict", rows: list[dict[str, Any]], run: "Run") -> str:
    from vog.analysis.suspects import WHAT_WOULD_TELL

    if found.why is not None:
        ranked = f"These rank highest, by {', '.join(found.scores)}."
        return (
            f"How many of {run.rows:,} labels are wrong cannot be told: {found.why}. {ranked}\n"
            f"{WHAT_WOULD_TELL}"
        )
    count = int(found.suspect.sum())
    how = {
        "tail": f"doubted more than the others foretell, ranked by {', '.join(found.scores)}",
        "threshold": "by AUM, below the 99th percentile of the threshold samples, whatever --fdr",
        "calibrated": f"calibrated with the planted flips, by {', '.join(found.scores)}",
    }[found.method]
    said = [f"{count:,} of {run.rows:,} labels are suspects, {how}."]
    if found.method != "threshold":
        own = ", planted ones among them" if found.method == "calibrated" else ""
        least = "At least about" if found.method == "tail" else "About"
        said.append(f"{least} {found.wrong:,.0f} labels are wrong in all{own}.")
        unknown = sum(value != value for value in found.probability.tolist())
        said += [f"{unknown:,} rows could not be judged."] if unknown else []
    if found.method != "threshold" and count:
        said.append(
            f"Of the suspects about {found.expected_fdr:.0%} are expected to be right (aimed at: "
            f"{found.fdr:.0%})."
        )
    if found.unlearned:
        names = first_few([str(named(run, one)) for one in found.unlearned])
        said.append(f"Not judged are labels of classes that the model has not learned: {names}.")
    if found.method == "calibrated":
        own = sum(row["planted"] is None for row in rows)
        said.append(f"{count - own:,} of them were planted; the other {own:,} are your own.")
    if found.vog_helps is not None:
        helped = "helped, and is in" if found.vog_helps else "did not help, and is left out"
        said.append(f"VoG {helped}.")
    return "\n".join(said)
