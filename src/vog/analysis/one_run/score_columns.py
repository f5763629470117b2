"""A score at every stage of a run: which columns it has, and in which order they were trained."""

from vog.errors import ResultError, unknown
from vog.result import Run


def default_score(run: Run) -> str:
    """What is looked at when nobody says: the default column without its stage."""
    stored, colon, derived = run.default_column.partition(":")
    return f"{stored.partition('@')[0]}{colon}{derived}"


def columns_by_stage(run: Run, score: str) -> dict[str, str]:
    """By stage, as the columns stand, the column of a score, as `vog@late:class` of `vog:class`.

    A view of a score that a combined run has, as `vog_z`, is taken like a score.

    Raises:
        ResultError: the run has no such score, or a stage is named.
    """
    name, colon, derived = score.partition(":")
    score_names = dict.fromkeys(column.partition("@")[0] for column in run.ranked_columns)
    bare, at_sign, stage = name.partition("@")
    if at_sign and bare in score_names:
        raise ResultError(
            f"{score!r} names a stage: leave out @{stage}, since every stage is looked at. Give "
            f"{bare + colon + derived!r}."
        )
    if name not in score_names:
        raise ResultError(f"{run.folder} has no score {name!r}.{unknown(bare, score_names)}")
    stages = [c.partition("@")[2] for c in run.ranked_columns if c.partition("@")[0] == name]
    return {stage: f"{name}@{stage}{colon}{derived}" for stage in stages}


def raw_column(run: Run, column: str) -> str:
    """The score that a column shows, as `vog@all` of `vog@all:class` and of the view `vog_z@all`.

    Raises:
        ResultError: there is no such column, or it is no score.
    """
    stored = run.score_column(column)
    return run.schema.field(stored).metadata.get(b"of", stored.encode()).decode()


def first_and_last(run: Run, score: str) -> tuple[str, str]:
    """The stages that begin first and last in training; `all` is none of them.

    Raises:
        ResultError: the run has no such score, or fewer than two stages beside `all`.
    """
    spans = run.question.get("stages", {})
    stages = [stage for stage in columns_by_stage(run, score) if stage != "all"]
    if len(stages) < 2:
        raise ResultError(
            f"{run.folder} has {len(stages)} stages beside 'all', and a change of the ranking needs "
            f"2. Save the model more often, or score again with --stages 2."
        )
    ordered = sorted(stages, key=lambda stage: spans.get(stage, []))
    return ordered[0], ordered[-1]
