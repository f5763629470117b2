"""What is asked of single rows and classes of a run: values, places in each score, numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vog.errors import ResultError, unknown
from vog.result.sql import Row, RunTables, quoted

_BATCH_ROWS = 2**16


@dataclass(frozen=True)
class ScorePlace:
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
class ClassSummary:
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


@dataclass(frozen=True)
class RowLookup:
    """Finds rows by their number or id, and counts classes."""

    source: RunTables

    def example(self, index: int) -> Row | None:
        """Every stored column of one row, or None where there is no such row."""
        rows = self.source.query_dicts("SELECT * FROM rows WHERE index = ?", [index])
        return rows[0] if rows else None

    def id_of(self, index: int) -> str | None:
        """The id of one row, or None where there is no such row."""
        rows = self.source.query("SELECT id FROM rows WHERE index = ?", [index])
        return rows[0][0] if rows else None

    def places(self, example: Row) -> dict[str, ScorePlace]:
        """By score column, where a row that `example` gave stands among all of them."""
        columns = self.source.run.score_columns
        # Sums of comparisons: counts with a FILTER take ten times as long.
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
            hardness = rank if self.source.run.hard_is_high(name) else 1 - rank
            places[name] = ScorePlace(float(value), float(rank), float(hardness))
        return places

    def labels(self) -> list[int]:
        """The classes that have rows."""
        rows = self.source.query(
            "SELECT DISTINCT label FROM rows WHERE label IS NOT NULL ORDER BY 1", []
        )
        return [row[0] for row in rows]

    def predicted(self) -> list[int]:
        """The classes that the last checkpoint predicts."""
        if "prediction@all" not in self.source.run.columns:
            return []
        name = quoted("prediction@all")
        rows = self.source.query(f"SELECT DISTINCT {name} FROM rows WHERE {name} IS NOT NULL", [])
        return sorted(row[0] for row in rows)

    def classes(self, score: str) -> list[ClassSummary]:
        """The classes in the order of their numbers, with the mean of a stored score.

        Raises:
            ResultError: there is no such score.
        """
        if score not in self.source.run.score_columns:
            raise ResultError(
                f"{score!r} is no score.{unknown(score, self.source.run.score_columns)}"
            )
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
        """The row of an id; None where there is none."""
        return self.indices_of([id]).get(id)

    def indices_of(self, ids: Sequence[str]) -> dict[str, int]:
        """By id, its row; those that are none of ours are left out."""
        query = "SELECT id, index FROM rows WHERE id IN (SELECT unnest(?))"
        return dict(self.source.query(query, [list(ids)])) if ids else {}

    def id_with_line_break(self) -> str | None:
        """The first of them; None where each id is one line, as `str.splitlines` sees it."""
        rows = self.source.query(
            "SELECT id FROM rows WHERE regexp_matches(id, ?) ORDER BY index LIMIT 1",
            ["[\n\v\f\r\x1c\x1d\x1e\u0085\u2028\u2029]"],
        )
        return rows[0][0] if rows else None

    def ids_and_labels(self) -> Iterator[list[tuple[str, int | None]]]:
        """Id and label of every row, in the order of the data, some thousand at a time."""
        with self.source.reading():
            table = self.source.run.table(["id", "label"])
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            ids, labels = (batch.column(name).to_pylist() for name in ("id", "label"))
            yield list(zip(ids, labels, strict=True))
