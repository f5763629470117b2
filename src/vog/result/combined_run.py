"""The run folder that several runs become: the question it answers, and its rows as written."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from vog.files.writing import as_json
from vog.result import parts
from vog.result.data_location import data_place, noted_name, noted_places
from vog.result.parts import PartSink
from vog.result.question import WHERE, Question
from vog.result.rows import Rows, is_probabilities, to_table
from vog.result.run import Run

_ROWS = 2**17  # of a part
# Where the data are, and not the checkpoints: no one model was behind these numbers.
_PLACES = ("data", "root", "transform", "gradients")


@dataclass(frozen=True)
class Combined:
    """All rows of a combined run.

    Attributes:
        ids: one a row.
        labels: one class a row, -1 where it is not known.
        predictions: by stage, a class a row, -1 where it is not known.
        scores: by column, a number a row; NaN where there is none.
        metadata: by column of `scores`, what it says of itself.
        problems: by row, what is wrong with it.
    """

    ids: pa.Array
    labels: Int[np.ndarray, "n"]
    predictions: Mapping[str, Int[np.ndarray, "n"]]
    scores: Mapping[str, Float[np.ndarray, "n"]]
    metadata: Mapping[str, Mapping[str, str]]
    problems: Mapping[int, str]


def combined_question(
    runs: Sequence[Run],
    names: Sequence[str],
    columns: Sequence[str],
    rows: int,
    whole: bool,
    folder: Path,
) -> dict[str, Any]:
    """What a combined run answers.

    Args:
        runs: that are combined.
        names: what each is called.
        columns: the score columns that all have.
        rows: how many there are.
        whole: whether these are all rows of the first run, so that the data are those of it.
        folder: of the combined run.
    """
    first = runs[0].question
    scores = {column.partition("@")[0] for column in columns}
    # The rows are numbered anew, in the order of the data.
    known = {k: v for k, v in first["data"].items() if k not in ("examples", "order")}
    data = {"examples": rows} | known
    if not whole or "limit" in first:
        data.pop("digest", None)
        data["part"] = True
    asked = {
        "vog": version("vog"),
        "combined": [{"question": _digest(run.question)} for run in runs],
        **({"out_of_sample": True} if all(run.out_of_sample for run in runs) else {}),
        **_training(runs),
        "data": data,
        "target": first.get("target"),
        "scores": [one for one in first.get("scores", []) if score_name(one) in scores],
        "rows_per_part": _ROWS,
    }
    places = {key: of for key, of in first.get(WHERE, {}).items() if key in _PLACES}
    kept = places if whole or _by_id(runs[0]) else {}
    kept |= noted_places({key: noted_name(runs[0], key) for key in kept}, folder)
    return asked | {WHERE: {"combined": list(names)} | kept}


def question_of_folds(runs: Sequence[Run], columns: Sequence[str], folder: Path) -> dict[str, Any]:
    """What a run answers whose rows are those that several folds hold out.

    Args:
        runs: one a fold.
        columns: the stored columns that all have.
        folder: of the new run.
    """
    first = runs[0].question
    fold = first["data"]["fold"]
    # These say which rows a fold has, and of which file; the rest is so of all rows.
    kept = {
        key: value
        for key, value in first["data"].items()
        if key not in ("examples", "order", "part", "fold", "digest")
    }
    asked = {
        "vog": version("vog"),
        "folds": [{"question": _digest(run.question)} for run in runs],
        "out_of_sample": True,
        **_training(runs),
        "data": {"examples": fold["rows"], "digest": fold["digest"]} | kept,
        "target": first.get("target"),
        "scores": first.get("scores", []),
        "rows_per_part": _ROWS,
    }
    if any(is_probabilities(column) for column in columns):
        asked["probabilities"] = True
    places = {key: of for key, of in first.get(WHERE, {}).items() if key in _PLACES}
    places |= noted_places({key: noted_name(runs[0], key) for key in places}, folder)
    return asked | {WHERE: {"folds": [str(run.folder) for run in runs]} | places}


def _by_id(run: Run) -> bool:
    """Whether the data are files that are found by their ids; all others are by their numbers."""
    place = data_place(run)
    by_number = place is None or place.suffix == ".npz" or "gradients" in run.question[WHERE]
    return not by_number


def _training(runs: Sequence[Run]) -> dict[str, Any]:
    """The steps and the stages, where they are the same in all runs; the weights never are."""
    first, *others = (
        {
            "checkpoints": [{"step": one["step"]} for one in run.question.get("checkpoints", [])],
            "stages": run.question.get("stages", {}),
        }
        for run in runs
    )
    same = all(other == first for other in others)
    return first if same else {"checkpoints": [], "stages": {}}


def score_name(asked: Any) -> str:
    """The name of a score as a question keeps it."""
    return str(asked["name"] if isinstance(asked, Mapping) else asked)


def write_combined(folder: Path, rows: Combined, label_names: Sequence[str] | None) -> None:
    """Add the rows that are missing to a run folder that was begun."""
    sink = PartSink.of(folder)
    for part in parts.cells(parts.missing(sink.parts, len(rows.labels)), sink.rows_per_part):
        sink.write(part.start, [_table(rows, part, label_names)], 0.0)


def write_combined_table(folder: Path, whole: pa.Table) -> None:
    """Add the rows that are missing to a run folder that was begun.

    Args:
        folder: the run folder.
        whole: all rows in order.
    """
    sink = PartSink.of(folder)
    for part in parts.cells(parts.missing(sink.parts, len(whole)), sink.rows_per_part):
        sink.write(part.start, [whole.slice(part.start, len(part))], 0.0)


def _table(rows: Combined, part: range, label_names: Sequence[str] | None) -> pa.Table:
    own = slice(part.start, part.stop)
    table = to_table(
        Rows(
            part,
            rows.ids.slice(part.start, len(part)).to_pylist(),
            rows.labels[own],
            np.arange(len(part)),
            {stage: of[own] for stage, of in rows.predictions.items()},
            {},
            {column: of[own] for column, of in rows.scores.items()},
            {at: rows.problems[row] for at, row in enumerate(part) if row in rows.problems},
        ),
        {},
        label_names,
    )
    fields = [
        field.with_metadata(dict(rows.metadata.get(field.name, {}))) for field in table.schema
    ]
    return pa.table(table.columns, schema=pa.schema(fields))


def _digest(question: Question) -> str:
    # What has no part in the numbers is left out; of questions of version 0.1 all is kept.
    left_out = (WHERE, "rows_per_part")
    kept = {key: value for key, value in question.items() if key not in left_out}
    return hashlib.sha256(as_json(kept).encode()).hexdigest()[:16]
