"""What the sources of tables share: columns by name, rows found by their number."""

from dataclasses import dataclass
from typing import Any

from vog.data.examples import Examples
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.tables.open_table import from_table
from vog.data.tables.show_rows import table_reader
from vog.data.tables.table_rows import Rows
from vog.errors import DataError, ResultError


@dataclass(frozen=True)
class TableSource(Source):
    """A source of rows with named columns. Subclasses define `opens` and `rows`."""

    uses_keys = True
    uses_root = True
    has_texts = True

    def rows(self, data: Any, options: OpenOptions) -> Rows:
        """Return the rows of the data.

        Raises:
            DataError: they cannot be read.
        """
        raise NotImplementedError

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the rows of the table as examples."""
        return from_table(self.rows(data, options), options)

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what reads rows: a picture, a text, or values by name."""
        try:
            rows = self.rows(data, OpenOptions(root=display.root))
        except DataError as error:
            raise ResultError(str(error)) from error
        return table_reader(rows, display)
