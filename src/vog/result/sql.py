"""SQL queries over the rows of a run by DuckDB, for stored and derived columns.

Nothing is indexed or copied beforehand: each query reads the Parquet parts. Only the statistics of
a derived column, such as the mean of each class, are computed once, when it is first used.
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
from vog.result.derived_columns import BY_LENGTH, CLASS_STATISTICS
from vog.result.row_errors import explain_read_errors as explain_read_errors
from vog.result.rows import LENGTH
from vog.result.run import Run

# Memory for queries before DuckDB uses the disk. Sorting a million rows takes a third of it.
_MEMORY = "128MB"
Row = dict[str, Any]
_SortedValues = Float[np.ndarray, "n"]


class RunTables:
    """The finished rows of a run as SQL tables. Several threads may query them at once."""

    def __init__(self, run: Run) -> None:
        """Open the rows of a run.

        Raises:
            ResultError: a part has vanished or is damaged; every query checks this again.
        """
        self.run = run
        # DuckDB's default is a folder .tmp in the working directory.
        temporary_path = str(temporary_folder())
        weakref.finalize(self, shutil.rmtree, temporary_path, ignore_errors=True)
        self._connection = duckdb.connect(
            config={
                "memory_limit": _MEMORY,
                "temp_directory": temporary_path,
                "autoinstall_known_extensions": "false",
            }
        )
        self._connection.execute("SET parquet_metadata_cache = true")
        # Return freed memory to the system after each query.
        self._connection.execute("SET allocator_flush_threshold = '8MB'")
        self._connection.execute("SET allocator_bulk_deallocation_flush_threshold = '8MB'")
        self._check_parts()
        # Unescaped, a folder called run[1] would be a pattern that matches run1.
        files = [glob.escape(str(part.path)) for part in run.listed_parts]
        with explain_read_errors():
            self._connection.from_parquet(files).create_view("rows")
        self._lock = threading.Lock()
        self._statistics_tables: dict[str, str] = {}
        self._sorted_columns: dict[str, _SortedValues] = {}

    def prepare(self, should_continue: Callable[[], bool]) -> None:
        """Compute the statistics of all derived columns before they are needed.

        Args:
            should_continue: called before each column; it may wait, and False stops the loop.
        """
        for score in self.run.score_columns:
            for derived in CLASS_STATISTICS.keys() & set(self.run.derived):
                if not should_continue():
                    return
                self._statistics_table(f"{score}:{derived}")

    def column_sql(self, column: str, alias: str = "standard") -> tuple[str, str]:
        """Return the SQL of a column and the join it needs; for a rank, those of its score."""
        stored = quoted(self.run.stored_column(column))
        derived = column.partition(":")[2]
        if derived not in CLASS_STATISTICS:
            return stored, ""
        table = self._statistics_table(column)
        value, spread = f"{stored}::DOUBLE", f"{alias}.spread"
        key = (
            f"CASE WHEN NOT isfinite({value}) THEN {value} WHEN {spread} > 0 "
            f"THEN ({value} - {alias}.centre) / {spread} ELSE 0 * {value} END"
        )
        group_column = self.run.group_column(derived)
        assert group_column is not None, "`stored_column` refuses these without classes"
        class_sql = f"coalesce({quoted(group_column)}, -1)"
        return key, f" LEFT JOIN {table} AS {alias} ON {class_sql} = {alias}.class"

    def _statistics_table(self, column: str) -> str:
        """Return the name of the table of class statistics, which the first call creates."""
        with self._lock:
            if column not in self._statistics_tables:
                stored, derived = self.run.stored_column(column), column.partition(":")[2]
                (values,) = self.arrays(f"SELECT {quoted(stored)} FROM rows")
                groups = self._lengths if derived == BY_LENGTH else self._classes
                statistics = CLASS_STATISTICS[derived](values, groups)
                classes = np.arange(len(statistics.centre)) + statistics.first
                table = pa.table(
                    {"class": classes, "centre": statistics.centre, "spread": statistics.spread}
                )
                name = f"standard_of_{len(self._statistics_tables)}"
                self._connection.from_arrow(table).create(name)
                self._statistics_tables[column] = name
            return self._statistics_tables[column]

    @cached_property
    def _classes(self) -> Int[np.ndarray, "n"]:
        """The class by which each row is standardised, in the order of the parts."""
        (labels,) = self.arrays(f"SELECT coalesce({quoted(self.run.class_column)}, -1) FROM rows")
        return labels

    @cached_property
    def _lengths(self) -> Int[np.ndarray, "n"]:
        """The length of each row, in the order of the parts."""
        (lengths,) = self.arrays(f"SELECT coalesce({LENGTH}, -1) FROM rows")
        return lengths

    def sorted_values(self, stored: str) -> _SortedValues:
        """Return the values of a stored score in ascending order; the last 8 scores are cached."""
        with self._lock:
            if stored not in self._sorted_columns:
                if len(self._sorted_columns) == 8:  # 5 MB each for a million rows
                    self._sorted_columns.pop(next(iter(self._sorted_columns)))
                name = quoted(stored)
                (values,) = self.arrays(f"SELECT {name} FROM rows WHERE {name} IS NOT NULL")
                self._sorted_columns[stored] = np.sort(values)
            return self._sorted_columns[stored]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Check the parts before rows are read in a `with` block: DuckDB does not verify them."""
        with explain_read_errors():
            self._check_parts()
            yield

    def _check_parts(self) -> None:
        try:
            part_checks.check_parts(self.run.folder, self.run.listed_parts)
        except ResultError as error:
            raise ResultError(
                f"the rows of the run cannot be read: {error} If it was scored again in the "
                f"meantime, open it again."
            ) from error

    def query(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with self.reading(), self._connection.cursor() as cursor:
            return cursor.execute(sql, values).fetchall()

    def query_dicts(self, sql: str, values: list[Any]) -> list[Row]:
        with self.reading(), self._connection.cursor() as cursor:
            result = cursor.execute(sql, values)
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def arrays(self, sql: str) -> list[np.ndarray]:
        with self.reading(), self._connection.cursor() as cursor:
            arrays: Any = cursor.execute(sql).fetchnumpy().values()
            return [np.ma.filled(array, np.nan) if np.ma.isMA(array) else array for array in arrays]


def use_system_memory() -> None:
    """Let Arrow allocate with the C library, which returns freed memory to the system."""
    pa.set_memory_pool(pa.system_memory_pool())


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
