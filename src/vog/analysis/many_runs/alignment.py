"""Rows of several runs, matched by the ids of their examples."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int

from vog.analysis.one_run.score_columns import raw_column
from vog.errors import ResultError, first_few, unknown
from vog.result import Run
from vog.result.ids import positions_of
from vog.wording import option


@dataclass(frozen=True)
class AlignedRuns:
    """The examples that all of several runs have, in the order of the first run.

    Attributes:
        runs: two or more.
        ids: ids of the shared examples.
        positions: for each run, the row of each shared example.
        unshared: for each run, the number of its examples that another run lacks.
    """

    runs: tuple[Run, ...]
    ids: pa.Array
    positions: tuple[Int[np.ndarray, "n"], ...]
    unshared: tuple[int, ...]

    @cached_property
    def labels_differ(self) -> Bool[np.ndarray, "n"]:
        """The shared examples whose labels are not the same in all runs, as a mask."""
        first, *later = (self.classes(number, "label") for number in range(len(self.runs)))
        return np.any([labels != first for labels in later], axis=0)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each run: the last part of its folder, or the whole path if names repeat."""
        short = [run.folder.resolve().name for run in self.runs]
        if len(set(short)) == len(short):
            return tuple(short)
        return tuple(str(run.folder) for run in self.runs)

    @property
    def covers_first_run(self) -> bool:
        """True if every example of the first run is shared; other runs may have more."""
        return not self.unshared[0]

    @property
    def matched_by_number(self) -> bool:
        """True if the ids are the row numbers of the first run, which match in any data."""
        numbers = self.runs[0].table(["index"]).column(0).to_numpy()[self.positions[0]]
        return self.ids.to_pylist() == [str(number) for number in numbers.tolist()]

    @property
    def runs_of_other_data(self) -> tuple[str, ...]:
        """Names of the runs whose data differ from the first run's, if rows match by number."""
        first_digest, *digests = (run.question["data"].get("digest") for run in self.runs)
        differing_names = tuple(
            name
            for name, digest in zip(self.names[1:], digests, strict=True)
            if None not in (first_digest, digest) and digest != first_digest
        )
        return differing_names if differing_names and self.matched_by_number else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Stored score columns that all runs have, in the order of the first run."""
        first, *later = (run.score_columns for run in self.runs)
        return tuple(name for name in first if all(name in columns for columns in later))

    def usual_column(self, candidates: Sequence[str]) -> str:
        """Return the first default column of a run that shows a candidate and that all runs have.

        If there is none, return a candidate, at stage `all` if possible. The default of a combined
        run is a view, such as `vog_z@all`, which single runs lack.
        """
        stored_candidates = {column.partition(":")[0] for column in candidates}
        for run in self.runs:
            default = run.default_column
            stored = run.score_column(default)
            shared = all(stored in aligned_run.ranked_columns for aligned_run in self.runs)
            if shared and stored_candidates & {stored, raw_column(run, default)}:
                return default
        return next((column for column in candidates if column.endswith("@all")), candidates[0])

    def values(self, run_number: int, column: str) -> Float[np.ndarray, "n"]:
        """Return one run's values of a column for the shared examples; NaN where there is none.

        Raises:
            ResultError: there is no such column.
        """
        return self.runs[run_number].values(column)[self.positions[run_number]]

    def hardness(self, run_number: int, column: str) -> Float[np.ndarray, "n"]:
        """Return the same values with the sign that makes large values hard; not yet ranks.

        Raises:
            ResultError: there is no such column, or it is no score.
        """
        run = self.runs[run_number]
        run.score_column(column)
        values = self.values(run_number, column)
        return values if run.higher_is_harder(column) else -values

    def classes(self, run_number: int, column: str) -> Int[np.ndarray, "n"]:
        """Return one run's class numbers, such as labels, for the shared examples; -1 for null."""
        if column == "label":
            return self.runs[run_number].class_labels[self.positions[run_number]]
        cells = self.runs[run_number].table([column]).column(0).fill_null(-1)
        return cells.to_numpy().astype(np.int64)[self.positions[run_number]]


def align_runs(runs: Sequence[Run]) -> AlignedRuns:
    """Return the examples that all runs share, with their row in each run.

    Raises:
        ResultError: fewer than two runs, a run given twice, an id that is twice in a run, or no
            example or no score in common.
    """
    _refuse_few_or_repeated_runs(runs)
    ids = [run.table(["id"])["id"].combine_chunks() for run in runs]
    for run, run_ids in zip(runs, ids, strict=True):
        _refuse_repeated_ids(run, run_ids)
    positions = _shared_positions(ids)
    if not len(positions[0]):
        raise ResultError(_no_shared_example_message(runs, ids))
    aligned = AlignedRuns(
        tuple(runs),
        ids[0].take(pa.array(positions[0])),
        positions,
        tuple(len(run_ids) - len(positions[0]) for run_ids in ids),
    )
    if not aligned.columns:
        raise ResultError(_no_shared_score_message(aligned))
    return aligned


def resolve_columns(aligned: AlignedRuns, scores: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns that names of scores or columns stand for.

    `vog@late:class` is one column; `vog` and `vog:class` are one for each stage. Views of combined
    runs, such as `vog_z`, count as scores.

    Raises:
        ResultError: some run lacks a column.
    """
    if scores is None:
        return aligned.columns
    columns: list[str] = []
    shared = [
        column
        for column in aligned.runs[0].ranked_columns
        if all(column in run.ranked_columns for run in aligned.runs)
    ]
    for name in scores:
        score, colon, derived = name.partition(":")
        matches = [f"{c}{colon}{derived}" for c in shared if c.startswith(f"{score}@")]
        if not matches and "@" not in name:
            score_names = dict.fromkeys(column.partition("@")[0] for column in aligned.columns)
            raise ResultError(f"the runs share no score {name!r}.{unknown(name, score_names)}")
        columns += matches or [name]
    for run, column in itertools.product(aligned.runs, columns):
        run.score_column(column)
    return tuple(dict.fromkeys(columns))


def _refuse_few_or_repeated_runs(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise ResultError(
            f"{len(runs)} run given, and 2 or more are needed. Name the folders of runs that "
            f"scored the same data, such as one run for each seed."
        )
    folders = [run.folder.resolve() for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise ResultError(f"{run.folder} is given twice. Name each run once.")


def _refuse_repeated_ids(run: Run, ids: pa.Array) -> None:
    if len(ids.unique()) < len(ids):
        counts = ids.value_counts()
        repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")  # pyright: ignore
        raise ResultError(
            f"{run.folder} has more than one row with the id {first_few(repeated.to_pylist())}, so "
            f"its rows cannot be found in another run. Score data whose ids are unique."
        )


def _shared_positions(ids: Sequence[pa.Array]) -> tuple[Int[np.ndarray, "n"], ...]:
    """Return for each run the rows of the shared ids, in the order of the first run."""
    rows = [np.arange(len(ids[0])), *(positions_of(ids[0], run_ids) for run_ids in ids[1:])]
    shared = np.all([positions >= 0 for positions in rows], axis=0)
    return tuple(positions[shared] for positions in rows)


def _no_shared_example_message(runs: Sequence[Run], ids: Sequence[pa.Array]) -> str:
    lines = [
        f"  {run.folder}: {_id_origin(run)}: {first_few(run_ids.to_pylist(), 3)}"
        for run, run_ids in zip(runs, ids, strict=True)
    ]
    return (
        "no example is in all of the runs:\n"
        + "\n".join(lines)
        + "\nExamples are matched by their ids. Name runs that scored the same data."
    )


def _id_origin(run: Run) -> str:
    return f"ids of {run.question.get('where', {}).get('data') or 'data without a name'}"


def _no_shared_score_message(aligned: AlignedRuns) -> str:
    lines = [f"  {run.folder}: {first_few(run.score_columns, 8)}" for run in aligned.runs]
    return (
        "no score is in all of the runs:\n"
        + "\n".join(lines)
        + f"\nScore them again with the same {option('scores')}."
    )
