"""Several runs side by side: which of their rows are the same example, told by its id."""

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
from vog.result.ids import places_of


@dataclass(frozen=True)
class AlignedRuns:
    """The examples that all of several runs have, in the order of the first run.

    Attributes:
        runs: two or more.
        ids: of the shared examples.
        places: by run, at which of its rows each shared example is.
        only: by run, how many of its examples another run lacks.
    """

    runs: tuple[Run, ...]
    ids: pa.Array
    places: tuple[Int[np.ndarray, "n"], ...]
    only: tuple[int, ...]

    @cached_property
    def relabelled(self) -> Bool[np.ndarray, "n"]:
        """Which shared examples have not the same label in all runs."""
        first, *others = (self.whole(number, "label") for number in range(len(self.runs)))
        return np.any([one != first for one in others], axis=0)

    @property
    def names(self) -> tuple[str, ...]:
        """What each run is called: its folder without those above, where that tells them apart."""
        short = [run.folder.resolve().name for run in self.runs]
        if len(set(short)) == len(short):
            return tuple(short)
        return tuple(str(run.folder) for run in self.runs)

    @property
    def all_of_first(self) -> bool:
        """Whether these are all examples of the first run; another may have more of them."""
        return not self.only[0]

    @property
    def matched_by_number(self) -> bool:
        """Whether the ids are the row numbers of the first run, so that any data would match."""
        numbers = self.runs[0].table(["index"]).column(0).to_numpy()[self.places[0]]
        return self.ids.to_pylist() == [str(number) for number in numbers.tolist()]

    @property
    def of_other_data(self) -> tuple[str, ...]:
        """The runs whose data are not those of the first, where rows are matched by number."""
        first, *digests = (run.question["data"].get("digest") for run in self.runs)
        others = tuple(
            name
            for name, digest in zip(self.names[1:], digests, strict=True)
            if None not in (first, digest) and digest != first
        )
        return others if others and self.matched_by_number else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored score columns that all runs have, in the order of the first."""
        first, *others = (run.score_columns for run in self.runs)
        return tuple(name for name in first if all(name in other for other in others))

    def usual(self, among: Sequence[str]) -> str:
        """A default column, of the earliest run, that all runs have and whose score is among these.

        Of combined runs it is a view, as `vog_z@all`, which single runs lack.
        """
        asked = {column.partition(":")[0] for column in among}
        for run in self.runs:
            usual = run.default_column
            stored = run.score_column(usual)
            shared = all(stored in other.ranked_columns for other in self.runs)
            if shared and asked & {stored, raw_column(run, usual)}:
                return usual
        return next((column for column in among if column.endswith("@all")), among[0])

    def values(self, number: int, column: str) -> Float[np.ndarray, "n"]:
        """A score of the shared examples in one of the runs; NaN where there is none.

        Raises:
            ResultError: there is no such column.
        """
        return self.runs[number].numbers(column)[self.places[number]]

    def hardness(self, number: int, column: str) -> Float[np.ndarray, "n"]:
        """The same, turned so that large is hard; no ranks yet.

        Raises:
            ResultError: there is no such column, or it is no score.
        """
        run = self.runs[number]
        run.score_column(column)
        values = self.values(number, column)
        return values if run.hard_is_high(column) else -values

    def whole(self, number: int, column: str) -> Int[np.ndarray, "n"]:
        """Whole numbers, as labels, of the shared examples in one of the runs; -1 for null."""
        found = self.runs[number].table([column]).column(0).fill_null(-1)
        return found.to_numpy().astype(np.int64)[self.places[number]]


def align_runs(runs: Sequence[Run]) -> AlignedRuns:
    """The same examples of several runs, wherever they stand in each.

    Raises:
        ResultError: fewer than two runs, one of them twice, an id twice in one, or nothing in
            common: no example or no score.
    """
    _refuse_too_few(runs)
    ids = [run.table(["id"])["id"].combine_chunks() for run in runs]
    for run, own in zip(runs, ids, strict=True):
        _refuse_repeated(run, own)
    places = _places(ids)
    if not len(places[0]):
        raise ResultError(_nothing_shared(runs, ids))
    joined = AlignedRuns(
        tuple(runs),
        ids[0].take(pa.array(places[0])),
        places,
        tuple(len(own) - len(places[0]) for own in ids),
    )
    if not joined.columns:
        raise ResultError(_no_shared_score(joined))
    return joined


def columns_asked(joined: AlignedRuns, scores: Sequence[str] | None) -> tuple[str, ...]:
    """The columns that are meant: one of `vog@late:class`, of `vog` or `vog:class` one a stage.

    A view that all runs have because they were combined, as `vog_z`, is taken like a score.

    Raises:
        ResultError: not all runs have one.
    """
    if scores is None:
        return joined.columns
    found: list[str] = []
    shared = [
        column
        for column in joined.runs[0].ranked_columns
        if all(column in run.ranked_columns for run in joined.runs)
    ]
    for name in scores:
        score, colon, derived = name.partition(":")
        of = [f"{c}{colon}{derived}" for c in shared if c.startswith(f"{score}@")]
        if not of and "@" not in name:
            known = dict.fromkeys(column.partition("@")[0] for column in joined.columns)
            raise ResultError(f"the runs share no score {name!r}.{unknown(name, known)}")
        found += of or [name]
    for run, column in itertools.product(joined.runs, found):
        run.score_column(column)
    return tuple(dict.fromkeys(found))


def _refuse_too_few(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise ResultError(
            f"{len(runs)} run given, and 2 or more are needed. Name the folders of runs that "
            f"scored the same data, as one a seed."
        )
    folders = [run.folder.resolve() for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise ResultError(f"{run.folder} is given twice. Name each run once.")


def _refuse_repeated(run: Run, ids: pa.Array) -> None:
    if len(ids.unique()) < len(ids):
        counts = ids.value_counts()
        often = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")  # pyright: ignore
        raise ResultError(
            f"{run.folder} has more than one row with the id {first_few(often.to_pylist())}, so "
            f"its rows cannot be found in another run. Score data whose ids are unique."
        )


def _places(ids: Sequence[pa.Array]) -> tuple[Int[np.ndarray, "n"], ...]:
    """By run, the rows of the ids that all have, in the order of the first."""
    rows = [np.arange(len(ids[0])), *(places_of(ids[0], other) for other in ids[1:])]
    shared = np.all([one >= 0 for one in rows], axis=0)
    return tuple(one[shared] for one in rows)


def _nothing_shared(runs: Sequence[Run], ids: Sequence[pa.Array]) -> str:
    lines = [
        f"  {run.folder}: {_data(run)}: {first_few(own.to_pylist(), 3)}"
        for run, own in zip(runs, ids, strict=True)
    ]
    return (
        "no example is in all of the runs:\n"
        + "\n".join(lines)
        + "\nExamples are the same where their ids are. Name runs that scored the same data."
    )


def _data(run: Run) -> str:
    return f"ids of {run.question.get('where', {}).get('data') or 'data without a name'}"


def _no_shared_score(joined: AlignedRuns) -> str:
    lines = [f"  {run.folder}: {first_few(run.score_columns, 8)}" for run in joined.runs]
    return (
        "no score is in all of the runs:\n"
        + "\n".join(lines)
        + "\nScore them again with the same --scores."
    )
