"""Queries about single rows and classes of a run: values, ranks in each score, row numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vog.errors import ResultError, unknown
from vog.result.sql import Row, RunTables, quoted

_BATCH_ROWS = 2**16


@dataclass(frozen=True)
class ScorePlace:
    """Value and rank of an example in one score; all None if it has no value.

    Attributes:
        value: the score of the example.
        rank: its rank, from 0 (smallest) to 1 (largest).
        hardness: its rank, from 0 (easiest) to 1 (hardest).
    """

    value: float | None
    rank: float | None
    hardness: float | None


@dataclass(frozen=True)
class ClassSummary:
    """Size, error rate and mean score of one class.

    Attributes:
        label: the number of the class.
        rows: the number of rows with this label.
        error: the share of these rows that the last checkpoint misclassifies; None if unknown.
        mean: the mean score of the rows with a finite value; None if there are none.
    """

    label: int
    rows: int
    error: float | None
    mean: float | None


@dataclass(frozen=True)
class RowLookup:
    """Finds rows by number or id, and summarises classes."""

    source: RunTables

    def example(self, index: int) -> Row | None:
        """Return every stored column of one row; None if there is no such row."""
        rows = self.source.query_dicts("SELECT * FROM rows WHERE index = ?", [index])
        return rows[0] if rows else None

    def id_of(self, index: int) -> str | None:
        """Return the id of one row; None if there is no such row."""
        rows = self.source.query("SELECT id FROM rows WHERE index = ?", [index])
        return rows[0][0] if rows else None

    def places(self, example: Row) -> dict[str, ScorePlace]:
        """Return by score column where a row from `example` ranks among all rows."""
        columns = self.source.run.score_columns
        # A sum of comparisons is ten times as fast as a count with a FILTER.
        count_sql = ", ".join(
            f"sum(({name} < ?)::INT), sum(({name} = ?)::INT), count({name})"
            for name in map(quoted, columns)
        )
        values = [example[name] for name in columns for _ in range(2)]
        counts = iter(self.source.query(f"SELECT {count_sql} FROM rows", values)[0])
        places: dict[str, ScorePlace] = {}
        for name in columns:
            below, equal, count = next(counts), next(counts), next(counts)
            value = example[name]
            if value is None:
                places[name] = ScorePlace(None, None, None)
                continue
            rank = (below + (equal - 1) / 2) / max(1, count - 1)
            hardness = rank if self.source.run.higher_is_harder(name) else 1 - rank
            places[name] = ScorePlace(float(value), float(rank), float(hardness))
        return places

    def labels(self) -> list[int]:
        """Return the classes that have rows, in order."""
        if not self.source.run.has_classes:
            return []
        rows = self.source.query(
            "SELECT DISTINCT label FROM rows WHERE label IS NOT NULL ORDER BY 1", []
        )
        return [row[0] for row in rows]

    def predicted(self) -> list[int]:
        """Return the classes that the last checkpoint predicts, in order."""
        if "prediction@all" not in self.source.run.columns:
            return []
        name = quoted("prediction@all")
        rows = self.source.query(f"SELECT DISTINCT {name} FROM rows WHERE {name} IS NOT NULL", [])
        return sorted(row[0] for row in rows)

    def classes(self, score: str) -> list[ClassSummary]:
        """Return a summary of each class by number, with the mean of a stored score.

        Raises:
            ResultError: the score does not exist.
        """
        if score not in self.source.run.score_columns:
            raise ResultError(
                f"{score!r} is no score.{unknown(score, self.source.run.score_columns)}"
            )
        if not self.source.run.has_classes:
            return []
        name, predicted = quoted(score), quoted("prediction@all")
        wrong = (
            f"avg((label <> {predicted})::INT)"
            if "prediction@all" in self.source.run.columns
            else "NULL"
        )
        mean = f"avg({name}) FILTER (isfinite({name}))"
        rows = self.source.query(
            f"SELECT label, count(*), {wrong}, {mean} FROM rows WHERE label IS NOT NULL "
            f"GROUP BY 1 ORDER BY 1",
            [],
        )
        return [ClassSummary(*row) for row in rows]

    def index_of(self, id: str) -> int | None:
        """Return the row number of an id; None if there is no such id."""
        return self.indices_of([id]).get(id)

    def indices_of(self, ids: Sequence[str]) -> dict[str, int]:
        """Return row numbers by id; ids that are not in the run are left out."""
        query = "SELECT id, index FROM rows WHERE id IN (SELECT unnest(?))"
        return dict(self.source.query(query, [list(ids)])) if ids else {}

    def id_with_line_break(self) -> str | None:
        """Return the first id that `str.splitlines` would split; None if there is none."""
        rows = self.source.query(
            "SELECT id FROM rows WHERE regexp_matches(id, ?) ORDER BY index LIMIT 1",
            ["[\n\v\f\r\x1c\x1d\x1e\u0085\u2028\u2029]"],
        )
        return rows[0][0] if rows else None

    def ids_and_labels(self) -> Iterator[list[tuple[str, int | None]]]:
        """Yield id and label of every row in batches, in the order of the data.

        Raises:
            ResultError: labels are not classes.
        """
        self.source.run.require_classes("a list of files with labels")
        with self.source.reading():
            table = self.source.run.table(["id", "label"])
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            ids, labels = (batch.column(name).to_pylist() for name in ("id", "label"))
            yield list(zip(ids, labels, strict=True))
