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
    from vog.analysis.verdict import Verdict
    from vog.result import Run
    from vog.result.planted import Planted

_COLUMNS = ("id", "label", "suggested", "probability", "hardness")
PlantedFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="PLANTED",
        help="What `vog plant` wrote, if RUN was trained on it: its flips calibrate, its threshold "
        "samples give AUM's cut-off. Default: probabilities out of sample, or the tail of doubts.",
    ),
]


def suspects(
    run: RunFolder,
    planted: PlantedFolder = None,
    fdr: Annotated[
        float,
        typer.Option(help="The share of right labels among the suspects that is aimed at."),
    ] = 0.1,
    stage: options.VerdictStage = None,
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
    calibrate; VoG only if it helps there. Of rows that folds hold out, the probabilities of all
    classes decide. With csv or json, all suspects are printed. Where it cannot be told how many
    labels are wrong, none is a suspect, and the most doubted are shown.

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
    found = vog.suspects(scored, record, fdr, stage)
    rows = _rows(scored, most_suspicious(scored, found), record)
    columns = [*_COLUMNS, *(["planted"] if record is not None else [])]
    if form is TableFormat.TABLE:
        ranked = rows if found.why is None else _rows(scored, hardest(scored, found, count), record)
        show.for_people(ranked[:count])
        typer.echo("\n" + said(found, scored, record))
    else:
        show.table(rows, form, columns, safe_csv)
        typer.echo(said(found, scored, record), err=True)
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


def said(found: "Verdict", run: "Run", record: "Planted | None" = None) -> str:
    """A verdict in sentences: how many are suspects, by what, and how sure that is."""
    parts = [_stage(found, run), *_counted(found, run, record), *_left_out(found, run)]
    if found.vog_helps is not None:
        helped = "helped, and is in" if found.vog_helps else "did not help, and is left out"
        parts.append(f"VoG {helped}.")
    return "\n".join(parts)


def _stage(found: "Verdict", run: "Run") -> str:
    rule = f": {found.why_stage}" if found.why_stage else ", as asked"
    unseen = "Out of sample: each label was judged by a training without it. "
    return f"{unseen if run.out_of_sample else ''}Stage {found.stage}{rule}."


def _counted(found: "Verdict", run: "Run", record: "Planted | None") -> list[str]:
    from vog.analysis.verdict import WHAT_WOULD_TELL

    own = int((found.suspect & ~found.planted).sum())
    planted = int(found.planted.sum())
    others = f"{run.rows - planted:,} labels" + (" that were not planted" if planted else "")
    by = f"by {', '.join(found.scores)}" if found.scores else "by the probabilities of all classes"
    if found.why is not None:
        return [
            f"How many of {others} are wrong cannot be told: {found.why}. These rank highest, {by}."
            f"{_among_planted(found)}",
            WHAT_WOULD_TELL,
        ]
    how = {
        "tail": f"doubted more than the others foretell, ranked {by}",
        "held out": "contradicted more than calibrated models would contradict right ones",
        "threshold": "by AUM, below the 99th percentile of the threshold samples, whatever --fdr",
        "calibrated": f"that look like the planted ones, {by}",
    }[found.method]
    told = [f"{own:,} of {others} are suspects, {how}."]
    if planted:
        caught = int((found.suspect & found.planted).sum())
        told.append(
            f"The same cut finds {caught:,} of the {planted:,} planted. What is expected is so for "
            f"errors of the kind that was planted ({_kinds(record)})."
        )
    if found.method != "threshold":
        at_most = "at most about" if found.method == "held out" else "about"
        told.append(
            f"At least about {found.wrong:,.0f} of these labels are wrong. Of the {own:,} suspects "
            f"{at_most} {found.expected_fdr:.0%} are expected to be right (aimed at: "
            f"{found.fdr:.0%})."
        )
    return told


def _kinds(record: "Planted | None") -> str:
    return ", ".join(() if record is None else record.hows("flip"))


def _among_planted(found: "Verdict") -> str:
    """Where the planted rank, in a sentence; nothing where none was."""
    planted, known = found.planted, found.hardness == found.hardness
    if not (planted & known).any():
        return ""
    hard = found.hardness
    middle = float(sorted(hard[planted & known])[int((planted & known).sum()) // 2])
    before = int((hard[known & ~planted] > middle).sum())
    return f" Half of the planted rank above all but {before:,} of the others."


def _left_out(found: "Verdict", run: "Run") -> list[str]:
    told = []
    unknown = int((found.hardness != found.hardness).sum())
    if unknown and found.why is None and not found.unlearned:
        told.append(f"{unknown:,} rows could not be judged.")
    if found.unlearned:
        names = first_few([str(named(run, one)) for one in found.unlearned])
        told.append(f"Not judged are labels of classes that the model has not learned: {names}.")
    return told
