"""Writing a run folder that is combined from several runs: its question and its rows."""

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
from vog.result.data_location import current_location, places_to_store
from vog.result.parts import PartSink
from vog.result.question import WHERE, Question
from vog.result.rows import RowBlock, is_probabilities, to_table
from vog.result.run import Run

_ROWS_PER_PART = 2**17
# Options that locate the data. Checkpoints are left out: no single model gave these numbers.
_DATA_OPTIONS = ("data", "root", "transform", "gradients")


@dataclass(frozen=True)
class CombinedRows:
    """All rows of a combined run.

    Attributes:
        ids: the id of each row.
        labels: the class of each row; -1 if unknown.
        predictions: for each stage, the predicted class of each row; -1 if unknown.
        scores: for each column, the value of each row; NaN if missing.
        metadata: for each column of `scores`, its Parquet metadata.
        problems: for each row with a problem, its description.
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
    ids_find_examples: bool,
    folder: Path,
) -> dict[str, Any]:
    """Return the question of a combined run.

    Args:
        runs: the runs to combine.
        names: a name for each run.
        columns: the score columns that all runs have.
        rows: the number of rows in the combined run.
        has_all_rows: whether these are all rows of the first run, so that its data stay the same.
        ids_find_examples: whether ids, and not row numbers, find the data of the first run.
        folder: the folder of the combined run.
    """
    first = runs[0].question
    scores = {column.partition("@")[0] for column in columns}
    # A combined run has its own row numbers, in the order of the data.
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
    where = places if has_all_rows or ids_find_examples else {}
    where |= places_to_store({key: current_location(runs[0], key) for key in where}, folder)
    return question | {WHERE: {"combined": list(names)} | where}


def folds_question(runs: Sequence[Run], columns: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return the question of a run that joins the held-out rows of several folds.

    Args:
        runs: one run for each fold.
        columns: the stored columns that all runs have.
        folder: the folder of the new run.
    """
    first = runs[0].question
    fold = first["data"]["fold"]
    # Leave out what describes the rows and the file of one fold; the rest holds for all rows.
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


def _shared_training(runs: Sequence[Run]) -> dict[str, Any]:
    """Return steps and stages if all runs share them, else none; digests of weights differ."""
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
    """Return the name of a score from its entry in a question, a text or an object."""
    return str(entry["name"] if isinstance(entry, Mapping) else entry)


def write_combined(folder: Path, rows: CombinedRows, label_names: Sequence[str] | None) -> None:
    """Write the missing rows into a run folder that already has its question."""
    sink = PartSink.for_folder(folder)
    for part in parts.cut_into_parts(parts.gaps(sink.parts, len(rows.labels)), sink.rows_per_part):
        sink.write(part.start, [_part_table(rows, part, label_names)], 0.0)


def write_combined_table(folder: Path, table: pa.Table) -> None:
    """Write the missing rows into a run folder that already has its question.

    Args:
        folder: the run folder.
        table: all rows in order.
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
    # The places of files and the size of parts do not change the scores.
    excluded = (WHERE, "rows_per_part")
    compared = {key: value for key, value in question.items() if key not in excluded}
    return hashlib.sha256(as_json(compared).encode()).hexdigest()[:16]
