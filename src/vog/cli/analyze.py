"""The command that describes a run as a whole: errors, classes, stages."""

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

_PRINTED_CLASSES = 10


def analyze(
    run: RunFolder,
    score: Annotated[
        str | None,
        typer.Option(
            help="The score that ranks examples at each stage, without the stage: vog:class, aum, "
            "... Default: vog:class, or the first score if there is no vog."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        options.output("A folder for analysis.json, classes.csv and the figure (PNG, SVG)."),
    ] = None,
    classes: Classes = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER",
            help="A run of other data under the same checkpoints. Shows only how well each score "
            "separates the examples of RUN, taken as out of distribution, from those of OTHER.",
        ),
    ] = None,
    form: PrintedAs = TableFormat.TABLE,
    safe_csv: options.SafeCsv = False,
) -> None:
    r"""Show the error rate by decile and stage, the hardest classes, and how stages agree.

    An example is wrong if the last checkpoint of the stage does not predict its label. Intervals
    are 95 % Wilson intervals. With --against, show whether RUN is out of distribution: score both
    runs with --target predicted. High scores then count as out of distribution.

    Example:
      vog analyze scores/a --out analysis
      vog analyze scores/strange --against scores/test
    """
    if against is not None:
        if out is not None:
            raise typer.BadParameter("--out does not go with --against: use --format csv.")
        if classes is not None:
            raise typer.BadParameter("--classes does not go with --against: leave it out.")
        _print_ood_detection(run, against, score, form)
        return
    import vog
    from vog.analysis.one_run.stability import unmeasured_stages
    from vog.figures import analysis_files
    from vog.files.writing import as_json

    opened_run = open_named_run(run, classes)
    overview = vog.analyze(opened_run, score)
    if form is TableFormat.TABLE:
        _print_overview(overview, unmeasured_stages(opened_run))
    elif form is TableFormat.CSV:
        printing.print_table(_bin_rows(overview), form, safe_csv=safe_csv)
    else:
        typer.echo(as_json(overview.as_dict()), nl=False)
    if out is not None:
        for path in analysis_files.write_analysis(overview, out, safe_csv):
            typer.echo(path, err=form is not TableFormat.TABLE)


def _print_ood_detection(folder: Path, against: Path, score: str | None, form: TableFormat) -> None:
    from vog.analysis.detection.out_of_distribution import ood_detection

    run, reference = open_named_run(folder, None), open_named_run(against, None)
    detection = ood_detection(run, reference, score)
    if detection.warning is not None:
        typer.echo(f"Warning: {detection.warning}", err=True)
    if form is not TableFormat.TABLE:
        printing.print_table(detection.rows(), form)
        return
    share = run.rows / (run.rows + reference.rows)
    typer.echo(
        f"{run.rows:,} examples of {folder}, taken as out of distribution where hard, against "
        f"{reference.rows:,} of {against}\n"
        f"By chance: AUROC 0.5, AUPR-OUT {share:.3f}, AUPR-IN {1 - share:.3f}, FPR95 0.95 "
        f"(lower FPR95 is better; AUPR depends on the number of rows of each run)\n"
    )
    gaps = any(column.left_out for column in detection.columns)
    printing.print_aligned(
        [
            {
                "score": column.score,
                "stage": column.stage,
                "AUROC": _format_share(column.metrics.auroc),
                "AUPR-OUT": _format_share(column.metrics.aupr_out),
                "AUPR-IN": _format_share(column.metrics.aupr_in),
                "FPR95": _format_share(column.metrics.fpr95),
                "label": "takes part" if column.uses_label else "-",
            }
            | ({"without value": column.left_out} if gaps else {})
            for column in detection.columns
        ]
    )


def _format_share(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"


def _print_overview(overview: "Overview", not_measured: str | None) -> None:
    end_names = ("easiest", "hardest") if overview.higher_is_harder else ("hardest", "easiest")
    bins = len(next(iter(overview.errors.values())).deciles)
    share = f"{100 / bins:.0f} %"
    typer.echo(f"Error rate by {overview.score}, with 95 % Wilson intervals\n")
    printing.print_aligned(
        [
            {
                "stage": stage,
                f"lowest {share} ({end_names[0]})": _error_with_interval(errors.lowest),
                "all": _error_with_interval(errors.overall),
                f"highest {share} ({end_names[1]})": _error_with_interval(errors.highest),
            }
            for stage, errors in overview.errors.items()
        ]
    )
    typer.echo("\nError rate by decile\n")
    deciles = next(iter(overview.errors.values())).deciles
    printing.print_aligned(
        [
            {"percentile": _percentile_range(deciles[i])}
            | {s: f"{errors.deciles[i].error:.1%}" for s, errors in overview.errors.items()}
            for i in range(min(len(errors.deciles) for errors in overview.errors.values()))
        ]
    )
    classes = [row | {"error": f"{row['error']:.1%}"} for row in overview.class_rows()]
    typer.echo(f"\nThe hardest of {len(classes):,} classes: mean of the raw score, last error\n")
    printing.print_aligned(classes[:_PRINTED_CLASSES])
    single_example_classes = sum(group.examples == 1 for group in overview.classes)
    if single_example_classes and overview.score.endswith((":class", ":robust", "_z")):
        typer.echo(
            f"\n{single_example_classes:,} of {len(classes):,} classes have one example, whose "
            f"score within its class is 0. Rank by the raw score instead: --score {overview.raw}."
        )
    typer.echo("\nSpearman correlation of the rankings between stages\n")
    printing.print_aligned(
        [{"": a} | {b: f"{v:.2f}" for b, v in row.items()} for a, row in overview.agreement.items()]
    )
    _print_stability(overview.stability, not_measured)
    typer.echo("")


def _print_stability(stabilities: "Sequence[Stability]", not_measured: str | None) -> None:
    """Print one row for each score and one column for each stage, or why there are none."""
    if not stabilities and not_measured is None:
        return
    typer.echo(
        "\nStability of the rankings: odd checkpoints against even ones, extrapolated to all by "
        "Spearman-Brown.\nIt measures the effect of the checkpoints. Rankings differ more between "
        "seeds: see vog compare.\n"
    )
    stages = dict.fromkeys(stability.stage for stability in stabilities)
    # A score with split halves at any stage also has them over all checkpoints.
    scores = [stability.score for stability in stabilities if stability.stage == "all"]
    by_score = {score: {"score": score} | dict.fromkeys(stages, "-") for score in scores}
    for stability in stabilities:
        by_score[stability.score][stability.stage] = stability.reliability_text
    if stabilities:
        printing.print_aligned(list(by_score.values()))
    if not_measured is not None:
        typer.echo(("\n" if stabilities else "") + not_measured)


def _bin_rows(overview: "Overview") -> list[dict[str, Any]]:
    return [
        {
            "stage": stage,
            "percentile": _percentile_range(error_bin),
            "examples": error_bin.examples,
            "error": error_bin.error,
            "low": error_bin.low,
            "high": error_bin.high,
        }
        for stage, errors in overview.errors.items()
        for error_bin in (*errors.deciles, errors.overall)
    ]


def _percentile_range(error_bin: "Bin") -> str:
    return f"{100 * error_bin.first:.0f}-{100 * error_bin.last:.0f}"


def _error_with_interval(error_bin: "Bin") -> str:
    return f"{error_bin.error:.1%}  [{error_bin.low:.1%}, {error_bin.high:.1%}]"
