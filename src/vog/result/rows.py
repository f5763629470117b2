"""Making the table of a run from computed rows: its columns, and which cells are null."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from jaxtyping import Float16, Int, Shaped

# A class, an amount, numbers of tags or several amounts; None if a row has none of these.
StoredLabel = int | float | list[int] | list[float] | None
# Scores from every second checkpoint of a stage; comparing them shows how stable a ranking is.
HALVES = ("odd", "even")
_PROBABILITIES = "probabilities@"
FEATURES = "features"
LENGTH = "length"


def half_of(column: str, half: str) -> str:
    """Return `vog@late.odd`, a column that is stored beside `vog@late` and never displayed."""
    return f"{column}.{half}"


def is_half(column: str) -> bool:
    """Return whether a stored column is the score of one half of the checkpoints."""
    return column.endswith(tuple(f".{half}" for half in HALVES))


def whole_of(column: str) -> str:
    """Return the column over all checkpoints of the column of a half; others are unchanged."""
    return column.rpartition(".")[0] if is_half(column) else column


def probabilities_column(stage: str) -> str:
    """Return `probabilities@late`, the column of all class probabilities of a stage."""
    return f"{_PROBABILITIES}{stage}"


def is_probabilities(column: str) -> bool:
    """Return whether a stored column holds the probabilities of all classes for each row."""
    return column.startswith(_PROBABILITIES)


def is_list(column: str) -> bool:
    """Return whether a stored column holds a list for each row; such a column must be named."""
    return is_probabilities(column) or column == FEATURES


@dataclass(frozen=True)
class Meaning:
    """The meaning of a score column, stored in the Parquet file with it.

    Attributes:
        base: the score column that this column is another view of, such as the score of a mean
            rank. Rows can be sorted by a view; comparisons between scores leave it out.
    """

    score: str
    higher_means: str
    range: tuple[float, float]
    unit: str
    source: str
    base: str | None = None

    def metadata(self) -> dict[str, str]:
        """Return the metadata of the column as Parquet stores it."""
        low, high = self.range
        metadata = {
            "score": self.score,
            "higher_means": self.higher_means,
            "range": f"[{low:.6g}, {high:.6g}]",
            "unit": self.unit,
            "source": self.source,
        }
        return metadata if self.base is None else metadata | {"of": self.base}


@dataclass(frozen=True)
class RowBlock:
    """Consecutive rows, of which only those at `scored_positions` have predictions and scores.

    Attributes:
        rows: the numbers of the rows in the order of the run.
        ids: the id of each row.
        labels: as `label_columns` takes them: mostly the class of each row, -1 if unknown.
        scored_positions: the positions of the rows that were scored.
        predictions: for each stage, the class that its last checkpoint predicts.
        probabilities: for each stage, the probability of that class, if known.
        scores: for each column, the value of each scored row; NaN if missing.
        problems: for each position with a problem, its description.
        distributions: for each stage, the probabilities of all classes; a row with NaN gets null.
        features: projected features of each scored row; a row with NaN gets null.
        lengths: the number of positions of each scored row that are real and not padding.
    """

    rows: range
    ids: Sequence[str]
    labels: Shaped[np.ndarray, "m *label"]
    scored_positions: Int[np.ndarray, "n"]
    predictions: Mapping[str, Int[np.ndarray, "n"]]
    probabilities: Mapping[str, Shaped[np.ndarray, "n"]]
    scores: Mapping[str, Shaped[np.ndarray, "n"]]
    problems: Mapping[int, str]
    distributions: Mapping[str, Float16[np.ndarray, "n classes"]] = field(default_factory=dict)
    features: Float16[np.ndarray, "n columns"] | None = None
    lengths: Int[np.ndarray, "n"] | None = None


def to_table(
    rows: RowBlock,
    meanings: Mapping[str, Meaning],
    label_names: Sequence[str] | None,
    numbers: Int[np.ndarray, "all"] | None = None,
) -> pa.Table:
    """Return the rows as Arrow: index, id, label, label_name, predictions, scores, problem.

    Predictions of -1 and scores that are NaN become null. If the run has its own order of rows,
    `numbers` holds for each row of the run its number in the data.
    """
    span = slice(rows.rows.start, rows.rows.stop)
    index = np.arange(span.start, span.stop) if numbers is None else numbers[span]
    labels, names = label_columns(rows.labels, label_names)
    columns: dict[str, pa.Array] = {
        "index": pa.array(index),
        "id": pa.array(rows.ids, pa.string()),
        "label": labels,
        "label_name": names,
    }
    if rows.lengths is not None:
        columns[LENGTH] = _scatter(rows.lengths, rows.lengths < 0, rows)
    for stage, values in rows.predictions.items():
        columns[f"prediction@{stage}"] = _scatter(values.astype(np.int64), values < 0, rows)
        if stage in rows.probabilities:
            shares = rows.probabilities[stage].astype(np.float32)
            columns[f"prediction_probability@{stage}"] = _scatter(shares, np.isnan(shares), rows)
    for stage, values in rows.distributions.items():
        columns[probabilities_column(stage)] = _scatter_lists(values, rows)
    for name, values in rows.scores.items():
        columns[name] = _scatter(values.astype(np.float32), np.isnan(values), rows)
    if rows.features is not None:
        columns[FEATURES] = _scatter_lists(rows.features, rows)
    columns["problem"] = pa.array([rows.problems.get(i) for i in range(len(labels))], pa.string())
    fields = [
        pa.field(
            name, column.type, metadata=meanings[name].metadata() if name in meanings else None
        )
        for name, column in columns.items()
    ]
    return pa.table(list(columns.values()), schema=pa.schema(fields))


def _scatter(
    values: Shaped[np.ndarray, "n"], is_null: Shaped[np.ndarray, "n"], rows: RowBlock
) -> pa.Array:
    """Return an array of all rows with the values at the scored rows, and null elsewhere."""
    full = np.zeros(len(rows.rows), values.dtype)
    mask = np.ones(len(rows.rows), bool)
    full[rows.scored_positions] = values
    mask[rows.scored_positions] = is_null
    return pa.array(full, mask=mask)


def _scatter_lists(values: Float16[np.ndarray, "n values"], rows: RowBlock) -> pa.Array:
    """Return an array of all rows with the lists at the scored rows, and null elsewhere."""
    full = np.zeros((len(rows.rows), values.shape[1]), np.float16)
    full[rows.scored_positions] = values
    mask = np.ones(len(rows.rows), bool)
    mask[rows.scored_positions] = np.isnan(values).any(axis=1)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(full.reshape(-1)), values.shape[1], mask=pa.array(mask)
    )


def label_columns(
    labels: Shaped[np.ndarray, "m *label"], names: Sequence[str] | None
) -> tuple[pa.Array, pa.Array]:
    """Return the labels as they are stored, and their names.

    A class is its number, and -1 becomes null. Floats are numbers or lists of numbers, and NaN
    becomes null. Rows of 0 and 1 become the list of the numbers of their tags.
    """
    nothing = pa.nulls(len(labels), pa.string())
    if labels.ndim == 1 and labels.dtype.kind == "f":
        return pa.array(labels, mask=np.isnan(labels)), nothing
    if labels.ndim == 1:
        texts = [_name_of(label, names) for label in labels.tolist()]
        return pa.array(labels, mask=labels < 0), pa.array(texts, pa.string())
    if labels.ndim == 2 and labels.dtype.kind == "f":
        cells = [None if np.isnan(row).all() else row.tolist() for row in labels]
        return pa.array(cells, pa.list_(pa.float64())), nothing
    sets = [np.flatnonzero(row).tolist() if np.isin(row, (0, 1)).all() else None for row in labels]
    texts = [
        None
        if numbers is None
        else ", ".join(_name_of(number, names) or str(number) for number in numbers)
        for numbers in sets
    ]
    return pa.array(sets, pa.list_(pa.int64())), pa.array(texts, pa.string())


def _name_of(label: int, names: Sequence[str] | None) -> str | None:
    return names[label] if names is not None and 0 <= label < len(names) else None
