"""Pages of sorted and filtered rows, fast enough to click through a million rows."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from vog.errors import ResultError
from vog.result.derived_columns import rank_among
from vog.result.sql import Row, RunTables, quoted


@dataclass(frozen=True)
class RowFilter:
    """Conditions on rows; a field that is None or empty sets no condition.

    Attributes:
        label: the class of the rows.
        predicted: the class that the last checkpoint of the stage predicts.
        judged: whether the predicted class is the label.
        low: the smallest value of the sort column.
        high: the largest value of the sort column.
        text: a part of the id, case-sensitive.
        ids: only rows with these ids.
        without: no rows with these ids.
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
class RowOrder:
    """The sort column, stored or derived, and the direction; rows without a value come last."""

    by: str
    descending: bool


@dataclass(frozen=True)
class RowPage:
    """One page of rows, and the number of rows on all pages.

    Attributes:
        rows: each with `index`, `id`, `label`, `prediction`, `problem` and the requested columns.
        total: the number of rows that pass the filter.
    """

    rows: tuple[Row, ...]
    total: int


@dataclass(frozen=True)
class RowPages:
    """Returns pages of rows, and the neighbours of a row. Several threads may use it at once."""

    source: RunTables

    def page(
        self,
        order: RowOrder,
        where: RowFilter,
        start: int = 0,
        count: int = 48,
        extra: Sequence[str] = (),
    ) -> RowPage:
        """Return `count` rows from position `start`, with the sort column and `extra` columns.

        Raises:
            ResultError: a column does not exist, or `low` or `high` is set for a text column.
        """
        key, joins = self.source.column_sql(order.by)
        conditions, values = self._criteria(order, where, key)
        direction = "DESC" if order.descending else "ASC"
        # Without a filter, sorting only the top rows is fastest. With one, the rows that pass are
        # stored, because they are counted too.
        materialization, total_sql = "NOT MATERIALIZED", str(self.source.run.rows)
        if conditions:
            materialization, total_sql = "MATERIALIZED", "(SELECT count(*) FROM hit)"
        total, indices, sort_values = self.source.query(
            f"WITH hit AS {materialization} (SELECT index, {key} AS key FROM rows {joins} "
            f"WHERE {' AND '.join(conditions) or 'true'}), "
            f"shown AS (SELECT index, key FROM hit ORDER BY key {direction} NULLS LAST, index "
            f"LIMIT {int(count)} OFFSET {int(start)}) "
            f"SELECT {total_sql}, list(index), list(key) FROM shown",
            values,
        )[0]
        rows = self.rows(
            indices or (), self.stage(order.by), [column for column in extra if column != order.by]
        )
        for row, value in zip(rows, sort_values or (), strict=True):
            row[order.by] = value
        if order.by.endswith(":rank"):
            self._replace_by_ranks(rows, order.by)
        return RowPage(rows, total)

    def rows(self, indices: Sequence[int], stage: str, columns: Sequence[str]) -> tuple[Row, ...]:
        """Return the rows with these numbers in this order, with stored or derived columns."""
        if not indices:
            return ()
        keys, joins = [], ""
        columns = list(dict.fromkeys(columns))
        for number, column in enumerate(columns):
            key, join = self.source.column_sql(column, f"standard_{number}")
            keys.append(f"{key} AS {quoted(column)}")
            joins += join
        predicted = f"prediction@{stage}"
        prediction = quoted(predicted) if predicted in self.source.run.columns else "NULL"
        expressions = [
            *("rows.index", "id", "label", "problem"),
            f"{prediction} AS prediction",
            *keys,
        ]
        rows = self.source.query_dicts(
            f"SELECT {', '.join(expressions)} FROM rows {joins} "
            f"WHERE index IN ({', '.join(str(int(index)) for index in indices)})",
            [],
        )
        for column in columns:
            if column.endswith(":rank"):
                self._replace_by_ranks(rows, column)
        by_index = {row["index"]: row for row in rows}
        return tuple(by_index[index] for index in indices if index in by_index)

    def neighbours(
        self, index: int, order: RowOrder, where: RowFilter, count: int = 3
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the numbers of the rows before and after a row, in each the nearest first."""
        key, joins = self.source.column_sql(order.by)
        conditions, values = self._criteria(order, where, key)
        key_rows = self.source.query(f"SELECT {key} FROM rows {joins} WHERE index = ?", [index])
        if not key_rows:
            return (), ()
        value = key_rows[0][0]
        after, before = (
            self._neighbours_one_way(
                (f"SELECT index, {key} AS key FROM rows {joins}", conditions, values),
                (value, index),
                descending=order.descending,
                forward=forward,
                count=count,
            )
            for forward in (True, False)
        )
        return before, after

    def stage(self, column: str) -> str:
        """Return the stage of a score column, or `all` for any other column."""
        stored, _, stage = column.partition(":")[0].partition("@")
        return stage if f"prediction@{stage}" in self.source.run.columns and stored else "all"

    def _neighbours_one_way(
        self,
        source: tuple[str, list[str], list[Any]],
        position: tuple[Any, int],
        descending: bool,
        forward: bool,
        count: int,
    ) -> tuple[int, ...]:
        """Return the rows after `position`, or before it; rows without a value come last."""
        select, conditions, values = source
        value, index = position
        sign, index_order = (">", "ASC") if forward else ("<", "DESC")
        if value is None:
            tied, extra = f"(key IS NULL AND index {sign} ?)", [index]
            beyond = tied if forward else f"(key IS NOT NULL OR {tied})"
        else:
            is_rising = descending != forward
            beyond = f"(key {'>' if is_rising else '<'} ? OR (key = ? AND index {sign} ?)"
            beyond += " OR key IS NULL)" if forward else ")"
            extra = [value, value, index]
        key_order = "DESC" if descending == forward else "ASC"
        nulls = "LAST" if forward else "FIRST"
        rows = self.source.query(
            f"WITH hit AS ({select} WHERE {' AND '.join(conditions) or 'true'}) "
            f"SELECT index FROM hit WHERE {beyond} "
            f"ORDER BY key {key_order} NULLS {nulls}, index {index_order} LIMIT {int(count)}",
            [*values, *extra],
        )
        return tuple(row[0] for row in rows)

    def _replace_by_ranks(self, rows: Sequence[Row], column: str) -> None:
        ordered = self.source.sorted_values(self.source.run.stored_column(column))
        for row in rows:
            if (value := row[column]) is not None:
                row[column] = float(rank_among(ordered, np.array([value], ordered.dtype))[0])

    def _criteria(self, order: RowOrder, where: RowFilter, key: str) -> tuple[list[str], list[Any]]:
        """Return the SQL conditions of a filter, and their parameters."""
        predicted = quoted(f"prediction@{self.stage(order.by)}")
        if (where.label, where.predicted, where.judged) != (None, None, None):
            self.source.run.require_classes("a choice of rows by class")
        sign = {"right": "=", "wrong": "<>"}
        low, high = self._bounds(order.by, where.low, where.high)
        conditions: list[tuple[str, list[Any]] | None] = [
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
        active = [condition for condition in conditions if condition is not None]
        return [sql for sql, _ in active], [value for _, values in active for value in values]

    def _bounds(
        self, column: str, low: float | None, high: float | None
    ) -> tuple[float | None, float | None]:
        """Return bounds for the SQL of the column; bounds of a rank become bounds of its score."""
        if low is None and high is None:
            return None, None
        stored = self.source.run.stored_column(column)
        if pa.types.is_string(self.source.run.schema.field(stored).type):
            raise ResultError(f"{column!r} is text, so it has no range of numbers to choose from.")
        if not column.endswith(":rank"):
            return low, high
        ordered = self.source.sorted_values(stored)
        places = range(len(ordered))

        def rank_at(place: int) -> float:
            return float(rank_among(ordered, ordered[place : place + 1])[0])

        first = 0 if low is None else bisect_left(places, low, key=rank_at)
        last = len(ordered) if high is None else bisect_right(places, high, key=rank_at)
        return (float(ordered[first]), float(ordered[last - 1])) if first < last else (1.0, 0.0)
