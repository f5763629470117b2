"""What is asked of single rows and classes of a run: values, places in each score, numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vog.errors import ResultError, unknown
from vog.result.sql import Row, RunTables, quoted

_AT_A_TIME = 2**16


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


@dataclass(frozen=True)
class Lookup:
    """Finds rows by their number or id, and counts classes."""

    source: RunTables

    def example(self, index: int) -> Row | None:
        """Every stored column of one row, or None where there is no such row."""
        found = self.source.ask_dicts("SELECT * FROM rows WHERE index = ?", [index])
        return found[0] if found else None

    def id_of(self, index: int) -> str | None:
        """The id of one row, or None where there is no such row."""
        found = self.source.ask("SELECT id FROM rows WHERE index = ?", [index])
        return found[0][0] if found else None

    def places(self, example: Row) -> dict[str, Place]:
        """By score column, where a row that `example` gave stands among all of them."""
        columns = self.source.run.score_columns
        # Sums of comparisons: counts with a FILTER take ten times as long.
        counts = ", ".join(
            f"sum(({name} < ?)::INT), sum(({name} = ?)::INT), count({name})"
            for name in map(quoted, columns)
        )
        values = [example[name] for name in columns for _ in range(2)]
        found = iter(self.source.ask(f"SELECT {counts} FROM rows", values)[0])
        places: dict[str, Place] = {}
        for name in columns:
            below, equal, known = next(found), next(found), next(found)
            value = example[name]
            if value is None:
                places[name] = Place(None, None, None)
                continue
            rank = (below + (equal - 1) / 2) / max(1, known - 1)
            hard = rank if self.source.run.hard_is_high(name) else 1 - rank
            places[name] = Place(float(value), float(rank), float(hard))
        return places

    def labels(self) -> list[int]:
        """The classes that have rows."""
        found = self.source.ask(
            "SELECT DISTINCT label FROM rows WHERE label IS NOT NULL ORDER BY 1", []
        )
        return [row[0] for row in found]

    def predicted(self) -> list[int]:
        """The classes that the last checkpoint predicts."""
        if "prediction@all" not in self.source.run.columns:
            return []
        name = quoted("prediction@all")
        found = self.source.ask(f"SELECT DISTINCT {name} FROM rows WHERE {name} IS NOT NULL", [])
        return sorted(row[0] for row in found)

    def classes(self, score: str) -> list[Class]:
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
        found = self.source.ask(
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
        return dict(self.source.ask(asked, [list(ids)])) if ids else {}

    def id_with_line_break(self) -> str | None:
        """The first of them; None where each id is one line, as `str.splitlines` sees it."""
        found = self.source.ask(
            "SELECT id FROM rows WHERE regexp_matches(id, ?) ORDER BY index LIMIT 1",
            ["[\n\v\f\r\x1c\x1d\x1e\u0085\u2028\u2029]"],
        )
        return found[0][0] if found else None

    def ids_and_labels(self) -> Iterator[list[tuple[str, int | None]]]:
        """Id and label of every row, in the order of the data, some thousand at a time."""
        with self.source.reading():
            table = self.source.run.table(["id", "label"])
        for batch in table.to_batches(max_chunksize=_AT_A_TIME):
            ids, labels = (batch.column(name).to_pylist() for name in ("id", "label"))
            yield list(zip(ids, labels, strict=True))
