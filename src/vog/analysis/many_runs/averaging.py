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
from vog.result.combined_run import Combined, combined_question, score_name, write_combined
from vog.result.derived_columns import by_class, rank
from vog.result.question import WHERE
from vog.result.rows import Meaning

_SOON = 4_000_000  # values that take about two seconds
_MADE = ("_rank", "_rank_se", "_z", "_z_se")
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
    return combine_joined(align_runs(runs), out, overwrite, quiet)


def combine_joined(
    joined: AlignedRuns, out: str | Path, overwrite: bool = False, quiet: bool = True
) -> Run:
    """The same of runs whose shared examples are known.

    Raises:
        ResultError, OtherQuestionError: as for `combine`.
    """
    out, runs = Path(out), joined.runs
    _refuse(joined, out)
    count = len(joined.ids)
    question = combined_question(
        runs, joined.names, joined.columns, count, joined.all_of_first, out
    )
    with parts.writing_session(out, question, overwrite):
        if parts.missing(parts.parts(out), count):
            soon = len(joined.columns) * len(runs) * count < _SOON
            write_combined(out, _rows(joined, quiet or soon), runs[0].label_names)
    return open_run(out)


def _refuse(joined: AlignedRuns, out: Path) -> None:
    """Nothing where the runs can be combined into this folder."""
    first = joined.runs[0]
    for run in joined.runs:
        refuse_place_and_gaps(run, out)
        if "combined" in run.question:
            behind = ", ".join(run.question.get(WHERE, {}).get("combined", []))
            raise ResultError(
                f"{run.folder} is itself the means over {len(run.question['combined'])} runs, "
                f"which would count no more than one. Combine the single runs at once"
                f"{behind and f': behind it are {behind}'}."
            )
    if (both := same_weights(joined.runs)) is not None:
        raise ResultError(
            f"{both[0].folder} and {both[1].folder} were scored under the same weights: they are "
            f"one training, and its means would seem surer than they are. Combine runs of "
            f"different trainings."
        )
    _refuse_taken_names(joined.columns)
    for run in joined.runs[1:]:
        refuse_other_question(first, run, joined.columns)
    if joined.relabelled.any():
        others = joined.ids.filter(joined.relabelled).to_pylist()
        raise ResultError(
            f"{len(others):,} of {len(joined.ids):,} shared examples have not the same label in "
            f"all runs: {first_few(others)}. Combine runs that were trained on the same labels."
        )


def refuse_place_and_gaps(run: Run, out: Path) -> None:
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


def refuse_other_question(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Nothing where both were asked for the same numbers of the same classes, stage by stage.

    Raises:
        ResultError: targets, transforms, scores, stages or names of classes differ.
    """
    _refuse_other_scores(first, run, columns)
    _refuse_other_stages(first, run, columns)
    _refuse_other_names(first, run)


def same_weights(runs: Sequence[Run]) -> tuple[Run, Run] | None:
    """Two runs that were scored under the same weights; None where there are none."""
    of: dict[tuple[str, ...], Run] = {}
    for run in runs:
        weights = tuple(one.get("sha256", "") for one in run.question.get("checkpoints", []))
        other = of.setdefault(weights, run)
        if other is not run and all(weights) and weights:
            return other, run
    return None


def _refuse_taken_names(columns: Sequence[str]) -> None:
    """Nothing where no score has the name of what another becomes."""
    for column in columns:
        score, _, stage = column.partition("@")
        for made in _MADE:
            if f"{score}{made}@{stage}" in columns:
                raise ResultError(
                    f"the runs have a score {score}{made}, as the means of {score} would be "
                    f"called. Score again with another name for it."
                )


def _refuse_other_stages(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Nothing where, of as many checkpoints, stages of one name are the same."""
    asked, others = (len(each.question.get("checkpoints", [])) for each in (first, run))
    if asked != others:  # thirds of 6 and of 9 are other spans, and still thirds
        return
    for stage in dict.fromkeys(column.partition("@")[2] for column in columns):
        one, other = (each.question.get("stages", {}).get(stage) for each in (first, run))
        if one != other:
            raise ResultError(
                f"stage {stage} has the checkpoints {one} in {first.folder} and {other} in "
                f"{run.folder}, as START, STOP. Combine runs with the same --stages."
            )


def _refuse_other_names(first: Run, run: Run) -> None:
    """Nothing where the classes are called the same, if both say how."""
    names = first.label_names, run.label_names
    if None in names:
        return
    for label, (one, other) in enumerate(itertools.zip_longest(*names)):  # type: ignore[arg-type]
        if one != other:
            raise ResultError(
                f"class {label} is {one!r} in {first.folder} and {other!r} in {run.folder}, so the "
                f"labels are not the same. Combine runs of the same classes."
            )


def _refuse_other_scores(first: Run, run: Run, columns: Sequence[str]) -> None:
    """Nothing where both asked for the same numbers."""
    target, other = (one.question.get("target") for one in (first, run))
    if target != other:
        raise ResultError(
            f"the target of {run.folder} is {other!r}, that of {first.folder} {target!r}: their "
            f"scores are not of one kind. Combine runs with the same --target."
        )
    one, other = (each.question["data"].get("transform") for each in (first, run))
    if None not in (one, other) and one != other:
        raise ResultError(
            f"the transform of {run.folder} is {other!r}, that of {first.folder} {one!r}: the "
            f"model was shown other inputs. Combine runs with the same --transform."
        )
    asked, others = (
        {score_name(score): score for score in one.question.get("scores", [])}
        for one in (first, run)
    )
    for column in columns:
        name = column.partition("@")[0]
        same_way = first.hard_is_high(column) == run.hard_is_high(column)
        if asked.get(name) != others.get(name) or not same_way:
            raise ResultError(
                f"{name} is not the same score in all runs: {asked.get(name)} in {first.folder}, "
                f"{others.get(name)} in {run.folder}. Combine runs with the same channels and code."
            )


def _rows(joined: AlignedRuns, quiet: bool) -> Combined:
    numbers = range(len(joined.runs))
    classes = [joined.whole(number, run.class_column) for number, run in enumerate(joined.runs)]
    scores: dict[str, _Column] = {}
    metadata: dict[str, dict[str, str]] = {}
    lacking: list[dict[int, list[str]]] = [{} for _ in numbers]
    with progress("averaging columns", len(joined.columns), quiet=quiet) as advance:
        for column in joined.columns:
            values = np.stack([joined.values(number, column) for number in numbers])
            scores |= _means(column, values, classes)
            metadata |= _metadata(joined.runs[0], column, len(numbers))
            _note(lacking, column, values)
            advance(1)
    return Combined(
        joined.ids,
        joined.whole(0, "label"),
        _predictions(joined),
        scores,
        metadata,
        _problems(joined, lacking),
    )


def _means(
    column: str, values: _Values, classes: Sequence[Int[np.ndarray, "n"]]
) -> dict[str, _Column]:
    """The five columns that one becomes; NaN where a run lacks a value."""
    score, _, stage = column.partition("@")
    ranks = np.stack([rank(own) for own in values])
    standard = np.stack([by_class(own, of) for own, of in zip(values, classes, strict=True)])
    with np.errstate(invalid="ignore"):  # infinity less infinity is not known
        found = {
            column: values.mean(axis=0),
            f"{score}_rank@{stage}": ranks.mean(axis=0),
            f"{score}_rank_se@{stage}": _standard_error(ranks),
            f"{score}_z@{stage}": standard.mean(axis=0),
            f"{score}_z_se@{stage}": _standard_error(standard),
        }
    return {name: of.astype(np.float32) for name, of in found.items()}


def _standard_error(values: _Values) -> _Column:
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def _metadata(first: Run, column: str, runs: int) -> dict[str, dict[str, str]]:
    """What the five columns say of themselves; a standard error has no hard end."""
    score, _, stage = column.partition("@")
    own = {k.decode(): v.decode() for k, v in (first.schema.field(column).metadata or {}).items()}
    higher, source = own["higher_means"], own.get("source", "")
    infinity = float("inf")
    mean_rank, mean_z = f"mean rank over {runs} runs", f"mean z within the class over {runs} runs"
    views = {
        f"{score}_rank@{stage}": ((0.0, 1.0), mean_rank),
        f"{score}_z@{stage}": ((-infinity, infinity), mean_z),
    }
    said = {
        name: Meaning(name.partition("@")[0], higher, limits, unit, source, of=column).metadata()
        for name, (limits, unit) in views.items()
    }
    errors = {f"{score}_rank_se@{stage}": mean_rank, f"{score}_z_se@{stage}": mean_z}
    return {column: own, **said} | {
        name: {"unit": f"standard error of the {of}", "source": source}
        for name, of in errors.items()
    }


def _predictions(joined: AlignedRuns) -> dict[str, Int[np.ndarray, "n"]]:
    """By stage, what most runs say; -1 where one says nothing."""
    first, *others = (run.columns for run in joined.runs)
    shared = [
        name
        for name in first
        if name.startswith("prediction@") and all(name in other for other in others)
    ]
    return {name.partition("@")[2]: _majority(joined, name) for name in shared}


def _majority(joined: AlignedRuns, column: str) -> Int[np.ndarray, "n"]:
    said = np.stack([joined.whole(number, column) for number in range(len(joined.runs))])
    votes = np.stack([(said == one).sum(axis=0) for one in said])
    # Of equal numbers of votes argmax takes the first, which is that of the earliest run.
    most = np.take_along_axis(said, votes.argmax(axis=0)[None], axis=0)[0]
    return np.where((said < 0).any(axis=0), -1, most)


def _note(lacking: list[dict[int, list[str]]], column: str, values: _Values) -> None:
    """Which runs lack a value that another has."""
    unknown = np.isnan(values)
    for own, notes in zip(unknown & ~unknown.all(axis=0), lacking, strict=True):
        for row in np.flatnonzero(own).tolist():
            notes.setdefault(row, []).append(column)


def _problems(joined: AlignedRuns, lacking: Sequence[dict[int, list[str]]]) -> dict[int, str]:
    """By row, the names of the runs and what is wrong with it in them."""
    by_row: dict[int, dict[str, list[str]]] = {}
    for name, run, places, notes in zip(
        joined.names, joined.runs, joined.places, lacking, strict=True
    ):
        said = run.table(["problem"]).column(0).take(places)
        told = {int(row): said[int(row)].as_py() for row in np.flatnonzero(said.is_valid())}
        for row, columns in notes.items():
            told.setdefault(row, f"no {first_few(columns)}")
        for row, what in told.items():
            by_row.setdefault(row, {}).setdefault(what, []).append(name)
    return {
        row: "; ".join(f"{', '.join(names)}: {what}" for what, names in of.items())
        for row, of in by_row.items()
    }
