"""A score at every stage of a run: which columns it has, and in which order they were trained."""

from vog.errors import ResultError, unknown
from vog.result import Run


def default_score(run: Run) -> str:
    """What is looked at when nobody says: the default column without its stage."""
    stored, colon, derived = run.default_column.partition(":")
    return f"{stored.partition('@')[0]}{colon}{derived}"


def columns_by_stage(run: Run, score: str) -> dict[str, str]:
    """By stage, as the columns stand, the column of a score, as `vog@late:class` of `vog:class`.

    Raises:
        ResultError: the run has no such score.
    """
    name, colon, derived = score.partition(":")
    stages = [c.partition("@")[2] for c in run.score_columns if c.partition("@")[0] == name]
    if not stages:
        known = dict.fromkeys(column.partition("@")[0] for column in run.score_columns)
        raise ResultError(f"{run.folder} has no score {name!r}.{unknown(name, known)}")
    return {stage: f"{name}@{stage}{colon}{derived}" for stage in stages}


def first_and_last(run: Run, score: str) -> tuple[str, str]:
    """The stages that begin first and last in training; `all` is none of them.

    Raises:
        ResultError: the run has no such score, or fewer than two stages beside `all`.
    """
    places = run.question.get("stages", {})
    found = [stage for stage in columns_by_stage(run, score) if stage != "all"]
    if len(found) < 2:
        raise ResultError(
            f"{run.folder} has {len(found)} stages beside 'all', and a change of the ranking needs "
            f"2. Save the model more often, or score again with --stages 2."
        )
    ordered = sorted(found, key=lambda stage: places.get(stage, []))
    return ordered[0], ordered[-1]
