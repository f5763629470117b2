"""One run from the held-out rows of all folds: each row is judged by a training without it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from vog.analysis.many_runs.averaging import (
    find_same_weights,
    refuse_different_question,
    refuse_out_or_unfinished,
)
from vog.data.folds.fold_file import ids_in_file
from vog.errors import ResultError, first_few
from vog.files.output_paths import output_path
from vog.result import Run, open_run, parts
from vog.result.combined_run import folds_question, write_combined_table
from vog.result.data_location import current_location
from vog.result.ids import positions_of
from vog.result.rows import FEATURES, is_probabilities
from vog.wording import command, option


def combine_folds(runs: Sequence[Run], out: str | Path, overwrite: bool = False) -> Run:
    """Write the rows that several folds hold out as one run of out-of-sample rows.

    Every row of the data must be in exactly one of the runs. It is written unchanged, in the order
    of the data. Each fold was judged by a different training, so ranks of a score compare between
    folds only as far as the trainings are alike.

    Args:
        runs: one run of the held-out rows for each fold of one `vog folds`.
        out: the folder to write.
        overwrite: replace a run that is already in `out`.

    Raises:
        ResultError: a run is not of held-out rows, not finished, or of different folds; a row is in
            no run or in several; scores, stages, targets, transforms or classes differ; two runs
            were scored under the same weights; `out` is one of the runs or holds something else.
        DifferentQuestionError: `out` holds a different run.
    """
    out = output_path(out)
    _refuse_uncombinable(runs, out)
    row_numbers = [run.table(["index"]).column(0).to_numpy() for run in runs]
    _check_partition(runs, row_numbers)
    _refuse_same_weights(runs)
    shared = [name for name in runs[0].schema.names if all(name in r.schema.names for r in runs)]
    columns = [name for name in shared if name != FEATURES]  # each fold has a network of its own
    question = folds_question(runs, columns, out)
    with parts.writing_session(out, question, overwrite):
        if parts.gaps(parts.list_parts(out), int(question["data"]["examples"])):
            write_combined_table(out, _rows_in_data_order(runs, columns))
    return open_run(out)


def _refuse_uncombinable(runs: Sequence[Run], out: Path) -> None:
    if len(runs) < 2:
        raise ResultError(f"{len(runs)} run given, and there are 2 folds or more. {_which_runs()}")
    first = runs[0]
    for run in runs:
        refuse_out_or_unfinished(run, out)
        if _fold_of(run).get("held_out") is not True:
            raise ResultError(f"{run.folder} is not a run of held-out rows. {_which_runs()}")
        if _fold_of(run)["of"] != _fold_of(first)["of"]:
            raise ResultError(
                f"{run.folder} and {first.folder} are of different folds, so a row may be in "
                f"several runs or in none{_shared_rows_clause(first, run)}. {_which_runs()}"
            )
    for run in runs[1:]:
        _refuse_different_columns(first, run)
        refuse_different_question(first, run, first.score_columns)


def _which_runs() -> str:
    return f"Give the runs of held_out files that one {command('folds')} wrote, one for each fold."


def _refuse_same_weights(runs: Sequence[Run]) -> None:
    pair = find_same_weights(runs)
    if pair is not None:
        raise ResultError(
            f"{pair[0].folder} and {pair[1].folder} were scored under the same weights, so one of "
            f"them judged rows that it was trained on. Score the rows that each fold holds out "
            f"under the checkpoints of its own training."
        )


def _fold_of(run: Run) -> dict[str, Any]:
    return run.question["data"].get("fold") or {}


def _shared_rows_clause(first: Run, run: Run) -> str:
    """Return a clause that counts and names the rows that both runs have; empty if none."""
    ids = first.table(["id"])["id"].combine_chunks()
    shared = ids.filter(pa.array(positions_of(ids, run.table(["id"])["id"]) >= 0))
    if not len(shared):
        return ""
    return f": {len(shared):,} are in both, such as {first_few(shared.slice(0, 5).to_pylist())}"


def _refuse_different_columns(first: Run, run: Run) -> None:
    missing = [name for name in first.score_columns if name not in run.score_columns]
    extra = [name for name in run.score_columns if name not in first.score_columns]
    if missing or extra:
        has, lacks = (first, run) if missing else (run, first)
        raise ResultError(
            f"{has.folder} has {first_few(missing or extra)}, which {lacks.folder} lacks. Score "
            f"all folds with the same {option('scores')} and {option('stages')}."
        )
    expected, actual = (_probability_summary(each) for each in (first, run))
    if expected != actual:
        raise ResultError(
            f"{first.folder} has {expected} and {run.folder} {actual}, so labels cannot be judged "
            f"by them. Score all folds with models of the same classes, and with probabilities."
        )


def _probability_summary(run: Run) -> str:
    """Return in words which probabilities a run keeps."""
    sizes = {field.type.list_size for field in run.schema if is_probabilities(field.name)}
    return f"probabilities of {first_few(sorted(sizes))} classes" if sizes else "no probabilities"


def _check_partition(runs: Sequence[Run], row_numbers: Sequence[Int[np.ndarray, "m"]]) -> None:
    """Raise unless every row of the data is in exactly one run."""
    counts = np.bincount(np.concatenate(row_numbers), minlength=_fold_of(runs[0])["rows"])
    if repeated := np.flatnonzero(counts > 1).tolist():
        holders = [run for run, rows in zip(runs, row_numbers, strict=True) if repeated[0] in rows]
        ids = _ids_of_rows(runs, row_numbers, repeated)
        raise ResultError(
            f"{len(repeated):,} rows are in more than one run: {first_few(ids)}. "
            f"They are in {first_few([str(run.folder) for run in holders])}. Give each fold once."
        )
    if missing := np.flatnonzero(counts == 0).tolist():
        numbers = sorted({int(_fold_of(run)["number"]) for run in runs})
        folds = [str(fold) for fold in range(_fold_of(runs[0])["folds"]) if fold not in numbers]
        left_out = f"{option('limit')} left them out"
        reason = f"no run of fold {first_few(folds)} is given" if folds else left_out
        raise ResultError(
            f"{len(missing):,} rows of the data are in none of the runs, because {reason}: "
            f"{first_few(_missing_ids(runs, missing))}. Give runs of all held-out rows."
        )


def _ids_of_rows(
    runs: Sequence[Run], row_numbers: Sequence[Int[np.ndarray, "m"]], rows: list[int]
) -> list[str]:
    """Return the ids of up to five of the rows, from the first run that has some of them."""
    for run, run_rows in zip(runs, row_numbers, strict=True):
        positions = np.flatnonzero(np.isin(run_rows, rows))
        if len(positions):
            return run.table(["id"])["id"].take(positions[:5]).to_pylist()
    return []


def _missing_ids(runs: Sequence[Run], rows: list[int]) -> list[str]:
    """Return the ids of rows that no run has, from the files of the folds, or the numbers."""
    name = current_location(runs[0], "fold")
    files = [] if name is None else sorted(Path(name).parent.parent.glob(f"*/{Path(name).name}"))
    scored_ids = {key for run in runs for key in run.table(["id"])["id"].to_pylist()}
    missing = [key for file in files for key in ids_in_file(file) if key not in scored_ids]
    return missing or [f"row {row}" for row in rows]


def _rows_in_data_order(runs: Sequence[Run], columns: list[str]) -> pa.Table:
    """Return all rows in the order of the data."""
    table = pa.concat_tables([run.table(columns).replace_schema_metadata() for run in runs])
    order = np.argsort(table["index"].to_numpy(), kind="stable")
    return table.take(order).combine_chunks()
