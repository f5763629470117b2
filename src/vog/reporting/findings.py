"""All results in the report, computed before any chart: numbers, or the reason they are missing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from vog.analysis.label_errors.suspect_list import LikelyErrors, likely_label_errors
from vog.analysis.label_errors.suspects import check_stage
from vog.analysis.one_run.class_quantiles import ClassSpread, class_spread
from vog.analysis.one_run.column_pair import ColumnComparison, compare_columns
from vog.analysis.one_run.correlation import Dispute, correlation_matrix, disputed_examples
from vog.analysis.one_run.data_map import DataMap, data_map
from vog.analysis.one_run.overview import Overview, analyze
from vog.analysis.one_run.score_columns import raw_column
from vog.analysis.one_run.stability import Stability, stability, unmeasured_stages
from vog.analysis.one_run.stage_shift import StageShift, stage_shift
from vog.errors import ResultError
from vog.result import Run

T = TypeVar("T")


@dataclass(frozen=True)
class Missing:
    """The reason why a result is missing."""

    why: str


@dataclass(frozen=True)
class Findings:
    """The results in each section of the report.

    Attributes:
        by: the column that ranks the examples.
        raw: the raw score behind it, such as `vog@all` for `vog@all:class`; it compares classes.
        unit: unit of a view of a score, such as `vog_z@all` of a combined run; None for a score.
        problems: id and problem of the first rows that could not be read or scored.
        problem_count: the number of all such rows.
        overview: errors along the score at each stage, and the classes.
        data_map: confidence and variability over all checkpoints.
        stage_shift: change of the ranking from the first stage to the last.
        class_spreads: quantiles of the raw score in each class.
        agreement: Spearman's correlation of each pair of scores over all checkpoints.
        stability: agreement of the rankings by two halves of the checkpoints, by score and stage.
        not_measured: a sentence that names stages without `stability`; None if there are none.
        gradient_norm: comparison of VoG with the gradient norm.
        disputes: the examples on which the scores differ most.
        suspects: likely label errors.
        out_of_sample: True if each row was judged by a training without it.
        columns: the meaning of each stored score column.
    """

    by: str
    raw: str
    unit: str | None
    problems: list[dict[str, Any]]
    problem_count: int
    overview: Overview | Missing
    data_map: DataMap | Missing
    stage_shift: StageShift | Missing
    class_spreads: tuple[ClassSpread, ...]
    agreement: dict[str, dict[str, float]]
    stability: tuple[Stability, ...]
    not_measured: str | None
    gradient_norm: ColumnComparison | Missing
    disputes: tuple[Dispute, ...]
    suspects: LikelyErrors | Missing
    out_of_sample: bool
    columns: list[dict[str, str]]


STEPS = 9


def collect_findings(
    run: Run,
    by: str | None = None,
    advance: Callable[[int], None] = lambda steps: None,
    stage: str | None = None,
) -> Findings:
    """Return all results in the report of a run.

    Args:
        run: the run.
        by: the column that ranks the examples; by default the default column of the run.
        advance: called with 1 after each of `STEPS` steps.
        stage: the stage whose checkpoints judge the labels; None for the rule of `vog.suspects`.

    Raises:
        ResultError: there is no such score or stage.
    """

    def count_step(work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            advance(1)

    def attempt(work: Callable[[], T]) -> T | Missing:
        try:
            return count_step(work)
        except ResultError as error:
            return Missing(str(error))

    check_stage(run, stage)
    by = by or run.default_column
    stored_column = run.score_column(by)
    score = stored_column.partition("@")[0] + by.removeprefix(stored_column)
    raw = raw_column(run, by)
    whole_run_columns = [name for name in run.score_columns if name.endswith("@all")]
    problems = run.problems()
    return Findings(
        by=by,
        raw=raw,
        unit=_column_metadata(run, stored_column)["unit"] if by == stored_column != raw else None,
        problems=problems.slice(0, 20).to_pylist(),
        problem_count=len(problems),
        overview=attempt(lambda: analyze(run, score)),
        data_map=attempt(lambda: data_map(run)),
        stage_shift=attempt(lambda: stage_shift(run, score)),
        class_spreads=count_step(lambda: class_spread(run, raw)),
        agreement=count_step(lambda: correlation_matrix(run, whole_run_columns)),
        stability=count_step(lambda: stability(run)),
        not_measured=unmeasured_stages(run),
        gradient_norm=attempt(lambda: _vog_and_gradient_norm(run)),
        disputes=count_step(lambda: disputed_examples(run, whole_run_columns, 14)),
        suspects=attempt(lambda: likely_label_errors(run, 28, stage)),
        out_of_sample=run.out_of_sample,
        columns=_score_meanings(run),
    )


def _vog_and_gradient_norm(run: Run) -> ColumnComparison:
    missing = [name for name in ("vog@all", "grad_norm@all") if name not in run.score_columns]
    if missing:
        raise ResultError(f"The run has no {' and no '.join(missing)}.")
    return compare_columns(run, "vog@all", "grad_norm@all")


def _score_meanings(run: Run) -> list[dict[str, str]]:
    """Return one row for each score, whose meaning is the same at every stage."""
    meanings: dict[str, dict[str, str]] = {}
    for name in run.score_columns:
        score, _, stage = name.partition("@")
        if score in meanings:
            meanings[score]["stages"] += f", {stage}"
        else:
            meanings[score] = {**_column_metadata(run, name), "score": score, "stages": stage}
    return list(meanings.values())


def _column_metadata(run: Run, column: str) -> dict[str, str]:
    """Return the metadata of a stored column."""
    metadata = run.schema.field(column).metadata
    return {key.decode(): value.decode() for key, value in metadata.items()}
