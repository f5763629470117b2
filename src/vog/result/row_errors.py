"""What goes wrong while rows are read, in words: a part that is damaged, or is no longer there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from vog.errors import ResultError
from vog.result.part_names import DamagedPartError


@contextmanager
def explain_read_errors(part: Path | None = None) -> Iterator[None]:
    """What goes wrong says that the parts are not what they were when the run was opened.

    Rows are still being read while they are fetched, so this goes around both.

    Args:
        part: that is read, where it is one alone.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ResultError(
            "there is not enough memory for so many questions at once. Ask again, one at a time."
        ) from error
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        read_errors = (OSError, pa.ArrowException, duckdb.IOException, duckdb.InvalidInputException)
        # A damaged page is of no kind; whatever else DuckDB says is a bug of ours.
        if not isinstance(error, read_errors) and type(error) is not duckdb.Error:
            raise
        if part is not None and getattr(error, "errno", None) is None:
            raise DamagedPartError(part, str(error).splitlines()[0]) from error
        raise ResultError(
            f"the rows of the run cannot be read: {str(error).splitlines()[0]} "
            f"If it was scored again in the meantime, open it again."
        ) from error
