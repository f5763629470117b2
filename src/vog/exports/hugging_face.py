"""Scores as columns of a `datasets.Dataset` of Hugging Face."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from vog.errors import DataError, ResultError, first_few
from vog.result import Run
from vog.result.ids import positions_of


def add_columns(
    dataset: Any, run: Run, columns: Sequence[str] | None = None, key: str | None = None
) -> Any:
    """The dataset with a column more for each of these columns of a run.

    Args:
        dataset: a `datasets.Dataset` of n rows; it is left as it is.
        run: of the same rows in the same order; with `key`, of these and perhaps others.
        columns: stored or derived ones, under their own names; by default every score.
        key: the column of the dataset that holds the ids of the run; it may have been shuffled or
            filtered since. By default row i is row i of what was scored.

    Raises:
        ResultError: there is no such column, or rows are missing.
        DataError: it is no such dataset, it has another length, it has a column of such a
            name already, or ids that the run does not know.
    """
    if not isinstance(getattr(dataset, "num_rows", None), int):
        raise DataError(
            f"expected a datasets.Dataset, found {type(dataset).__name__}. Give one split of it, "
            f"as dataset['train'], and no stream."
        )
    names = list(dict.fromkeys(run.score_columns if columns is None else columns))
    taken = [name for name in names if name in dataset.column_names]
    if taken:
        raise DataError(
            f"the dataset has the columns {first_few(taken)} already. Remove them first, "
            f"with dataset.remove_columns."
        )
    table = run.table(names)
    if key is None:
        run.require_every_row()
        _refuse_different_length(dataset, run)
    else:
        table = table.take(_run_rows(dataset, run, key))
    for name in names:
        dataset = dataset.add_column(name, table[name].combine_chunks())
    return dataset


def _refuse_different_length(dataset: Any, run: Run) -> None:
    if run.missing_rows:
        raise ResultError(
            f"{run.folder} lacks {run.missing_rows:,} rows. Run the same `vog score` command "
            f"again to continue; or pass key=, the column of the dataset that holds the ids."
        )
    if dataset.num_rows != run.rows:
        raise DataError(
            f"the dataset has {dataset.num_rows:,} rows and {run.folder} {run.rows:,}. Give the "
            f"dataset that was scored, or pass key=, its column that holds the ids."
        )


def _run_rows(dataset: Any, run: Run, key: str) -> Int[np.ndarray, "n"]:
    """Where in the run each row of the dataset stands."""
    if key not in dataset.column_names:
        raise DataError(
            f"the dataset has no column {key!r} with ids. It has "
            f"{first_few(dataset.column_names, 40)}."
        )
    dataset_ids = [str(cell) for cell in dataset[key]]
    ids = run.table(["id"])["id"]
    rows = positions_of(dataset_ids, ids)
    unknown = [dataset_ids[position] for position in np.flatnonzero(rows < 0)]
    if unknown:
        raise DataError(
            f"{len(unknown):,} ids in column {key!r} are none of {run.folder}: "
            f"{first_few(unknown)}. Give the column that holds the ids of the run, as "
            f"{ids[0].as_py()!r}."
        )
    return rows
