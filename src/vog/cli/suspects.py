"""The command that lists the labels that are probably wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import Classes, PlantedFolder, PrintedAs, RunFolder, open_named_run
from vog.errors import first_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vog.analysis.label_errors.suspect_list import Suspect
    from vog.analysis.label_errors.verdict import Verdict
    from vog.result import Run
    from vog.result.planting_record import Planted

_COLUMNS = ("id", "label", "suggested", "probability", "hardness")


def suspects(
    run: RunFolder,
    planted: PlantedFolder = None,
    fdr: Annotated[
        float,
        typer.Option(help="The share of right labels among the suspects to aim at."),
    ] = 0.1,
    stage: options.VerdictStage = None,
    count: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 25,
    out: Annotated[
        Path | None, options.output("A csv file for all suspects, the most suspicious first.")
    ] = None,
    chart: Annotated[
        Path | None, options.output("A picture of the margins and the cut: .png, .svg, ...")
    ] = None,
    classes: Classes = None,
    form: PrintedAs = TableFormat.TABLE,
    safe_csv: options.SafeCsv = False,
) -> None:
    r"""List the labels of RUN that are probably wrong, with the labels that the model suggests.

    The verdict combines confidence, AUM, loss and EL2N; with planted flips also the loss-gradient
    scores, and VoG if it helps. For rows that folds hold out, it uses the probabilities of all
    classes. csv and json list all suspects. If it cannot be told how many labels are wrong, none
    is a suspect, and the most doubted labels are listed.

    Example:
      vog suspects scores/a --fdr 0.05 --out suspects.csv
    """
    import vog
    from vog.analysis.label_errors.suspect_list import hardest, most_suspicious
    from vog.figures.row_texts import with_texts
    from vog.result import planting_record as records
    from vog.result.data_location import refuse_to_overwrite_inputs

    printing.check_chart_path(chart)
    scored = open_named_run(run, classes)
    printing.warn_label_agreement(scored)
    if out is not None:
        refuse_to_overwrite_inputs(scored, out)
    record = None if planted is None else records.load_planting_record(planted)
    verdict = vog.suspects(scored, record, fdr, stage)
    rows = _rows(scored, most_suspicious(scored, verdict), record)
    columns = [*_COLUMNS, *(["planted"] if record is not None else [])]
    if form is TableFormat.TABLE:
        ranked = (
            rows
            if verdict.reason is None
            else _rows(scored, hardest(scored, verdict, count), record)
        )
        printing.print_aligned(with_texts(scored, ranked[:count]))
        typer.echo("\n" + verdict_sentences(verdict, scored, record))
    else:
        printing.print_table(rows, form, columns, safe_csv)
        typer.echo(verdict_sentences(verdict, scored, record), err=True)
    if out is not None:
        from vog.files.writing import as_csv, write_text

        write_text(out, as_csv(rows, columns, safe_csv))
        typer.echo(f"{out}: {len(rows):,} suspects", err=form is not TableFormat.TABLE)
    if chart is not None:
        from vog.figures import charts

        path = charts.save_chart(charts.margins(scored, verdict), chart)
        typer.echo(path, err=form is not TableFormat.TABLE)


def _rows(
    run: "Run", listed: "Sequence[Suspect]", record: "Planted | None"
) -> list[dict[str, Any]]:
    planted = {} if record is None else {fault.id: fault.kind for fault in record.plants}
    rows = [
        {
            "id": suspect.id,
            "label": class_label(run, suspect.label),
            "suggested": class_label(run, suspect.suggested),
            "probability": suspect.probability,
            "hardness": suspect.hardness,
        }
        for suspect in listed
    ]
    if record is None:
        return rows
    return [row | {"planted": planted.get(row["id"])} for row in rows]


def class_label(run: "Run", label: int | None) -> str | int | None:
    """Return the name of a class, or its number if it has no name."""
    from vog.analysis.one_run.row_facts import class_name

    return None if label is None else class_name(run, label) or label


def verdict_sentences(verdict: "Verdict", run: "Run", record: "Planted | None" = None) -> str:
    """Return a verdict in sentences: how many suspects, by which scores, and how sure that is."""
    parts = [_which_stage(verdict, run), *_counts(verdict, run, record), *_unjudged(verdict, run)]
    if verdict.vog_helps is not None:
        vog_use = "helped, and is in" if verdict.vog_helps else "did not help, and is left out"
        parts.append(f"VoG {vog_use}.")
    return "\n".join(parts)


def _which_stage(verdict: "Verdict", run: "Run") -> str:
    reason = f": {verdict.stage_reason}" if verdict.stage_reason else ", as asked"
    held_out_sentence = "Out of sample: each label was judged by a training without it. "
    return f"{held_out_sentence if run.out_of_sample else ''}Stage {verdict.stage}{reason}."


def _counts(verdict: "Verdict", run: "Run", record: "Planted | None") -> list[str]:
    from vog.analysis.label_errors.verdict import VERDICT_ADVICE

    suspects = int((verdict.suspect & ~verdict.planted).sum())
    planted = int(verdict.planted.sum())
    labels = f"{run.rows - planted:,} labels" + (" that were not planted" if planted else "")
    basis = "by " + (", ".join(verdict.scores) or "the probabilities of all classes")
    if verdict.reason is not None:
        return [
            f"How many of {labels} are wrong cannot be told: {verdict.reason}. These rank highest, "
            f"{basis}.{_planted_rank(verdict)}",
            VERDICT_ADVICE,
        ]
    rule = {
        "tail": f"doubted more than the other labels predict, ranked {basis}",
        "held out": "contradicted more than calibrated models would contradict right ones",
        "threshold": "by AUM, below the 99th percentile of the threshold samples; --fdr is unused",
        "calibrated": f"that look like the planted ones, {basis}",
    }[verdict.method]
    lines = [f"{suspects:,} of {labels} are suspects, {rule}."]
    if planted:
        caught = int((verdict.suspect & verdict.planted).sum())
        lines.append(
            f"The same cut finds {caught:,} of the {planted:,} planted. The estimates hold for "
            f"errors of the kind that was planted ({_flip_methods(record)})."
        )
    if verdict.method != "threshold":
        at_most = "at most about" if verdict.method == "held out" else "about"
        lines.append(
            f"At least about {verdict.expected_wrong_labels:,.0f} of these labels are wrong. Of "
            f"the {suspects:,} suspects {at_most} {verdict.expected_fdr:.0%} are expected to be "
            f"right (target: {verdict.fdr:.0%})."
        )
    return lines


def _flip_methods(record: "Planted | None") -> str:
    return ", ".join(() if record is None else record.methods("flip"))


def _planted_rank(verdict: "Verdict") -> str:
    """Return a sentence on the ranks of the planted rows, or nothing if there are none."""
    planted, valid = verdict.planted, verdict.hardness == verdict.hardness
    if not (planted & valid).any():
        return ""
    hardness = verdict.hardness
    median = float(sorted(hardness[planted & valid])[int((planted & valid).sum()) // 2])
    ranked_above = int((hardness[valid & ~planted] > median).sum())
    return f" Half of the planted rank above all but {ranked_above:,} of the other rows."


def _unjudged(verdict: "Verdict", run: "Run") -> list[str]:
    lines = []
    unjudged = int((verdict.hardness != verdict.hardness).sum())
    if unjudged and verdict.reason is None and not verdict.unlearned:
        lines.append(f"{unjudged:,} rows could not be judged.")
    if verdict.unlearned:
        names = first_few([str(class_label(run, label)) for label in verdict.unlearned])
        lines.append(f"Labels of classes that the model did not learn are not judged: {names}.")
    return lines
