"""The columns of a score at every stage of a run, and the order of the stages."""

from vog.errors import ResultError, unknown
from vog.result import Run
from vog.wording import option


def default_score(run: Run) -> str:
    """Return the score that is used if none is given: the default column without its stage."""
    stored, colon, derived = run.default_column.partition(":")
    return f"{stored.partition('@')[0]}{colon}{derived}"


def columns_by_stage(run: Run, score: str) -> dict[str, str]:
    """Return the column of a score at each stage, such as `vog@late:class` for `vog:class`.

    Stages are in the order of the stored columns. A view that a combined run has, such as `vog_z`,
    counts as a score.

    Raises:
        ResultError: the run has no such score, or `score` names a stage.
    """
    name, colon, derived = score.partition(":")
    score_names = dict.fromkeys(column.partition("@")[0] for column in run.ranked_columns)
    bare, at_sign, stage = name.partition("@")
    if at_sign and bare in score_names:
        raise ResultError(
            f"{score!r} names a stage: leave out @{stage}, since every stage is used. Give "
            f"{bare + colon + derived!r}."
        )
    if name not in score_names:
        raise ResultError(f"{run.folder} has no score {name!r}.{unknown(bare, score_names)}")
    stages = [c.partition("@")[2] for c in run.ranked_columns if c.partition("@")[0] == name]
    return {stage: f"{name}@{stage}{colon}{derived}" for stage in stages}


def raw_column(run: Run, column: str) -> str:
    """Return the stored score of a column: `vog@all` for `vog@all:class` and the view `vog_z@all`.

    Raises:
        ResultError: there is no such column, or it is no score.
    """
    stored = run.score_column(column)
    return run.schema.field(stored).metadata.get(b"of", stored.encode()).decode()


def first_and_last(run: Run, score: str) -> tuple[str, str]:
    """Return the stages that begin first and last in training, except for `all`.

    Raises:
        ResultError: the run has no such score, or fewer than two stages besides `all`.
    """
    spans = run.question.get("stages", {})
    stages = [stage for stage in columns_by_stage(run, score) if stage != "all"]
    if len(stages) < 2:
        raise ResultError(
            f"{run.folder} has {len(stages)} stages besides 'all', and a change of the ranking "
            f"needs 2. Save the model more often, or score again with {option('stages', 2)}."
        )
    ordered = sorted(stages, key=lambda stage: spans.get(stage, []))
    return ordered[0], ordered[-1]
