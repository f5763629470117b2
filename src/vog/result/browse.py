"""Pages of a run's rows, sorted and filtered by DuckDB fast enough to click through a million.

Nothing is indexed or copied beforehand: every page is one query over the Parquet parts. Only
what a derived column compares with is computed once, when that column is first asked for.
"""

import glob
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from vog.errors import ResultError, unknown
from vog.result.columns import STANDARDS, rank_among
from vog.result.run import Run

# What queries may take before they go on on disk. A million rows in order take a third of it.
_MEMORY = "100MB"
Row = dict[str, Any]
_Ordered = Float[np.ndarray, "n"]


@dataclass(frozen=True)
class Filter:
    """Which rows are shown; what is None or empty does not filter.

    Attributes:
        label: the class of the rows.
        predicted: the class that the last checkpoint of the stage predicts.
        judged: whether that is the label.
        low: the least value of the column that is sorted by.
        high: the largest.
        text: is somewhere in the id, in this case.
        ids: only rows with these ids.
        without: no rows with these.
        problem: only rows that could not be read or scored.
    """

    label: int | None = None
    predicted: int | None = None
    judged: Literal["right", "wrong"] | None = None
    low: float | None = None
    high: float | None = None
    text: str = ""
    ids: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    problem: bool = False


@dataclass(frozen=True)
class Order:
    """What rows are sorted by: a column, stored or derived; rows without a value come last."""

    by: str
    descending: bool


@dataclass(frozen=True)
class Page:
    """Some of the rows in order, and how many there are altogether.

    Attributes:
        rows: `index`, `id`, `label`, `prediction`, `problem` and the columns asked for, each.
        total: of the rows that the filter leaves.
    """

    rows: tuple[Row, ...]
    total: int


@dataclass(frozen=True)
class Place:
    """Where an example stands in one score.

    Attributes:
        value: of the score; None where it has none.
        rank: from 0, the smallest, to 1.
        hardness: the rank, turned so that 1 is the hardest.
    """

    value: float | None
    rank: float | None
    hardness: float | None


@dataclass(frozen=True)
class Class:
    """One class as a whole.

    Attributes:
        label: its number.
        rows: how many have this label.
        error: the share of them whose last prediction is another; None where it is not known.
        mean: of a score, over the rows with a finite value; None where there is none.
    """

    label: int
    rows: int
    error: float | None
    mean: float | None


class Browser:
    """Queries over the finished rows of a run. Several threads may ask at the same time."""

    def __init__(self, run: Run) -> None:
        """Look at these rows.

        Raises:
            ResultError: a part has vanished or is damaged; so for every question that is asked.
        """
        self.run = run
        self._connection = duckdb.connect(
            config={"memory_limit": _MEMORY, "autoinstall_known_extensions": "false"}
        )
        self._connection.execute("SET parquet_metadata_cache = true")
        # What a query has freed goes back to the system, and is not kept for the next.
        self._connection.execute("SET allocator_flush_threshold = '8MB'")
        self._connection.execute("SET allocator_bulk_deallocation_flush_threshold = '8MB'")
        # A folder called run[1] would else be a pattern, and that of run1.
        files = [glob.escape(str(path)) for path in run.part_files]
        with _reading():
            self._connection.from_parquet(files).create_view("rows")
        self._lock = threading.Lock()
        self._standards: dict[str, str] = {}
        self._ordered: dict[str, _Ordered] = {}

    def page(
        self,
        order: Order,
        where: Filter,
        start: int = 0,
        count: int = 48,
        also: Sequence[str] = (),
    ) -> Page:
        """The rows from place `start` on, with the column that is sorted by and those of `also`.

        Raises:
            ResultError: there is no such column, or a range is asked of one that is text.
        """
        key, joins = self._key(order.by)
        conditions, values = self._conditions(order, where, key)
        direction = "DESC" if order.descending else "ASC"
        # Of all rows only the first few are put in order; those that a filter leaves are kept,
        # to be counted as well.
        kept, total = "NOT MATERIALIZED", str(self.run.rows)
        if conditions:
            kept, total = "MATERIALIZED", "(SELECT count(*) FROM hit)"
        counted, found, keys = self._rows(
            f"WITH hit AS {kept} (SELECT index, {key} AS key FROM rows {joins} "
            f"WHERE {' AND '.join(conditions) or 'true'}), "
            f"shown AS (SELECT index, key FROM hit ORDER BY key {direction} NULLS LAST, index "
            f"LIMIT {int(count)} OFFSET {int(start)}) "
            f"SELECT {total}, list(index), list(key) FROM shown",
            values,
        )[0]
        rows = self.rows(
            found or (), self.stage(order.by), [one for one in also if one != order.by]
        )
        for row, value in zip(rows, keys or (), strict=True):
            row[order.by] = value
        if order.by.endswith(":rank"):
            self._put_ranks(rows, order.by)
        return Page(rows, counted)

    def rows(self, found: Sequence[int], stage: str, columns: Sequence[str]) -> tuple[Row, ...]:
        """The rows of these numbers, in this order, with these columns, stored or derived."""
        if not found:
            return ()
        keys, joins = [], ""
        columns = list(dict.fromkeys(columns))
        for number, column in enumerate(columns):
            key, join = self._key(column, f"standard_{number}")
            keys.append(f"{key} AS {_quoted(column)}")
            joins += join
        predicted = f"prediction@{stage}"
        shown = [
            *("rows.index", "id", "label", "problem"),
            f"{_quoted(predicted) if predicted in self.run.columns else 'NULL'} AS prediction",
            *keys,
        ]
        rows = self._dicts(
            f"SELECT {', '.join(shown)} FROM rows {joins} "
            f"WHERE index IN ({', '.join(str(int(one)) for one in found)})",
            [],
        )
        for column in columns:
            if column.endswith(":rank"):
                self._put_ranks(rows, column)
        by_index = {row["index"]: row for row in rows}
        return tuple(by_index[one] for one in found if one in by_index)

    def example(self, index: int) -> Row | None:
        """Every stored column of one row, or None where there is no such row."""
        found = self._dicts("SELECT * FROM rows WHERE index = ?", [index])
        return found[0] if found else None

    def places(self, example: Row) -> dict[str, Place]:
        """By score column, where a row that `example` gave stands among all of them."""
        columns = self.run.score_columns
        # Sums of comparisons: counts with a FILTER take ten times as long.
        counts = ", ".join(
            f"sum(({name} < ?)::INT), sum(({name} = ?)::INT), count({name})"
            for name in map(_quoted, columns)
        )
        values = [example[name] for name in columns for _ in range(2)]
        found = iter(self._rows(f"SELECT {counts} FROM rows", values)[0])
        places: dict[str, Place] = {}
        for name in columns:
            below, equal, known = next(found), next(found), next(found)
            value = example[name]
            if value is None:
                places[name] = Place(None, None, None)
                continue
            rank = (below + (equal - 1) / 2) / max(1, known - 1)
            hard = rank if self.run.hard_is_high(name) else 1 - rank
            places[name] = Place(float(value), float(rank), float(hard))
        return places

    def around(
        self, index: int, order: Order, where: Filter, count: int = 3
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The rows just before and just after one in a view, the nearest first."""
        key, joins = self._key(order.by)
        conditions, values = self._conditions(order, where, key)
        mine = self._rows(f"SELECT {key} FROM rows {joins} WHERE index = ?", [index])
        if not mine:
            return (), ()
        value = mine[0][0]
        after, before = (
            self._beyond(
                (f"SELECT index, {key} AS key FROM rows {joins}", conditions, values),
                (value, index),
                descending=order.descending,
                forward=forward,
                count=count,
            )
            for forward in (True, False)
        )
        return before, after

    def labels(self) -> list[int]:
        """The classes that have rows."""
        found = self._rows("SELECT DISTINCT label FROM rows WHERE label IS NOT NULL ORDER BY 1", [])
        return [row[0] for row in found]

    def classes(self, score: str) -> list[Class]:
        """The classes in the order of their numbers, with the mean of a stored score.

        Raises:
            ResultError: there is no such score.
        """
        if score not in self.run.score_columns:
            raise ResultError(f"{score!r} is no score.{unknown(score, self.run.score_columns)}")
        name, predicted = _quoted(score), _quoted("prediction@all")
        wrong = (
            f"avg((label <> {predicted})::INT)" if "prediction@all" in self.run.columns else "NULL"
        )
        mean = f"avg({name}) FILTER (isfinite({name}))"
        found = self._rows(
            f"SELECT label, count(*), {wrong}, {mean} FROM rows WHERE label IS NOT NULL "
            f"GROUP BY 1 ORDER BY 1",
            [],
        )
        return [Class(*row) for row in found]

    def index_of(self, id: str) -> int | None:
        """The row of an id; None where there is none."""
        return self.indices_of([id]).get(id)

    def indices_of(self, ids: Sequence[str]) -> dict[str, int]:
        """By id, its row; those that are none of ours are left out."""
        asked = "SELECT id, index FROM rows WHERE id IN (SELECT unnest(?))"
        return dict(self._rows(asked, [list(ids)])) if ids else {}

    def ids_and_labels(self) -> Iterator[list[tuple[str, int | None]]]:
        """Id and label of every row, in the order of the data, some thousand at a time."""
        with _reading():
            for path in self.run.part_files:
                table = pq.read_table(path, columns=["id", "label"])
                yield list(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))

    def stage(self, column: str) -> str:
        """The stage of a score column; `all` of any other."""
        stored, _, stage = column.partition(":")[0].partition("@")
        return stage if f"prediction@{stage}" in self.run.columns and stored else "all"

    def _beyond(
        self,
        source: tuple[str, list[str], list[Any]],
        mine: tuple[Any, int],
        descending: bool,
        forward: bool,
        count: int,
    ) -> tuple[int, ...]:
        """The rows after `mine` in an order in which missing values come last, or before it."""
        select, conditions, values = source
        value, index = mine
        sign, way = (">", "ASC") if forward else ("<", "DESC")
        if value is None:
            tied = f"(key IS NULL AND index {sign} ?)"
            beyond, also = (tied, [index]) if forward else (f"(key IS NOT NULL OR {tied})", [index])
        else:
            rising = descending != forward
            beyond = f"(key {'>' if rising else '<'} ? OR (key = ? AND index {sign} ?)"
            beyond += " OR key IS NULL)" if forward else ")"
            also = [value, value, index]
        falls = "DESC" if descending == forward else "ASC"
        nulls = "LAST" if forward else "FIRST"
        found = self._rows(
            f"WITH hit AS ({select} WHERE {' AND '.join(conditions) or 'true'}) "
            f"SELECT index FROM hit WHERE {beyond} "
            f"ORDER BY key {falls} NULLS {nulls}, index {way} LIMIT {int(count)}",
            [*values, *also],
        )
        return tuple(row[0] for row in found)

    def _key(self, column: str, alias: str = "standard") -> tuple[str, str]:
        """The SQL of a column, and the join that it needs; ranks are as their score is."""
        stored = _quoted(self.run.stored_column(column))
        derived = column.partition(":")[2]
        if derived not in STANDARDS:
            return stored, ""
        table = self._standard(column)
        value, spread = f"{stored}::DOUBLE", f"{alias}.spread"
        key = (
            f"CASE WHEN NOT isfinite({value}) THEN {value} WHEN {spread} > 0 "
            f"THEN ({value} - {alias}.centre) / {spread} ELSE 0 * {value} END"
        )
        of = f"coalesce({_quoted(self.run.class_column)}, -1)"
        return key, f" LEFT JOIN {table} AS {alias} ON {of} = {alias}.class"

    def _standard(self, column: str) -> str:
        """The table of what each class is compared with, made when it is first asked for."""
        with self._lock:
            if column not in self._standards:
                stored, derived = self.run.stored_column(column), column.partition(":")[2]
                (values,) = self._numbers(f"SELECT {_quoted(stored)} FROM rows")
                standard = STANDARDS[derived](values, self._classes)
                classes = np.arange(len(standard.centre)) + standard.first
                table = pa.table(
                    {"class": classes, "centre": standard.centre, "spread": standard.spread}
                )
                name = f"standard_of_{len(self._standards)}"
                self._connection.from_arrow(table).create(name)
                self._standards[column] = name
            return self._standards[column]

    @cached_property
    def _classes(self) -> Int[np.ndarray, "n"]:
        """The class that each row is compared within, in the order of the parts."""
        (found,) = self._numbers(f"SELECT coalesce({_quoted(self.run.class_column)}, -1) FROM rows")
        return found

    def _values_in_order(self, stored: str) -> _Ordered:
        with self._lock:
            if stored not in self._ordered:
                if len(self._ordered) == 8:  # 5 MB each for a million rows
                    self._ordered.pop(next(iter(self._ordered)))
                name = _quoted(stored)
                (found,) = self._numbers(f"SELECT {name} FROM rows WHERE {name} IS NOT NULL")
                self._ordered[stored] = np.sort(found)
            return self._ordered[stored]

    def _put_ranks(self, rows: Sequence[Row], column: str) -> None:
        ordered = self._values_in_order(self.run.stored_column(column))
        for row in rows:
            if (value := row[column]) is not None:
                row[column] = float(rank_among(ordered, np.array([value], ordered.dtype))[0])

    def _conditions(self, order: Order, where: Filter, key: str) -> tuple[list[str], list[Any]]:
        """SQL conditions and their parameters."""
        predicted = _quoted(f"prediction@{self.stage(order.by)}")
        sign = {"right": "=", "wrong": "<>"}
        low, high = self._bounds(order.by, where.low, where.high)
        asked: list[tuple[str, list[Any]] | None] = [
            None if where.label is None else ("label = ?", [where.label]),
            None if where.predicted is None else (f"{predicted} = ?", [where.predicted]),
            None if where.judged is None else (f"label {sign[where.judged]} {predicted}", []),
            None if low is None else (f"{key} >= ?", [low]),
            None if high is None else (f"{key} <= ?", [high]),
            None if not where.text else ("contains(id, ?)", [where.text]),
            None if where.ids is None else ("id IN (SELECT unnest(?))", [list(where.ids)]),
            ("id NOT IN (SELECT unnest(?))", [list(where.without)]) if where.without else None,
            ("problem IS NOT NULL", []) if where.problem else None,
        ]
        chosen = [one for one in asked if one is not None]
        return [sql for sql, _ in chosen], [value for _, values in chosen for value in values]

    def _bounds(
        self, column: str, low: float | None, high: float | None
    ) -> tuple[float | None, float | None]:
        """Bounds of the value that `_key` gives; of a rank, those of the score behind it."""
        if low is None and high is None:
            return None, None
        stored = self.run.stored_column(column)
        if pa.types.is_string(self.run.schema.field(stored).type):
            raise ResultError(f"{column!r} is text, so no range of numbers can be asked of it.")
        if not column.endswith(":rank"):
            return low, high
        ordered = self._values_in_order(stored)
        ranks = rank_among(ordered, ordered)
        inside = ordered[(ranks >= (low or 0)) & (ranks <= (1 if high is None else high))]
        return (float(inside[0]), float(inside[-1])) if len(inside) else (1.0, 0.0)

    def _rows(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with _reading(), self._connection.cursor() as cursor:
            return cursor.execute(sql, values).fetchall()

    def _dicts(self, sql: str, values: list[Any]) -> list[Row]:
        with _reading(), self._connection.cursor() as cursor:
            found = cursor.execute(sql, values)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def _numbers(self, sql: str) -> list[np.ndarray]:
        with _reading(), self._connection.cursor() as cursor:
            found = cursor.execute(sql).fetchnumpy().values()
            return [np.ma.filled(one, np.nan) if np.ma.isMA(one) else one for one in found]


def use_system_memory() -> None:
    """From now on Arrow takes memory from the C library, and keeps none of its own."""
    pa.set_memory_pool(pa.system_memory_pool())


@contextmanager
def _reading() -> Iterator[None]:
    """What goes wrong says that the parts are not what they were when the run was opened.

    Rows are still being read while they are fetched, so this goes around both.
    """
    try:
        yield
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        known = (OSError, pa.ArrowException, duckdb.IOException, duckdb.InvalidInputException)
        # A damaged page is of no kind; whatever else DuckDB says is a bug of ours.
        if not isinstance(error, known) and type(error) is not duckdb.Error:
            raise
        raise ResultError(
            f"the rows of the run cannot be read: {str(error).splitlines()[0]} "
            f"If it was scored again in the meantime, open it again."
        ) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
