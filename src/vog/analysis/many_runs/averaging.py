"""Means of scores over several runs, such as over seeds, with their standard errors."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from vog.analysis.many_runs.alignment import AlignedRuns, align_runs
from vog.data.run_data import ids_find_examples
from vog.errors import ResultError, first_few
from vog.files.output_paths import output_path
from vog.progress import progress
from vog.result import Run, open_run, parts
from vog.result.combined_run import CombinedRows, combined_question, score_name, write_combined
from vog.result.derived_columns import class_z_score, rank
from vog.result.question import WHERE
from vog.result.rows import Meaning
from vog.wording import option, same_again

_SMALL = 4_000_000  # values, averaged in about two seconds: no progress is shown
_VIEW_SUFFIXES = ("_rank", "_rank_se", "_z", "_z_se")
_Values = Float[np.ndarray, "runs n"]
_Column = Float[np.ndarray, "n"]


def combine(
    runs: Sequence[Run], out: str | Path, overwrite: bool = False, quiet: bool = True
) -> Run:
    """Write a run that holds the means over several runs, for the examples that all have.

    Rows are in the order of the first run. Each stored score that all runs have becomes 5 columns:

        SCORE@STAGE          mean of the values
        SCORE_rank@STAGE     mean of the ranks in [0, 1] (SCORE@STAGE:rank)
        SCORE_rank_se@STAGE  its standard error: standard deviation over the runs (ddof 1) / sqrt(R)
        SCORE_z@STAGE        mean of the z-scores within the class (SCORE@STAGE:class)
        SCORE_z_se@STAGE     its standard error

    Ranks and z-scores are those of each run over the shared examples. `prediction@STAGE` is the
    class that most runs predict; ties go to the earliest run. If a run lacks a value, all five
    columns lack it; if another run has one, `problem` names the runs without it and the reason.
    The mean of values with an infinity is that infinity, without a standard error; infinities of
    both signs have no mean.

    Args:
        runs: two or more, finished.
        out: the folder to write.
        overwrite: replace a run that is already in `out`.
        quiet: show no progress.

    Raises:
        ResultError: fewer than two runs, one given twice, two of one training, one that is combined
            or not finished, or nothing in common; labels, class names, targets, transforms, stages
            or scores differ; `out` is one of the runs or holds something else.
        DifferentQuestionError: `out` holds a different run.
    """
    out = output_path(out)
    return combine_aligned(align_runs(runs), out, overwrite, quiet)


def combine_aligned(
    aligned: AlignedRuns, out: str | Path, overwrite: bool = False, quiet: bool = True
) -> Run:
    """Write the same for runs that are already aligned.

    Raises:
        ResultError, DifferentQuestionError: as for `combine`.
    """
    out, runs = Path(out), aligned.runs
    _refuse_uncombinable(aligned, out)
    count = len(aligned.ids)
    question = combined_question(
        runs,
        aligned.names,
        aligned.columns,
        count,
        aligned.covers_first_run,
        ids_find_examples(runs[0]),
        out,
    )
    with parts.writing_session(out, question, overwrite):
        if parts.gaps(parts.list_parts(out), count):
            is_short = len(aligned.columns) * len(runs) * count < _SMALL
            write_combined(out, _average_runs(aligned, quiet or is_short), runs[0].label_names)
    return open_run(out)


def _refuse_uncombinable(aligned: AlignedRuns, out: Path) -> None:
    """Raise unless the runs can be combined into this folder."""
    first = aligned.runs[0]
    for run in aligned.runs:
        refuse_out_or_unfinished(run, out)
        if "combined" in run.question:
            source_runs = ", ".join(run.question.get(WHERE, {}).get("combined", []))
            raise ResultError(
                f"{run.folder} is itself the means over {len(run.question['combined'])} runs, "
                f"and would count as one run. Combine all single runs at once"
                f"{source_runs and f': it was made from {source_runs}'}."
            )
    if (pair := find_same_weights(aligned.runs)) is not None:
        raise ResultError(
            f"{pair[0].folder} and {pair[1].folder} were scored under the same weights: they are "
            f"one training, so the standard errors of the means would be too small. Combine runs "
            f"of different trainings."
        )
    _refuse_taken_names(aligned.columns)
    for run in aligned.runs[1:]:
        refuse_different_question(first, run, aligned.columns)
    if aligned.labels_differ.any():
        differing_ids = aligned.ids.filter(aligned.labels_differ).to_pylist()
        raise ResultError(
            f"the labels of {len(differing_ids):,} of {len(aligned.ids):,} shared examples differ: "
            f"{first_few(differing_ids)}. Combine runs that were trained on the same labels."
        )


def refuse_out_or_unfinished(run: Run, out: Path) -> None:
    """Raise unless a run is finished and differs from the folder to be written.

    Raises:
        ResultError: the run is `out`, or rows are missing.
    """
    if run.folder.resolve() == out.resolve():
        raise ResultError(f"{option('out', str(out))} is one of the runs. Give another folder.")
    if run.missing_rows:
        raise ResultError(
            f"{run.folder} has {run.rows:,} rows, and {run.missing_rows:,} are missing. "
            f"{same_again('score')} to continue, and combine the runs afterwards."
        )


def refuse_different_question(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Raise unless two runs computed the same scores and stages for the same classes.

    Raises:
        ResultError: targets, transforms, scores, stages or class names differ.
    """
    _refuse_different_scores(first, run, columns)
    _refuse_different_stages(first, run, columns)
    _refuse_different_class_names(first, run)


def find_same_weights(runs: Sequence[Run]) -> tuple[Run, Run] | None:
    """Return two runs that were scored under the same weights, or None."""
    run_by_weights: dict[tuple[str, ...], Run] = {}
    for run in runs:
        weights = tuple(entry.get("sha256", "") for entry in run.question.get("checkpoints", []))
        earlier_run = run_by_weights.setdefault(weights, run)
        if earlier_run is not run and all(weights) and weights:
            return earlier_run, run
    return None


def _refuse_taken_names(columns: Sequence[str]) -> None:
    """Raise if a score has the name of a column that combining another score makes."""
    for column in columns:
        score, _, stage = column.partition("@")
        for suffix in _VIEW_SUFFIXES:
            if f"{score}{suffix}@{stage}" in columns:
                raise ResultError(
                    f"the runs have a score {score}{suffix}, which is the name of a column of "
                    f"means of {score}. Score again with another name for it."
                )


def _refuse_different_stages(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Raise if, with equally many checkpoints, stages of one name hold different ones."""
    first_count, run_count = (len(each.question.get("checkpoints", [])) for each in (first, run))
    if first_count != run_count:  # thirds of 6 and of 9 are different spans, but both thirds
        return
    for stage in dict.fromkeys(column.partition("@")[2] for column in columns):
        first_span, run_span = (each.question.get("stages", {}).get(stage) for each in (first, run))
        if first_span != run_span:
            raise ResultError(
                f"stage {stage} has the checkpoints {first_span} in {first.folder} and {run_span} "
                f"in {run.folder}, as START, STOP. Combine runs with the same {option('stages')}."
            )


def _refuse_different_class_names(first: Run, run: Run) -> None:
    """Raise if both runs name their classes and the names differ."""
    names = first.label_names, run.label_names
    if None in names:
        return
    for label, (first_name, run_name) in enumerate(itertools.zip_longest(*names)):  # type: ignore[arg-type]
        if first_name != run_name:
            raise ResultError(
                f"class {label} is {first_name!r} in {first.folder} and {run_name!r} in "
                f"{run.folder}, so the labels are not the same. Combine runs of the same classes."
            )


def _refuse_different_scores(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Raise unless both runs have the same target, transform and settings of scores."""
    expected, actual = (each.question.get("target") for each in (first, run))
    if expected != actual:
        raise ResultError(
            f"the target of {run.folder} is {actual!r}, that of {first.folder} {expected!r}: their "
            f"scores are not comparable. Combine runs with the same {option('target')}."
        )
    expected, actual = (each.question["data"].get("transform") for each in (first, run))
    if None not in (expected, actual) and expected != actual:
        raise ResultError(
            f"the transform of {run.folder} is {actual!r}, that of {first.folder} {expected!r}: "
            f"models had different inputs. Combine runs with the same {option('transform')}."
        )
    first_scores, run_scores = (
        {score_name(score): score for score in each.question.get("scores", [])}
        for each in (first, run)
    )
    for column in columns:
        name = column.partition("@")[0]
        expected, actual = first_scores.get(name), run_scores.get(name)
        if expected != actual or first.higher_is_harder(column) != run.higher_is_harder(column):
            raise ResultError(
                f"{name} is not the same score in all runs: {expected} in {first.folder}, "
                f"{actual} in {run.folder}. Combine runs with the same channels and code."
            )


def _average_runs(aligned: AlignedRuns, quiet: bool) -> CombinedRows:
    for run in aligned.runs:
        run.require_classes("a combination of runs, with means within classes,")
    numbers = range(len(aligned.runs))
    classes = [aligned.classes(number, run.class_column) for number, run in enumerate(aligned.runs)]
    scores: dict[str, _Column] = {}
    metadata: dict[str, dict[str, str]] = {}
    missing: list[dict[int, list[str]]] = [{} for _ in numbers]
    with progress("averaging columns", len(aligned.columns), quiet=quiet) as advance:
        for column in aligned.columns:
            values = np.stack([aligned.values(number, column) for number in numbers])
            scores |= _mean_columns(column, values, classes)
            metadata |= _column_metadata(aligned.runs[0], column, len(numbers))
            _record_missing(missing, column, values)
            advance(1)
    return CombinedRows(
        aligned.ids,
        aligned.classes(0, "label"),
        _predictions(aligned),
        scores,
        metadata,
        _problems(aligned, missing),
    )


def _mean_columns(
    column: str, values: _Values, classes: Sequence[Int[np.ndarray, "n"]]
) -> dict[str, _Column]:
    """Return the five columns that a score column becomes; NaN where a run lacks a value."""
    score, _, stage = column.partition("@")
    ranks = np.stack([rank(row) for row in values])
    z = np.stack([class_z_score(row, labels) for row, labels in zip(values, classes, strict=True)])
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN
        arrays = {
            column: values.mean(axis=0),
            f"{score}_rank@{stage}": ranks.mean(axis=0),
            f"{score}_rank_se@{stage}": _standard_error(ranks),
            f"{score}_z@{stage}": z.mean(axis=0),
            f"{score}_z_se@{stage}": _standard_error(z),
        }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _standard_error(values: _Values) -> _Column:
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def _column_metadata(first: Run, column: str, runs: int) -> dict[str, dict[str, str]]:
    """Return the metadata of the five columns; a standard error has no hard end."""
    score, _, stage = column.partition("@")
    texts = {k.decode(): v.decode() for k, v in (first.schema.field(column).metadata or {}).items()}
    higher, source = texts["higher_means"], texts.get("source", "")
    infinity = float("inf")
    mean_rank, mean_z = f"mean rank over {runs} runs", f"mean z within the class over {runs} runs"
    views = {
        f"{score}_rank@{stage}": ((0.0, 1.0), mean_rank),
        f"{score}_z@{stage}": ((-infinity, infinity), mean_z),
    }
    view_metadata = {
        name: Meaning(name.partition("@")[0], higher, limits, unit, source, base=column).metadata()
        for name, (limits, unit) in views.items()
    }
    errors = {f"{score}_rank_se@{stage}": mean_rank, f"{score}_z_se@{stage}": mean_z}
    return {column: texts, **view_metadata} | {
        name: {"unit": f"standard error of the {mean_unit}", "source": source}
        for name, mean_unit in errors.items()
    }


def _predictions(aligned: AlignedRuns) -> dict[str, Int[np.ndarray, "n"]]:
    """Return for each stage the class that most runs predict; -1 where a run has none."""
    first, *later = (run.columns for run in aligned.runs)
    shared = [
        name
        for name in first
        if name.startswith("prediction@") and all(name in columns for columns in later)
    ]
    return {name.partition("@")[2]: _majority(aligned, name) for name in shared}


def _majority(aligned: AlignedRuns, column: str) -> Int[np.ndarray, "n"]:
    predictions = np.stack([aligned.classes(number, column) for number in range(len(aligned.runs))])
    votes = np.stack([(predictions == row).sum(axis=0) for row in predictions])
    # With equally many votes argmax takes the first, which belongs to the earliest run.
    most = np.take_along_axis(predictions, votes.argmax(axis=0)[None], axis=0)[0]
    return np.where((predictions < 0).any(axis=0), -1, most)


def _record_missing(missing: list[dict[int, list[str]]], column: str, values: _Values) -> None:
    """Add the column to the rows of each run that lack a value which another run has."""
    is_nan = np.isnan(values)
    for lacking, columns in zip(is_nan & ~is_nan.all(axis=0), missing, strict=True):
        for row in np.flatnonzero(lacking).tolist():
            columns.setdefault(row, []).append(column)


def _problems(aligned: AlignedRuns, missing: Sequence[dict[int, list[str]]]) -> dict[int, str]:
    """Return for each row with a problem the names of the runs and what is wrong there."""
    by_row: dict[int, dict[str, list[str]]] = {}
    for name, run, positions, missing_columns in zip(
        aligned.names, aligned.runs, aligned.positions, missing, strict=True
    ):
        cells = run.table(["problem"]).column(0).take(positions)
        problems = {int(row): cells[int(row)].as_py() for row in np.flatnonzero(cells.is_valid())}
        for row, columns in missing_columns.items():
            problems.setdefault(row, f"no {first_few(columns)}")
        for row, problem in problems.items():
            by_row.setdefault(row, {}).setdefault(problem, []).append(name)
    return {
        row: "; ".join(f"{', '.join(names)}: {problem}" for problem, names in causes.items())
        for row, causes in by_row.items()
    }
