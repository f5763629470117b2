"""Run folders written from numbers that stand in a test, and the rows that several tests share."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import vog
from vog.result import Run, parts
from vog.result.rows import Meaning, RowBlock, is_half, to_table

INF, NAN = float("inf"), float("nan")
# Scores of which a small value is hard.
EASIER = {
    f"{name}@{stage}": "easier" for name in ("aum", "correctness") for stage in ("all", "late")
}
CLASSES = ("cat", "dog", "owl")
# Hardest first by VoG: 7 6 5 4 (class 0), 3 2 1 0 (class 1).
STAIRS = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
TWO_CLASSES = [1, 1, 1, 1, 0, 0, 0, 0]


def write_run(
    folder: Path,
    scores: Mapping[str, Sequence[float] | np.ndarray],
    /,
    labels: Sequence[int] | np.ndarray | None = None,
    predictions: Sequence[int] | np.ndarray | None = None,
    higher_means: str | Mapping[str, str] = "harder",
    *,
    ids: Sequence[str] | None = None,
    probabilities: Sequence[float] | None = None,
    problems: Mapping[int, str] | None = None,
    class_names: Sequence[str] | None = CLASSES,
    part_starts: Sequence[int] = (),
    **question: Any,
) -> Run:
    """Write a run folder and open it.

    Args:
        folder: what was in it is gone afterwards.
        scores: by column such as `vog@all`; NaN is null.
        labels: by default all 0; -1 is none.
        predictions: the same at every stage; by default the labels; -1 is none. Of an empty list
            there is no column.
        higher_means: of all columns, or of those that are named; the others are "harder".
        ids: by default e0, e1, ...
        probabilities: of the prediction at stage `all`.
        problems: by row, why it has no scores.
        class_names: names of the classes.
        part_starts: rows at which a further part begins.
        question: more keys of the question.
    """
    count = len(next(iter(scores.values())))
    truth = np.zeros(count, np.int64) if labels is None else np.array(labels, np.int64)
    predicted = truth if predictions is None else np.array(predictions, np.int64)
    stages = [column.partition("@")[2] for column in scores if not is_half(column)]
    rows = RowBlock(
        range(count),
        list(ids) if ids is not None else [f"e{row}" for row in range(count)],
        truth,
        np.arange(count),
        dict.fromkeys(stages, predicted) if len(predicted) else {},
        {} if probabilities is None else {"all": np.array(probabilities)},
        {column: np.array(values, np.float64) for column, values in scores.items()},
        dict(problems or {}),
    )
    named = None if class_names is None else list(class_names)
    return write_rows(folder, rows, higher_means, named, part_starts, **question)


def plain_rows(scores: Mapping[str, Sequence[float] | np.ndarray]) -> RowBlock:
    """Rows with these scores, all of class 0 and predicted to be."""
    count = len(next(iter(scores.values())))
    return RowBlock(
        range(count),
        [f"e{i}" for i in range(count)],
        np.zeros(count, np.int64),
        np.arange(count),
        {"all": np.zeros(count, np.int64)},
        {},
        {name: np.array(values, float) for name, values in scores.items()},
        {},
    )


def write_rows(
    folder: Path,
    rows: RowBlock,
    higher_means: str | Mapping[str, str] = "harder",
    class_names: Sequence[str] | None = None,
    /,
    part_starts: Sequence[int] = (),
    **question: Any,
) -> Run:
    """The same from a block of rows; a half of the checkpoints has no meaning of its own."""
    count = len(rows.rows)
    direction = higher_means if isinstance(higher_means, Mapping) else {}
    default = higher_means if isinstance(higher_means, str) else "harder"
    meanings = {
        column: Meaning(
            column.partition("@")[0], direction.get(column, default), (-INF, INF), "unit", "source"
        )
        for column in rows.scores
        if not is_half(column)
    }
    named = None if class_names is None else list(class_names)
    table = to_table(rows, meanings, named)
    given = {"data": {"examples": count, "label_names": named}} | question
    with parts.writing_session(folder, given, overwrite=True):
        for start, stop in itertools.pairwise([0, *part_starts, count]):
            parts.write_part(folder, [table.slice(start, stop - start)], 0.0)
    return vog.open(folder)


SIX_MEANINGS = {
    "vog@all": Meaning("vog", "harder", (0.0, float("inf")), "logit", "here"),
    "aum@all": Meaning("aum", "easier", (-float("inf"), float("inf")), "logit", "there"),
    "forgetting@all": Meaning("forgetting", "harder", (0.0, float("inf")), "events", "there"),
}


SIX_VOG = [3.0, 1.0, 2.0, 9.0, np.nan, 5.0]


SIX_LABELS = [0, 0, 0, 1, 1, 1]


def six_rows(start: int = 0, stop: int = 6) -> RowBlock:
    """Rows of `SIX_VOG` between two row numbers; row 4 could not be read."""
    at = [i for i in range(start, stop) if i != 4]
    return RowBlock(
        range(start, stop),
        [f"<img {i}>.jpg" for i in range(start, stop)],
        np.array(SIX_LABELS[start:stop]),
        np.array([i - start for i in at]),
        {"all": np.array([i % 2 for i in at])},
        {"all": np.array([0.5 for _ in at])},
        {
            "vog@all": np.array([SIX_VOG[i] for i in at]),
            "aum@all": -np.array([SIX_VOG[i] for i in at]),
            "forgetting@all": np.array([np.inf if i == 3 else i for i in at]),
        },
        {4 - start: "unreadable: truncated"} if start <= 4 < stop else {},
    )


SIX_QUESTION = {
    "scores": ["vog", "aum"],
    "data": {"examples": 6, "label_names": ["cat", "magpie"]},
    "where": {"data": "photos"},
}
