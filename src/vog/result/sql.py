"""The rows of a run as DuckDB sees them: every column, stored or derived, as SQL.

Nothing is indexed or copied beforehand: a question is a query over the Parquet parts. Only what a
derived column compares with is computed once, when that column is first asked for.
"""

import glob
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from vog.errors import ResultError
from vog.files.small_files import temporary_folder
from vog.result import part_checks
from vog.result.derived_columns import STANDARDS
from vog.result.row_errors import reading as reading
from vog.result.run import Run

# What queries may take before they go on on disk. A million rows in order take a third of it.
_MEMORY = "128MB"
Row = dict[str, Any]
_Ordered = Float[np.ndarray, "n"]


class RunTables:
    """The finished rows of a run. Several threads may ask at the same time."""

    def __init__(self, run: Run) -> None:
        """Look at these rows.

        Raises:
            ResultError: a part has vanished or is damaged; so for every question that is asked.
        """
        self.run = run
        # Removed at the end; by default it would be a folder .tmp wherever that was started.
        beside = str(temporary_folder())
        weakref.finalize(self, shutil.rmtree, beside, ignore_errors=True)
        self._connection = duckdb.connect(
            config={
                "memory_limit": _MEMORY,
                "temp_directory": beside,
                "autoinstall_known_extensions": "false",
            }
        )
        self._connection.execute("SET parquet_metadata_cache = true")
        # What a query has freed goes back to the system, and is not kept for the next.
        self._connection.execute("SET allocator_flush_threshold = '8MB'")
        self._connection.execute("SET allocator_bulk_deallocation_flush_threshold = '8MB'")
        # A folder called run[1] would else be a pattern, and that of run1.
        self._check()
        files = [glob.escape(str(part.path)) for part in run.listed_parts]
        with reading():
            self._connection.from_parquet(files).create_view("rows")
        self._lock = threading.Lock()
        self._standards: dict[str, str] = {}
        self._ordered: dict[str, _Ordered] = {}

    def prepare(self, may_go_on: Callable[[], bool]) -> None:
        """Find what derived columns compare with before they are asked for.

        Args:
            may_go_on: is asked before each; it may wait, and False ends it.
        """
        for score in self.run.score_columns:
            for derived in STANDARDS:
                if not may_go_on():
                    return
                self._standard(f"{score}:{derived}")

    def key(self, column: str, alias: str = "standard") -> tuple[str, str]:
        """The SQL of a column, and the join that it needs; ranks are as their score is."""
        stored = quoted(self.run.stored_column(column))
        derived = column.partition(":")[2]
        if derived not in STANDARDS:
            return stored, ""
        table = self._standard(column)
        value, spread = f"{stored}::DOUBLE", f"{alias}.spread"
        key = (
            f"CASE WHEN NOT isfinite({value}) THEN {value} WHEN {spread} > 0 "
            f"THEN ({value} - {alias}.centre) / {spread} ELSE 0 * {value} END"
        )
        of = f"coalesce({quoted(self.run.class_column)}, -1)"
        return key, f" LEFT JOIN {table} AS {alias} ON {of} = {alias}.class"

    def _standard(self, column: str) -> str:
        """The table of what each class is compared with, made when it is first asked for."""
        with self._lock:
            if column not in self._standards:
                stored, derived = self.run.stored_column(column), column.partition(":")[2]
                (values,) = self.numbers(f"SELECT {quoted(stored)} FROM rows")
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
        (found,) = self.numbers(f"SELECT coalesce({quoted(self.run.class_column)}, -1) FROM rows")
        return found

    def in_order(self, stored: str) -> _Ordered:
        """The values of a stored score from the smallest on; of the latest few it is kept."""
        with self._lock:
            if stored not in self._ordered:
                if len(self._ordered) == 8:  # 5 MB each for a million rows
                    self._ordered.pop(next(iter(self._ordered)))
                name = quoted(stored)
                (found,) = self.numbers(f"SELECT {name} FROM rows WHERE {name} IS NOT NULL")
                self._ordered[stored] = np.sort(found)
            return self._ordered[stored]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While entered, rows may be read: DuckDB itself checks nothing of what it reads."""
        with reading():
            self._check()
            yield

    def _check(self) -> None:
        try:
            part_checks.check_parts(self.run.folder, self.run.listed_parts)
        except ResultError as error:
            raise ResultError(
                f"the rows of the run cannot be read: {error} If it was scored again in the "
                f"meantime, open it again."
            ) from error

    def ask(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with self.reading(), self._connection.cursor() as cursor:
            return cursor.execute(sql, values).fetchall()

    def ask_dicts(self, sql: str, values: list[Any]) -> list[Row]:
        with self.reading(), self._connection.cursor() as cursor:
            found = cursor.execute(sql, values)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def numbers(self, sql: str) -> list[np.ndarray]:
        with self.reading(), self._connection.cursor() as cursor:
            found: Any = cursor.execute(sql).fetchnumpy().values()
            return [np.ma.filled(one, np.nan) if np.ma.isMA(one) else one for one in found]


def use_system_memory() -> None:
    """From now on Arrow takes memory from the C library, and keeps none of its own."""
    pa.set_memory_pool(pa.system_memory_pool())


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
