"""Reading a run folder: tables of its rows, the hardest rows, and exports."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from vog.errors import ResultError, first_few, unknown
from vog.files.output_paths import output_path
from vog.files.writing import safe_table, write_whole
from vog.former_names import FormerAttribute
from vog.result import part_checks, part_digests
from vog.result import question as questions
from vog.result.class_names import find_labels, main_name
from vog.result.derived_columns import (
    BY_LENGTH,
    CLASS_STATISTICS,
    DERIVED,
    length_z_score,
    rank,
)
from vog.result.part_names import DamagedPartError, Part, gaps, list_parts
from vog.result.part_sink import write_table
from vog.result.repair import seconds_in
from vog.result.row_errors import explain_read_errors
from vog.result.row_table import RowTable
from vog.result.rows import FEATURES, LENGTH, is_half, is_list, probabilities_column
from vog.result.text_tables import write_text_table
from vog.wording import command, option, same_again

# Their columns of labels are empty, or lists of tags.
_TASKS_WITHOUT_CLASSES = ("multi-label", "regression", "tokens", "next-token")
FORMATS = ("csv", "parquet", "jsonl")


@dataclass(frozen=True, repr=False)
class Run:
    """The rows of a run folder, and the question that they answer."""

    folder: Path
    question: dict[str, Any]

    hard_is_high = FormerAttribute("higher_is_harder")
    named = FormerAttribute("with_label_names")
    numbers = FormerAttribute("values")

    def __repr__(self) -> str:
        """Return the folder, and how many rows of how many checkpoints it holds, in one line."""
        checkpoints = len(self.question.get("checkpoints", []))
        examples = int(self.question["data"]["examples"])
        return f"<vog.Run {str(self.folder)!r}: {examples:,} examples, {checkpoints} checkpoints>"

    @cached_property
    def listed_parts(self) -> list[Part]:
        """The parts according to their names, unchecked; see `checked_parts`."""
        parts = list_parts(self.folder)
        if not parts:
            raise ResultError(
                f"{self.folder} has no finished rows yet. {same_again('score')} to continue."
            )
        rows = int(self.question["data"]["examples"])
        if parts[-1].stop > rows:
            raise DamagedPartError(parts[-1].path, f"it holds rows beyond the {rows:,} of the run")
        return parts

    def checked_parts(self) -> list[Part]:
        """Return the parts after checking that none is damaged; all readers use these.

        Raises:
            ResultError: a part is damaged, of another run, or has changed since the run was opened.
        """
        part_checks.check_parts(self.folder, self.listed_parts)
        return self.listed_parts

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of the stored columns; the metadata of a score says what it means."""
        first = self.listed_parts[0]
        part_checks.check_parts(self.folder, [first])
        with explain_read_errors(first.path):
            return pq.read_schema(first.path).remove_metadata()

    @property
    def columns(self) -> list[str]:
        """The stored columns. After a score, `:class`, `:robust` or `:rank` gives a derived column.

        A run of texts has the column `length`, and after a score also `:length`.

        There may also be `probabilities@STAGE` and `features`, lists that are only returned if
        named.
        """
        return [n for n in self.schema.names if not (is_half(n) or is_list(n))]

    @property
    def score_columns(self) -> list[str]:
        """The stored scores, `SCORE@STAGE`, without columns that are views of a score."""
        return [
            name for name in self.ranked_columns if b"of" not in self.schema.field(name).metadata
        ]

    @cached_property
    def ranked_columns(self) -> list[str]:
        """The columns for which the hard end is known: scores, and views of scores."""
        return [field.name for field in self.schema if b"higher_means" in (field.metadata or {})]

    @property
    def part_files(self) -> list[Path]:
        """The files of the finished rows, in the order of the run.

        Raises:
            ResultError: a file is damaged, or has changed since the run was opened.
        """
        return [part.path for part in self.checked_parts()]

    @property
    def part_names(self) -> list[str]:
        """The names of these files; none is read."""
        return [part.path.name for part in self.listed_parts]

    @property
    def seconds(self) -> float:
        """The seconds that the finished rows took to compute, over all calls together."""
        digests = part_digests.load_digests(self.folder).parts
        return sum(
            digests[part.path.name].seconds if part.path.name in digests else seconds_in(part.path)
            for part in self.checked_parts()
        )

    @property
    def stages(self) -> list[str]:
        """The stages in the order of the columns; `all` is always among them."""
        return list(dict.fromkeys(name.partition("@")[2] for name in self.score_columns))

    @property
    def rows(self) -> int:
        """The number of finished rows."""
        return sum(part.stop - part.start for part in self.listed_parts)

    @property
    def missing_rows(self) -> int:
        """The number of missing rows; the same `vog score` command computes them."""
        return sum(map(len, gaps(self.listed_parts, int(self.question["data"]["examples"]))))

    def require_row_numbers(self) -> None:
        """Raise ResultError unless row numbers of the run are row numbers of the data.

        Raises:
            ResultError: the run was combined from runs that share only a part of their rows.
        """
        data = self.question["data"]
        if data.get("part", False) and "limit" not in self.question and "fold" not in data:
            raise ResultError(
                f"{self.folder} has only a part of the rows of its data, so its row numbers are "
                f"not those of the data. Use the ids: {option('form', 'ids', flag='--as')}, a "
                f"dataset with ids, or a key."
            )

    def require_every_row(self) -> None:
        """Raise ResultError unless the run has every row of the data, in the same order.

        Raises:
            ResultError: the run has only a part of the rows of its data.
        """
        self.require_row_numbers()
        if limit := self.question.get("limit"):
            raise ResultError(
                f"{self.folder} has {limit:,} rows of its data, a sample by {option('limit')}, and "
                f"this needs a value for every row. Use {command('score')} in the same way without "
                f"{option('limit')}: it adds the missing rows. Or match the rows by their ids."
            )
        if "fold" in self.question["data"]:
            raise ResultError(
                f"{self.folder} has the rows of one fold, and this needs a value for every row. "
                f"Combine the folds (`vog combine --folds`, `vog.combine_folds`), or use the ids."
            )

    @property
    def out_of_sample(self) -> bool:
        """True if each row was scored by checkpoints that were trained without it."""
        return bool(self.question.get("out_of_sample"))

    @property
    def task(self) -> str:
        """The name of the task, such as `classification` or `regression`."""
        return self.question.get("task", "classification")

    @property
    def has_classes(self) -> bool:
        """True if the label of a row is the number of one class."""
        is_number = pa.types.is_integer(self.schema.field("label").type)
        return is_number and self.task not in _TASKS_WITHOUT_CLASSES

    def require_classes(self, subject: str) -> None:
        """Raise ResultError unless labels are classes.

        Args:
            subject: what needs classes, as the subject of a sentence.

        Raises:
            ResultError: the task of the run has no classes.
        """
        if not self.has_classes:
            raise ResultError(
                f"{subject} exists for classification alone, and {self.folder} is of the task "
                f"{self.task}. Use its scores: {command('top')}."
            )

    @property
    def class_labels(self) -> Int[np.ndarray, "n"]:
        """The class of each row, -1 if it has none; -1 for all rows of a task without classes."""
        if not self.has_classes:
            return np.full(self.rows, -1)
        return self.table(["label"]).column(0).fill_null(-1).to_numpy()

    @property
    def label_names(self) -> list[str] | None:
        """The names of the classes by number; None if the data have none."""
        return self.question["data"].get("label_names")

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows in the order of the data, as Arrow (such as for `.to_pandas()`).

        Args:
            columns: stored or derived columns; by default all of `columns`.

        Raises:
            ResultError: a column does not exist.
        """
        names = list(self.columns if columns is None else columns)
        stored = list(dict.fromkeys(self.stored_column(name) for name in names))
        groups = [self.group_column(name.partition(":")[2]) for name in names if ":" in name]
        raw = self._read(list(dict.fromkeys([*stored, *filter(None, groups)])))
        return pa.table([self._derive(raw, name) for name in names], schema=self._schema(names))

    def _read(self, stored: list[str]) -> pa.Table:
        """Return stored columns of all rows, in the order of the data."""
        is_sample = questions.is_sample(self.question)
        names = list(dict.fromkeys([*stored, "index"])) if is_sample else stored
        read: list[pa.Table] = []
        for path in self.part_files:
            with explain_read_errors(path):
                read.append(pq.read_table(path, columns=names))
        with explain_read_errors():
            raw = pa.concat_tables(read)
        if not is_sample:
            return raw
        return raw.take(np.argsort(raw["index"].to_numpy(), kind="stable")).select(stored)

    @cached_property
    def numeric_names(self) -> dict[str, list[int]]:
        """Maps each class name or synonym that is a number, such as "7", to the classes with it."""
        names = self.label_names or []
        words = {word.strip() for name in names for word in (name, *name.split(","))}
        return {word: find_labels(word, names) for word in words if word.isdecimal()}

    def values(self, column: str) -> Float[np.ndarray, "n"]:
        """Return a stored or derived score as float64; NaN if a row has none.

        Raises:
            ResultError: the column does not exist.
        """
        return self.table([column]).column(0).to_numpy().astype(np.float64)

    def probabilities(self, stage: str = "all") -> Float[np.ndarray, "n classes"] | None:
        """Return the class probabilities by the last checkpoint of a stage, as float16.

        A row without them is NaN. None if not stored; see `vog score --keep-probabilities`.
        """
        return self._lists(probabilities_column(stage))

    def features(self) -> Float[np.ndarray, "n columns"] | None:
        """Return the projected input of the last layer under the last checkpoint, as float16.

        A row without it is NaN. None if not stored; see `vog.score`.
        """
        return self._lists(FEATURES)

    def _lists(self, name: str) -> Float[np.ndarray, "n values"] | None:
        """Return a stored column of lists, with NaN for null; None if there is no such column."""
        if name not in self.schema.names:
            return None
        lists = self.table([name]).column(0).combine_chunks()
        flat = lists.values.to_numpy(zero_copy_only=False)  # a null list is of nulls
        values = flat.reshape(len(lists), -1).copy()
        values[~lists.is_valid().to_numpy(zero_copy_only=False)] = np.nan
        return values

    def hardness(self, column: str) -> Float[np.ndarray, "n"]:
        """Return the rank of a score in [0, 1], where 1 is the hardest; NaN if a row has none.

        Raises:
            ResultError: the column does not exist.
        """
        ranks = rank(self.values(column))
        return ranks if self.higher_is_harder(column) else 1 - ranks

    def top(
        self,
        count: int = 25,
        by: str | None = None,
        label: str | int | None = None,
        easiest: bool = False,
    ) -> RowTable:
        """Return the hardest examples: index, id, label, last prediction, and `by`.

        Args:
            count: the largest number of rows.
            by: the column to sort by; default `default_column`. Each score knows its hard end:
                small values of `aum` are hard, and large values of `vog`.
            label: only examples of this class, by name or number.
            easiest: return the easiest examples instead.

        Raises:
            ResultError: the column or the class does not exist.
        """
        by = self.sort_column(by)
        stage = self.score_column(by).partition("@")[2] or "all"
        names = ["index", "id", "label", "label_name", f"prediction@{stage}", LENGTH, by, "problem"]
        table = self.table(list(dict.fromkeys(name for name in names if self._has(name))))
        if label is not None:
            self.require_classes(option("label"))
            table = table.filter(pc.field("label") == self.label_number(label))
        table = table.filter(pc.field(by).is_valid())
        order = "ascending" if self.higher_is_harder(by) == easiest else "descending"
        return RowTable(table.sort_by([(by, order), ("index", "ascending")]).slice(0, count))

    def higher_is_harder(self, column: str) -> bool:
        """Return whether large values of a stored or derived column are hard."""
        metadata = self.schema.field(self.stored_column(column)).metadata or {}
        return metadata.get(b"higher_means", b"harder") == b"harder"

    @cached_property
    def default_column(self) -> str:
        """The default sort column: VoG within the class, or the first score if there is no VoG.

        If most examples are alone in their class, where they would get 0, it is the raw VoG. For a
        combined run it is the mean z-score or mean rank: large gradients would dominate mean VoG.
        """
        scores = self.score_columns
        of_all = [name for name in scores if name.endswith("@all")]
        if "vog@all" not in of_all:
            return of_all[0]
        alone = self._mostly_alone
        if "combined" in self.question:
            return "vog_rank@all" if alone else "vog_z@all"
        return "vog@all" if alone else "vog@all:class"

    def sort_column(self, name: str | None) -> str:
        """Return the column that a user names to rank by; a bare score is that of all checkpoints.

        Args:
            name: a column, such as `vog@late:class`; or a score, such as `aum` for `aum@all`; or
                None for `default_column`.
        """
        if name is None:
            return self.default_column
        score, colon, derived = name.partition(":")
        of_all = f"{score}@all"
        is_short = score not in self.schema.names and of_all in self.schema.names
        return f"{of_all}{colon}{derived}" if is_short else name

    @property
    def _mostly_alone(self) -> bool:
        """True if more than half of the examples are the only one of their class, if any."""
        if not self.has_classes:
            return True
        counts = self.table([self.class_column]).column(0).value_counts()
        return 2 * int((counts.field("counts").to_numpy() == 1).sum()) > self.rows

    def problems(self) -> pa.Table:
        """Return the rows that could not be read or scored, and why."""
        table = self.table(["id", "problem"])
        return table.filter(pc.field("problem").is_valid())

    def export(
        self,
        path: str | Path,
        format: str | None = None,
        columns: Sequence[str] | None = None,
        safe_csv: bool = False,
    ) -> Path:
        """Write the rows to one file.

        Args:
            path: the file; it is replaced only when the new one is complete.
            format: csv, parquet or jsonl; by default the suffix of `path`.
            columns: as for `table`.
            safe_csv: write csv so that no spreadsheet runs texts as formulas.

        Raises:
            ResultError: the format is unknown, or the file cannot be written.
        """
        path = output_path(path)
        kind = format or path.suffix.lstrip(".").lower()
        if kind not in FORMATS:
            raise ResultError(
                f"the name of {path} does not say its format. "
                f"End it in .{', .'.join(FORMATS)}, or pass {option('format')}."
            )
        lists = [name for name in columns or () if is_list(name)]
        if lists and kind != "parquet":
            raise ResultError(
                f"{first_few(lists)} holds a list for each row, which {kind} cannot store. "
                f"Export to a .parquet file."
            )
        table = safe_table(self.table(columns)) if safe_csv else self.table(columns)
        if kind == "parquet":
            write_whole(path, lambda beside: write_table(table, beside))
        else:
            write_whole(path, lambda beside: write_text_table(table, beside, kind))
        return path

    def _has(self, name: str) -> bool:
        return name.partition(":")[0] in self.columns

    def stored_column(self, name: str) -> str:
        """Return the stored column of a stored or derived column.

        Raises:
            ResultError: the column does not exist.
        """
        stored, colon, derived = name.partition(":")
        if stored not in self.schema.names:
            raise ResultError(f"{self.folder} has no column {name!r}.{unknown(name, self.columns)}")
        if colon and (derived not in self.derived or stored not in self.ranked_columns):
            raise ResultError(
                f"there is no column {name!r}: only scores may end in :{', :'.join(self.derived)}."
            )
        if derived in CLASS_STATISTICS and not self.has_classes:
            raise ResultError(
                f"there is no column {name!r}: the task {self.task} has no classes. Use {stored!r} "
                f"or '{stored}:rank'."
            )
        return stored

    def score_column(self, name: str) -> str:
        """Return the stored score of a stored or derived column.

        Raises:
            ResultError: the column does not exist, or is no score.
        """
        stored = self.stored_column(name)
        if stored not in self.ranked_columns:
            raise ResultError(f"{name!r} is no score.{unknown(name, self.score_columns)}")
        return stored

    def _derive(self, raw: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
        stored, _, derived = name.partition(":")
        if not derived:
            return raw[stored]
        values = raw[stored].to_numpy().astype(np.float64)
        group_column = self.group_column(derived)
        if group_column is None:
            groups = np.zeros(len(values), int)
        else:
            groups = raw[group_column].fill_null(-1).to_numpy()
        derive = length_z_score if derived == BY_LENGTH else DERIVED[derived]
        return pa.array(derive(values, groups), from_pandas=True)  # NaN becomes null

    @property
    def derived(self) -> list[str]:
        """The columns that are derived from a score, by the word after its name and a colon."""
        return [*DERIVED, *([BY_LENGTH] if LENGTH in self.schema.names else [])]

    def group_column(self, derived: str) -> str | None:
        """Return the column whose groups a derived column compares the examples in; or None."""
        if derived == BY_LENGTH:
            return LENGTH
        return self.class_column if self.has_classes else None  # a rank needs no classes

    @property
    def class_column(self) -> str:
        """The column of the classes of `:class`: those whose target was differentiated.

        With `--target predicted` it is not the label, which would leak into the score.
        """
        return "prediction@all" if self.question.get("target") == "predicted" else "label"

    def _schema(self, names: list[str]) -> pa.Schema:
        fields = [
            self.schema.field(name) if ":" not in name else pa.field(name, pa.float64())
            for name in names
        ]
        return pa.schema(fields, metadata=self.schema.metadata)

    def label_number(self, label: str | int) -> int:
        """Return the number of a class, given its name, a synonym or its number.

        Raises:
            ResultError: no class or several have this name, or no example has this number.
        """
        names = self.label_names or []
        labels = find_labels(str(label), names)
        if len(labels) > 1:
            raise ResultError(
                f"the classes {first_few(labels)} are all called {label!r}. Give the number."
            )
        if labels:
            return labels[0]
        self.require_classes("a class")
        present = self.table(["label"])["label"].unique().drop_null().to_pylist()
        text = str(label)
        if text.isdecimal() and len(text) < 19 and int(text) in present:
            return int(label)
        valid = [main_name(name) for name in names] or [str(number) for number in sorted(present)]
        raise ResultError(f"there is no class {label!r}.{unknown(str(label), valid)}")

    def with_label_names(self, names: Sequence[str]) -> "Run":
        """Return the same run with new class names, by number."""
        data = self.question["data"] | {"label_names": list(names)}
        return replace(self, question=self.question | {"data": data})


def open_run(folder: str | Path) -> Run:
    """Return the run in a folder, whichever command wrote it.

    Raises:
        ResultError: the folder is no run folder, has no rows yet, or is damaged.
    """
    run = Run(Path(folder), questions.load_question(Path(folder)))
    if not run.score_columns:
        raise ResultError(f"{folder} has no scores, only {first_few(run.columns)}.")
    return run
