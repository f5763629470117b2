"""The command that says what a run says as a whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import Classes, PrintedAs, RunFolder, open_named_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vog.analysis.one_run.error_by_rank import Bin
    from vog.analysis.one_run.overview import Overview
    from vog.analysis.one_run.stability import Stability

_HARDEST = 10


def analyze(
    run: RunFolder,
    score: Annotated[
        str | None,
        typer.Option(
            help="What examples are ranked by at each stage, without the stage: vog:class, aum, "
            "... Default: vog:class, or the first score if there is no vog."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        options.written("A folder for analysis.json, classes.csv and the figure (PNG, SVG)."),
    ] = None,
    classes: Classes = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER",
            help="A run of other data under the same checkpoints: how well each score tells the "
            "examples of RUN, taken for outside, from those of OTHER. Instead of all else.",
        ),
    ] = None,
    form: PrintedAs = TableFormat.TABLE,
    safe_csv: options.SafeCsv = False,
) -> None:
    r"""Error rate by decile and stage, difficulty of the classes, agreement of the stages.

    Wrong is an example whose label the last checkpoint of the stage does not predict. Intervals
    are 95 % Wilson intervals. With --against, whether RUN is out of distribution: both are best
    scored with --target predicted, and what is high is taken for outside.

    Example:
      vog analyze scores/a --out analysis
      vog analyze scores/strange --against scores/test
    """
    if against is not None:
        if out is not None:
            raise typer.BadParameter("--out is of no use with --against: print with --format csv.")
        if classes is not None:
            raise typer.BadParameter("--classes is of no use with --against, which names none.")
        _outside(run, against, score, form)
        return
    import vog
    from vog.analysis.one_run.stability import unmeasured_stages
    from vog.figures import analysis_files
    from vog.files.writing import as_json

    scored = open_named_run(run, classes)
    found = vog.analyze(scored, score)
    if form is TableFormat.TABLE:
        _print(found, unmeasured_stages(scored))
    elif form is TableFormat.CSV:
        printing.print_table(_bins(found), form, safe_csv=safe_csv)
    else:
        typer.echo(as_json(found.as_dict()), nl=False)
    if out is not None:
        for path in analysis_files.write_analysis(found, out, safe_csv):
            typer.echo(path, err=form is not TableFormat.TABLE)


def _outside(folder: Path, against: Path, score: str | None, form: TableFormat) -> None:
    from vog.analysis.detection.out_of_distribution import ood_detection

    run, other = open_named_run(folder, None), open_named_run(against, None)
    found = ood_detection(run, other, score)
    if found.warning is not None:
        typer.echo(f"Warning: {found.warning}", err=True)
    if form is not TableFormat.TABLE:
        printing.print_table(found.rows(), form)
        return
    share = run.rows / (run.rows + other.rows)
    typer.echo(
        f"{run.rows:,} examples of {folder}, taken for outside where hard, against {other.rows:,} "
        f"of {against}\n"
        f"By chance AUROC 0.5, AUPR-OUT {share:.3f}, AUPR-IN {1 - share:.3f}, FPR95 0.95 "
        f"(FPR95 is better low; AUPR depends on how many rows each has)\n"
    )
    gaps = any(one.left_out for one in found.columns)
    printing.print_aligned(
        [
            {
                "score": one.score,
                "stage": one.stage,
                "AUROC": _share(one.metrics.auroc),
                "AUPR-OUT": _share(one.metrics.aupr_out),
                "AUPR-IN": _share(one.metrics.aupr_in),
                "FPR95": _share(one.metrics.fpr95),
                "label": "takes part" if one.uses_label else "-",
            }
            | ({"without value": one.left_out} if gaps else {})
            for one in found.columns
        ]
    )


def _share(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"


def _print(found: "Overview", not_measured: str | None) -> None:
    ends = ("easiest", "hardest") if found.hard_is_high else ("hardest", "easiest")
    bins = len(next(iter(found.errors.values())).deciles)
    share = f"{100 / bins:.0f} %"
    typer.echo(f"Error rate by {found.score}, with 95 % Wilson intervals\n")
    printing.print_aligned(
        [
            {
                "stage": stage,
                f"lowest {share} ({ends[0]})": _rate(one.lowest),
                "all": _rate(one.everything),
                f"highest {share} ({ends[1]})": _rate(one.highest),
            }
            for stage, one in found.errors.items()
        ]
    )
    typer.echo("\nError rate by decile\n")
    deciles = next(iter(found.errors.values())).deciles
    printing.print_aligned(
        [
            {"percentile": _percentile(deciles[i])}
            | {s: f"{one.deciles[i].error:.1%}" for s, one in found.errors.items()}
            for i in range(min(len(one.deciles) for one in found.errors.values()))
        ]
    )
    classes = [row | {"error": f"{row['error']:.1%}"} for row in found.class_rows()]
    typer.echo(f"\nThe hardest of {len(classes):,} classes: mean of the raw score, last error\n")
    printing.print_aligned(classes[:_HARDEST])
    alone = sum(one.examples == 1 for one in found.classes)
    if alone and found.score.endswith((":class", ":robust", "_z")):
        typer.echo(
            f"\n{alone:,} of {len(classes):,} classes have one example, which is 0 within its "
            f"class: with so few, rank by the raw score, --score {found.raw}."
        )
    typer.echo("\nSpearman correlation of the rankings between stages\n")
    printing.print_aligned(
        [{"": a} | {b: f"{v:.2f}" for b, v in row.items()} for a, row in found.agreement.items()]
    )
    _print_stability(found.stability, not_measured)
    typer.echo("")


def _print_stability(found: "Sequence[Stability]", not_measured: str | None) -> None:
    """One row a score and one column a stage, and where there is none, why."""
    if not found and not_measured is None:
        return
    typer.echo(
        "\nStability of the rankings: odd checkpoints against even ones, by Spearman-Brown for all "
        "of them.\nIt measures the checkpoints and not the seed, between which rankings differ "
        "more: vog compare.\n"
    )
    stages = dict.fromkeys(one.stage for one in found)
    # Of all checkpoints a score has halves if it has them anywhere.
    scores = [one.score for one in found if one.stage == "all"]
    by_score = {score: {"score": score} | dict.fromkeys(stages, "-") for score in scores}
    for one in found:
        by_score[one.score][one.stage] = one.said
    if found:
        printing.print_aligned(list(by_score.values()))
    if not_measured is not None:
        typer.echo(("\n" if found else "") + not_measured)


def _bins(found: "Overview") -> list[dict[str, Any]]:
    return [
        {
            "stage": stage,
            "percentile": _percentile(one),
            "examples": one.examples,
            "error": one.error,
            "low": one.low,
            "high": one.high,
        }
        for stage, errors in found.errors.items()
        for one in (*errors.deciles, errors.everything)
    ]


def _percentile(one: "Bin") -> str:
    return f"{100 * one.first:.0f}-{100 * one.last:.0f}"


def _rate(one: "Bin") -> str:
    return f"{one.error:.1%}  [{one.low:.1%}, {one.high:.1%}]"
