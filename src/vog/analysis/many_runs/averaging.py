"""Several runs as one: means over them, as over seeds, with their standard errors."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from vog.analysis.many_runs.alignment import AlignedRuns, align_runs
from vog.errors import ResultError, first_few
from vog.files.output_paths import output_path
from vog.progress import progress
from vog.result import Run, open_run, parts
from vog.result.combined_run import CombinedRows, combined_question, score_name, write_combined
from vog.result.derived_columns import class_z_score, rank
from vog.result.question import WHERE
from vog.result.rows import Meaning

_SMALL = 4_000_000  # values that take about two seconds
_VIEW_SUFFIXES = ("_rank", "_rank_se", "_z", "_z_se")
_Values = Float[np.ndarray, "runs n"]
_Column = Float[np.ndarray, "n"]


def combine(
    runs: Sequence[Run], out: str | Path, overwrite: bool = False, quiet: bool = True
) -> Run:
    """Write the means over several runs as a run of its own, over the examples that all have.

    Its rows are in the order of the first run. For each stored score that all runs have:

        SCORE@STAGE          mean of the values
        SCORE_rank@STAGE     mean of the ranks in [0, 1], as SCORE@STAGE:rank
        SCORE_rank_se@STAGE  its standard error: standard deviation over the runs (ddof 1) / sqrt(R)
        SCORE_z@STAGE        mean of the standard deviations from the class, as SCORE@STAGE:class
        SCORE_z_se@STAGE     its standard error

    Ranks and classes are those of each run among the shared examples. `prediction@STAGE` is
    what most runs say; of classes that are said equally often, the one that an earlier run says.
    Where a run lacks a value, all five are missing; `problem` says in which run, if another run
    has one, and what was wrong with the row. One infinity is the mean of its row, whose standard
    error is then missing; infinities of both signs have no mean.

    Args:
        runs: two or more, finished.
        out: the folder to write.
        overwrite: replace a run that is there.
        quiet: no progress.

    Raises:
        ResultError: fewer than two runs, one twice, two of one training, one that was combined;
            nothing in common; labels, names of classes, targets, transforms, stages or scores that
            differ; a run that is not finished; `out` is one of the runs or holds something else.
        OtherQuestionError: `out` is another run.
    """
    out = output_path(out)
    return combine_aligned(align_runs(runs), out, overwrite, quiet)


def combine_aligned(
    aligned: AlignedRuns, out: str | Path, overwrite: bool = False, quiet: bool = True
) -> Run:
    """The same of runs whose shared examples are known.

    Raises:
        ResultError, OtherQuestionError: as for `combine`.
    """
    out, runs = Path(out), aligned.runs
    _refuse_uncombinable(aligned, out)
    count = len(aligned.ids)
    question = combined_question(
        runs, aligned.names, aligned.columns, count, aligned.covers_first_run, out
    )
    with parts.writing_session(out, question, overwrite):
        if parts.gaps(parts.list_parts(out), count):
            is_short = len(aligned.columns) * len(runs) * count < _SMALL
            write_combined(out, _average_runs(aligned, quiet or is_short), runs[0].label_names)
    return open_run(out)


def _refuse_uncombinable(aligned: AlignedRuns, out: Path) -> None:
    """Nothing where the runs can be combined into this folder."""
    first = aligned.runs[0]
    for run in aligned.runs:
        refuse_out_or_unfinished(run, out)
        if "combined" in run.question:
            source_runs = ", ".join(run.question.get(WHERE, {}).get("combined", []))
            raise ResultError(
                f"{run.folder} is itself the means over {len(run.question['combined'])} runs, "
                f"which would count no more than one. Combine the single runs at once"
                f"{source_runs and f': behind it are {source_runs}'}."
            )
    if (pair := find_same_weights(aligned.runs)) is not None:
        raise ResultError(
            f"{pair[0].folder} and {pair[1].folder} were scored under the same weights: they are "
            f"one training, and its means would seem surer than they are. Combine runs of "
            f"different trainings."
        )
    _refuse_taken_names(aligned.columns)
    for run in aligned.runs[1:]:
        refuse_different_question(first, run, aligned.columns)
    if aligned.labels_differ.any():
        differing_ids = aligned.ids.filter(aligned.labels_differ).to_pylist()
        raise ResultError(
            f"{len(differing_ids):,} of {len(aligned.ids):,} shared examples have not the same label in "
            f"all runs: {first_few(differing_ids)}. Combine runs that were trained on the same labels."
        )


def refuse_out_or_unfinished(run: Run, out: Path) -> None:
    """Nothing where a run is finished, and is not the folder that is to be written.

    Raises:
        ResultError: it is not.
    """
    if run.folder.resolve() == out.resolve():
        raise ResultError(f"--out {out} is one of the runs. Give another folder.")
    if run.missing_rows:
        raise ResultError(
            f"{run.folder} has {run.rows:,} rows, and {run.missing_rows:,} are missing: run the "
            f"same command that began it to go on, and combine then."
        )


def refuse_different_question(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Nothing where both were asked for the same numbers of the same classes, stage by stage.

    Raises:
        ResultError: targets, transforms, scores, stages or names of classes differ.
    """
    _refuse_different_scores(first, run, columns)
    _refuse_different_stages(first, run, columns)
    _refuse_different_class_names(first, run)


def find_same_weights(runs: Sequence[Run]) -> tuple[Run, Run] | None:
    """Two runs that were scored under the same weights; None where there are none."""
    run_by_weights: dict[tuple[str, ...], Run] = {}
    for run in runs:
        weights = tuple(entry.get("sha256", "") for entry in run.question.get("checkpoints", []))
        earlier_run = run_by_weights.setdefault(weights, run)
        if earlier_run is not run and all(weights) and weights:
            return earlier_run, run
    return None


def _refuse_taken_names(columns: Sequence[str]) -> None:
    """Nothing where no score has the name of what another becomes."""
    for column in columns:
        score, _, stage = column.partition("@")
        for suffix in _VIEW_SUFFIXES:
            if f"{score}{suffix}@{stage}" in columns:
                raise ResultError(
                    f"the runs have a score {score}{suffix}, as the means of {score} would be "
                    f"called. Score again with another name for it."
                )


def _refuse_different_stages(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Nothing where, of as many checkpoints, stages of one name are the same."""
    first_count, run_count = (len(each.question.get("checkpoints", [])) for each in (first, run))
    if first_count != run_count:  # thirds of 6 and of 9 are other spans, and still thirds
        return
    for stage in dict.fromkeys(column.partition("@")[2] for column in columns):
        first_span, run_span = (each.question.get("stages", {}).get(stage) for each in (first, run))
        if first_span != run_span:
            raise ResultError(
                f"stage {stage} has the checkpoints {first_span} in {first.folder} and {run_span} in "
                f"{run.folder}, as START, STOP. Combine runs with the same --stages."
            )


def _refuse_different_class_names(first: Run, run: Run) -> None:
    """Nothing where the classes are called the same, if both say how."""
    names = first.label_names, run.label_names
    if None in names:
        return
    for label, (first_name, run_name) in enumerate(itertools.zip_longest(*names)):  # type: ignore[arg-type]
        if first_name != run_name:
            raise ResultError(
                f"class {label} is {first_name!r} in {first.folder} and {run_name!r} in {run.folder}, so the "
                f"labels are not the same. Combine runs of the same classes."
            )


def _refuse_different_scores(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Nothing where both asked for the same numbers."""
    first_target, run_setting = (
        first_transform.question.get("target") for first_transform in (first, run)
    )
    if first_target != run_setting:
        raise ResultError(
            f"the target of {run.folder} is {run_setting!r}, that of {first.folder} {first_target!r}: their "
            f"scores are not of one kind. Combine runs with the same --target."
        )
    first_transform, run_setting = (each.question["data"].get("transform") for each in (first, run))
    if None not in (first_transform, run_setting) and first_transform != run_setting:
        raise ResultError(
            f"the transform of {run.folder} is {run_setting!r}, that of {first.folder} {first_transform!r}: the "
            f"model was shown other inputs. Combine runs with the same --transform."
        )
    first_scores, run_scores = (
        {score_name(score): score for score in first_transform.question.get("scores", [])}
        for first_transform in (first, run)
    )
    for column in columns:
        name = column.partition("@")[0]
        same_way = first.hard_is_high(column) == run.hard_is_high(column)
        if first_scores.get(name) != run_scores.get(name) or not same_way:
            raise ResultError(
                f"{name} is not the same score in all runs: {first_scores.get(name)} in {first.folder}, "
                f"{run_scores.get(name)} in {run.folder}. Combine runs with the same channels and code."
            )


def _average_runs(aligned: AlignedRuns, quiet: bool) -> CombinedRows:
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
    """The five columns that one becomes; NaN where a run lacks a value."""
    score, _, stage = column.partition("@")
    ranks = np.stack([rank(row) for row in values])
    z = np.stack([class_z_score(row, labels) for row, labels in zip(values, classes, strict=True)])
    with np.errstate(invalid="ignore"):  # infinity less infinity is not known
        arrays = {
            column: values.mean(axis=0),
            f"{score}_rank@{stage}": ranks.mean(axis=0),
            f"{score}_rank_se@{stage}": _standard_error(ranks),
            f"{score}_z@{stage}": z.mean(axis=0),
            f"{score}_z_se@{stage}": _standard_error(z),
        }
    return {name: labels.astype(np.float32) for name, labels in arrays.items()}


def _standard_error(values: _Values) -> _Column:
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def _column_metadata(first: Run, column: str, runs: int) -> dict[str, dict[str, str]]:
    """What the five columns say of themselves; a standard error has no hard end."""
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
    """By stage, what most runs say; -1 where one says nothing."""
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
    # Of equal numbers of votes argmax takes the first, which is that of the earliest run.
    most = np.take_along_axis(predictions, votes.argmax(axis=0)[None], axis=0)[0]
    return np.where((predictions < 0).any(axis=0), -1, most)


def _record_missing(missing: list[dict[int, list[str]]], column: str, values: _Values) -> None:
    """Which runs lack a value that another has."""
    is_nan = np.isnan(values)
    for lacking, columns in zip(is_nan & ~is_nan.all(axis=0), missing, strict=True):
        for row in np.flatnonzero(lacking).tolist():
            columns.setdefault(row, []).append(column)


def _problems(aligned: AlignedRuns, missing: Sequence[dict[int, list[str]]]) -> dict[int, str]:
    """By row, the names of the runs and what is wrong with it in them."""
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
