"""Scores as columns of a Hugging Face `datasets.Dataset`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from vog.errors import DataError, ResultError, first_few
from vog.result import Run
from vog.result.ids import positions_of
from vog.wording import same_again


def add_columns(
    dataset: Any, run: Run, columns: Sequence[str] | None = None, key: str | None = None
) -> Any:
    """Return the dataset with columns of a run added.

    Args:
        dataset: a `datasets.Dataset`; it is not changed.
        run: a run of the same rows in the same order; with `key`, a run that has these rows.
        columns: stored or derived columns, which keep their names; by default every score.
        key: the column of the dataset that holds the ids of the run; the dataset may then be
            shuffled or filtered. By default row i of the dataset is row i of the scored data.

    Raises:
        ResultError: the run has no such column, or rows are missing.
        DataError: it is no such dataset, its length differs, it has a column of that name
            already, or it has ids that the run lacks.
    """
    if not isinstance(getattr(dataset, "num_rows", None), int):
        raise DataError(
            f"expected a datasets.Dataset, found {type(dataset).__name__}. Give one split, such as "
            f"dataset['train'], and no stream."
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
            f"{run.folder} lacks {run.missing_rows:,} rows. {same_again('score')} to continue; "
            f"or pass key=, the column of the dataset that holds the ids."
        )
    if dataset.num_rows != run.rows:
        raise DataError(
            f"the dataset has {dataset.num_rows:,} rows and {run.folder} {run.rows:,}. Give the "
            f"dataset that was scored, or pass key=, its column that holds the ids."
        )


def _run_rows(dataset: Any, run: Run, key: str) -> Int[np.ndarray, "n"]:
    """Return the row of the run for each row of the dataset."""
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
            f"{len(unknown):,} ids in column {key!r} are not in {run.folder}: "
            f"{first_few(unknown)}. Give the column that holds the ids of the run, such as "
            f"{ids[0].as_py()!r}."
        )
    return rows
