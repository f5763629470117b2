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
from vog.result.data_location import current_location, data_place, places_to_store
from vog.result.parts import PartSink
from vog.result.question import WHERE, Question
from vog.result.rows import RowBlock, is_probabilities, to_table
from vog.result.run import Run

_ROWS_PER_PART = 2**17  # of a part
# Where the data are, and not the checkpoints: no one model was behind these numbers.
_DATA_OPTIONS = ("data", "root", "transform", "gradients")


@dataclass(frozen=True)
class CombinedRows:
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
    has_all_rows: bool,
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
    shared_data = {k: v for k, v in first["data"].items() if k not in ("examples", "order")}
    data = {"examples": rows} | shared_data
    if not has_all_rows or "limit" in first:
        data.pop("digest", None)
        data["part"] = True
    question = {
        "vog": version("vog"),
        "combined": [{"question": _run_digest(run.question)} for run in runs],
        **({"out_of_sample": True} if all(run.out_of_sample for run in runs) else {}),
        **_shared_training(runs),
        "data": data,
        "target": first.get("target"),
        "scores": [score for score in first.get("scores", []) if score_name(score) in scores],
        "rows_per_part": _ROWS_PER_PART,
    }
    places = {key: name for key, name in first.get(WHERE, {}).items() if key in _DATA_OPTIONS}
    where = places if has_all_rows or _opens_by_id(runs[0]) else {}
    where |= places_to_store({key: current_location(runs[0], key) for key in where}, folder)
    return question | {WHERE: {"combined": list(names)} | where}


def folds_question(runs: Sequence[Run], columns: Sequence[str], folder: Path) -> dict[str, Any]:
    """What a run answers whose rows are those that several folds hold out.

    Args:
        runs: one a fold.
        columns: the stored columns that all have.
        folder: of the new run.
    """
    first = runs[0].question
    fold = first["data"]["fold"]
    # These say which rows a fold has, and of which file; the rest is so of all rows.
    shared_data = {
        key: value
        for key, value in first["data"].items()
        if key not in ("examples", "order", "part", "fold", "digest")
    }
    question = {
        "vog": version("vog"),
        "folds": [{"question": _run_digest(run.question)} for run in runs],
        "out_of_sample": True,
        **_shared_training(runs),
        "data": {"examples": fold["rows"], "digest": fold["digest"]} | shared_data,
        "target": first.get("target"),
        "scores": first.get("scores", []),
        "rows_per_part": _ROWS_PER_PART,
    }
    if any(is_probabilities(column) for column in columns):
        question["probabilities"] = True
    places = {key: name for key, name in first.get(WHERE, {}).items() if key in _DATA_OPTIONS}
    places |= places_to_store({key: current_location(runs[0], key) for key in places}, folder)
    return question | {WHERE: {"folds": [str(run.folder) for run in runs]} | places}


def _opens_by_id(run: Run) -> bool:
    """Whether the data are files that are found by their ids; all others are by their numbers."""
    place = data_place(run)
    opens_by_number = place is None or place.suffix == ".npz" or "gradients" in run.question[WHERE]
    return not opens_by_number


def _shared_training(runs: Sequence[Run]) -> dict[str, Any]:
    """The steps and the stages, where they are the same in all runs; the weights never are."""
    first, *following = (
        {
            "checkpoints": [{"step": file["step"]} for file in run.question.get("checkpoints", [])],
            "stages": run.question.get("stages", {}),
        }
        for run in runs
    )
    is_shared = all(training == first for training in following)
    return first if is_shared else {"checkpoints": [], "stages": {}}


def score_name(entry: Any) -> str:
    """The name of a score as a question keeps it."""
    return str(entry["name"] if isinstance(entry, Mapping) else entry)


def write_combined(folder: Path, rows: CombinedRows, label_names: Sequence[str] | None) -> None:
    """Add the rows that are missing to a run folder that was begun."""
    sink = PartSink.for_folder(folder)
    for part in parts.cut_into_parts(parts.gaps(sink.parts, len(rows.labels)), sink.rows_per_part):
        sink.write(part.start, [_part_table(rows, part, label_names)], 0.0)


def write_combined_table(folder: Path, table: pa.Table) -> None:
    """Add the rows that are missing to a run folder that was begun.

    Args:
        folder: the run folder.
        whole: all rows in order.
    """
    sink = PartSink.for_folder(folder)
    for part in parts.cut_into_parts(parts.gaps(sink.parts, len(table)), sink.rows_per_part):
        sink.write(part.start, [table.slice(part.start, len(part))], 0.0)


def _part_table(rows: CombinedRows, part: range, label_names: Sequence[str] | None) -> pa.Table:
    span = slice(part.start, part.stop)
    table = to_table(
        RowBlock(
            part,
            rows.ids.slice(part.start, len(part)).to_pylist(),
            rows.labels[span],
            np.arange(len(part)),
            {stage: values[span] for stage, values in rows.predictions.items()},
            {},
            {column: values[span] for column, values in rows.scores.items()},
            {offset: rows.problems[row] for offset, row in enumerate(part) if row in rows.problems},
        ),
        {},
        label_names,
    )
    fields = [
        field.with_metadata(dict(rows.metadata.get(field.name, {}))) for field in table.schema
    ]
    return pa.table(table.columns, schema=pa.schema(fields))


def _run_digest(question: Question) -> str:
    # What has no part in the numbers is left out; of questions of version 0.1 all is kept.
    excluded = (WHERE, "rows_per_part")
    compared = {key: value for key, value in question.items() if key not in excluded}
    return hashlib.sha256(as_json(compared).encode()).hexdigest()[:16]
