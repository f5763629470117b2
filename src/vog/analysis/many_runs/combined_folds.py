"""The runs of the rows that folds hold out, as one run: each row by a training without it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from vog.analysis.many_runs.averaging import (
    refuse_other_question,
    refuse_place_and_gaps,
    same_weights,
)
from vog.errors import ResultError, first_few
from vog.files import npz
from vog.files.output_paths import output_path
from vog.result import Run, open_run, parts
from vog.result.combined_run import question_of_folds, write_combined_table
from vog.result.data_location import noted_name
from vog.result.ids import places_of
from vog.result.rows import is_probabilities

_MADE_BY = "Give the runs of held_out files that one `vog folds` wrote, one run a fold."


def combine_folds(runs: Sequence[Run], out: str | Path, overwrite: bool = False) -> Run:
    """Write the rows that several folds hold out as one run of out-of-sample rows.

    Every row of the data is in exactly one of the runs, and is written as it is there, in the
    order of the data. Each was judged by another training: ranks of a score compare between folds
    as far as the trainings are alike.

    Args:
        runs: of the held-out rows of each fold of one `vog folds`.
        out: the folder to write.
        overwrite: replace a run that is there.

    Raises:
        ResultError: a run is not of held-out rows, is not finished, or is of other folds; a row is
            in none or in several; scores, stages, targets, transforms or classes differ; two runs
            were scored under the same weights; `out` is one of the runs or holds something else.
        OtherQuestionError: `out` is another run.
    """
    out = output_path(out)
    _refuse(runs, out)
    numbers = [run.table(["index"]).column(0).to_numpy() for run in runs]
    _refuse_gaps(runs, numbers)
    _refuse_one_training(runs)
    columns = [name for name in runs[0].schema.names if all(name in r.schema.names for r in runs)]
    question = question_of_folds(runs, columns, out)
    with parts.writing_session(out, question, overwrite):
        if parts.missing(parts.parts(out), int(question["data"]["examples"])):
            write_combined_table(out, _ordered(runs, columns))
    return open_run(out)


def _refuse(runs: Sequence[Run], out: Path) -> None:
    if len(runs) < 2:
        raise ResultError(f"{len(runs)} run given, and there are 2 folds or more. {_MADE_BY}")
    first = runs[0]
    for run in runs:
        refuse_place_and_gaps(run, out)
        if _fold(run).get("held_out") is not True:
            raise ResultError(f"{run.folder} is no run of what a fold holds out. {_MADE_BY}")
        if _fold(run)["of"] != _fold(first)["of"]:
            raise ResultError(
                f"{run.folder} is of other folds than {first.folder}, so a row may be in several "
                f"or in none{_twice(first, run)}. {_MADE_BY}"
            )
    for run in runs[1:]:
        _refuse_other_columns(first, run)
        refuse_other_question(first, run, first.score_columns)


def _refuse_one_training(runs: Sequence[Run]) -> None:
    both = same_weights(runs)
    if both is not None:
        raise ResultError(
            f"{both[0].folder} and {both[1].folder} were scored under the same weights, so one of "
            f"them judged rows that it was trained on. Score what each fold holds out under the "
            f"checkpoints of its own training."
        )


def _fold(run: Run) -> dict[str, Any]:
    return run.question["data"].get("fold") or {}


def _twice(first: Run, run: Run) -> str:
    """The rows that both have, in words; nothing where there are none."""
    ids = first.table(["id"])["id"].combine_chunks()
    shared = ids.filter(pa.array(places_of(ids, run.table(["id"])["id"]) >= 0))
    if not len(shared):
        return ""
    return f": {len(shared):,} are in both, as {first_few(shared.slice(0, 5).to_pylist())}"


def _refuse_other_columns(first: Run, run: Run) -> None:
    lacking = [one for one in first.score_columns if one not in run.score_columns]
    more = [one for one in run.score_columns if one not in first.score_columns]
    if lacking or more:
        has, other = (first, run) if lacking else (run, first)
        raise ResultError(
            f"{has.folder} has {first_few(lacking or more)}, which {other.folder} lacks. Score all "
            f"folds with the same --scores and --stages."
        )
    one, other = (_probabilities(each) for each in (first, run))
    if one != other:
        raise ResultError(
            f"{first.folder} has {one} and {run.folder} {other}, so labels could not be judged by "
            f"them. Score all folds with models of the same classes, and with probabilities."
        )


def _probabilities(run: Run) -> str:
    """Which probabilities a run keeps, in words."""
    known = {f.type.list_size for f in run.schema if is_probabilities(f.name)}
    return f"probabilities of {first_few(sorted(known))} classes" if known else "no probabilities"


def _refuse_gaps(runs: Sequence[Run], numbers: Sequence[Int[np.ndarray, "m"]]) -> None:
    """Nothing where every row of the data is in exactly one run."""
    counts = np.bincount(np.concatenate(numbers), minlength=_fold(runs[0])["rows"])
    if twice := np.flatnonzero(counts > 1).tolist():
        both = [run for run, own in zip(runs, numbers, strict=True) if twice[0] in own]
        ids = _ids(runs, numbers, twice)
        raise ResultError(
            f"{len(twice):,} rows are in more than one run: {first_few(ids)}. "
            f"They are in {first_few([str(run.folder) for run in both])}. Give one run a fold."
        )
    if lost := np.flatnonzero(counts == 0).tolist():
        given = sorted({int(_fold(run)["number"]) for run in runs})
        folds = [str(one) for one in range(_fold(runs[0])["folds"]) if one not in given]
        told = f"no run of fold {first_few(folds)} is given" if folds else "--limit left them out"
        raise ResultError(
            f"{len(lost):,} rows of the data are in none of the runs, as {told}: "
            f"{first_few(_lost_ids(runs, lost))}. Score what each fold holds out, and give all."
        )


def _ids(
    runs: Sequence[Run], numbers: Sequence[Int[np.ndarray, "m"]], rows: list[int]
) -> list[str]:
    """What some rows are called in the first run that has them."""
    for run, own in zip(runs, numbers, strict=True):
        at = np.flatnonzero(np.isin(own, rows))
        if len(at):
            return run.table(["id"])["id"].take(at[:5]).to_pylist()
    return []


def _lost_ids(runs: Sequence[Run], rows: list[int]) -> list[str]:
    """What rows that no run has are called in the files of the folds, if these are there."""
    name = noted_name(runs[0], "fold")
    files = [] if name is None else sorted(Path(name).parent.parent.glob(f"*/{Path(name).name}"))
    known = {one for run in runs for one in run.table(["id"])["id"].to_pylist()}
    lost = [one for file in files for one in _ids_in(file) if one not in known]
    return lost or [f"row {row}" for row in rows]


def _ids_in(file: Path) -> list[str]:
    """The ids in a file of what a fold holds out."""
    if file.suffix == ".npz":
        return [str(one) for one in npz.load_arrays(file, ["ids"])["ids"].tolist()]
    lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [_id_in(line) for line in lines]


def _id_in(line: str) -> str:
    """The id of a dataset's item, which is written as JSON, or of an image before its label."""
    try:
        return str(json.loads(line))
    except ValueError:
        return line.rpartition(" ")[0]


def _ordered(runs: Sequence[Run], columns: list[str]) -> pa.Table:
    """All rows in the order of the data."""
    whole = pa.concat_tables([run.table(columns).replace_schema_metadata() for run in runs])
    order = np.argsort(whole["index"].to_numpy(), kind="stable")
    return whole.take(order).combine_chunks()
