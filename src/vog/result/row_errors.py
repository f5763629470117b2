"""Clear messages for errors while rows are read, such as a damaged or missing part."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from vog.errors import ResultError
from vog.result.part_names import DamagedPartError


@contextmanager
def explain_read_errors(part: Path | None = None) -> Iterator[None]:
    """Turn errors of DuckDB, Arrow and the system into errors that name the run or the part.

    DuckDB still reads while rows are fetched, so the `with` block must contain query and fetch.

    Args:
        part: the part that is read, if it is only one.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ResultError(
            "there is not enough memory for this many queries at once. Repeat them one by one."
        ) from error
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        read_errors = (OSError, pa.ArrowException, duckdb.IOException, duckdb.InvalidInputException)
        # For a damaged page DuckDB raises its base class. Other DuckDB errors are bugs of ours.
        if not isinstance(error, read_errors) and type(error) is not duckdb.Error:
            raise
        if part is not None and getattr(error, "errno", None) is None:
            raise DamagedPartError(part, str(error).splitlines()[0]) from error
        raise ResultError(
            f"the rows of the run cannot be read: {str(error).splitlines()[0]} "
            f"If it was scored again in the meantime, open it again."
        ) from error
