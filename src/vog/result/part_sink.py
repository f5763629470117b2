"""Writing the parts of a run: a part gets its name once its rows and its digest are on disk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vog.files import checksum
from vog.files.writing import write_whole
from vog.result import part_checks, part_digests, part_names
from vog.result import question as questions
from vog.result.part_digests import PartDigest
from vog.result.part_names import Part, cut_into_parts, gaps, list_parts
from vog.result.question import Question

_REPEATED = ("label", "prediction@", "problem")


@dataclass(frozen=True)
class PartSink:
    """Writes the parts of a run; only processes that hold a sink may add parts.

    Attributes:
        folder: the run folder.
        question: the question of the run.
        parts: the parts that existed when the sink was made.
        digests: the digests of all parts by name, including the parts that the sink has written;
            empty in a shared sink.
        cells: the rows of each part that a shared sink has to write; None in the sink of the
            process that holds the lock of the folder.
    """

    folder: Path
    question: Question
    parts: tuple[Part, ...]
    digests: dict[str, PartDigest]
    cells: tuple[range, ...] | None = None

    @classmethod
    def for_folder(cls, folder: Path) -> "PartSink":
        """Return the sink of a folder that already has its question."""
        digests = dict(part_digests.load_digests(folder).parts)
        return cls(folder, questions.load_question(folder), tuple(list_parts(folder)), digests)

    def shared(self, cells: Sequence[range] = ()) -> "PartSink":
        """Return a sink with which a different process may write; it can be pickled.

        Several such sinks may write different parts at the same time, also beside this sink. This
        process must stay in its `writing_session`, which locks the folder, until they are done.

        Args:
            cells: the rows of each part that the other process has to write, out of `todo`.
        """
        # The working directory of the other process may be a different one.
        return replace(self, folder=self.folder.absolute(), digests={}, cells=tuple(cells))

    @property
    def rows_per_part(self) -> int:
        """Parts are cut at the multiples of this number of rows."""
        rows = max(1, int(self.question["data"]["examples"]))
        return int(self.question.get("rows_per_part", rows))

    def todo(self) -> list[range]:
        """Return the missing rows, or the cells of a shared sink: one range for each part."""
        if self.cells is not None:
            return list(self.cells)
        rows = int(self.question["data"]["examples"])
        current = [part for part in self.parts if not self._is_too_short(part)]
        return cut_into_parts(gaps(current, rows), self.rows_per_part)

    def write(self, start: int, tables: Sequence[pa.Table], seconds: float) -> Part:
        """Write consecutive rows as one part, and return it.

        Args:
            start: the number of the first row, in the order of the run.
            tables: the rows.
            seconds: the time that the rows took to compute.

        Raises:
            ResultError: the disk is full, or the folder cannot be written. Nothing changes then.
        """
        table = pa.concat_tables(tables)
        if questions.is_sample(self.question):
            table = table.take(np.argsort(table["index"].to_numpy(), kind="stable"))
        stop = start + len(table)
        part = Part(self.folder / part_names.part_name(start, stop), start, stop)
        # As one chunk: otherwise the sizes of the tables would change the bytes.
        table = table.combine_chunks().replace_schema_metadata(self._metadata(part))

        def fill(beside: Path) -> None:
            write_table(table, beside)
            # Before the part gets its name: a part without a digest cannot be trusted.
            self._store_digest(part, PartDigest(checksum.sha256_of(beside), seconds))

        write_whole(part.path, fill)
        for outgrown in self.parts:
            if part_names.is_outgrown(outgrown, part):
                (self.folder / outgrown.path.name).unlink(missing_ok=True)
        return part

    def _store_digest(self, part: Part, digest: PartDigest) -> None:
        if self.cells is not None:  # `digests.json` would lose the digests of other processes
            part_digests.write_small_file(part.path, digest)
            return
        self.digests[part.path.name] = digest
        part_digests.write_digests(self.folder, self.digests)

    def _metadata(self, part: Part) -> dict[bytes, bytes]:
        settled = {key: self.question[key] for key in questions.SETTLED if key in self.question}
        return {
            part_checks.QUESTION: questions.question_digest(self.question).encode(),
            part_checks.ROWS: f"{part.start}:{part.stop}".encode(),
            part_checks.VERSION: version("vog").encode(),
            part_checks.SETTLED: json.dumps(settled, sort_keys=True).encode(),
        }

    def _is_too_short(self, part: Part) -> bool:
        """Return whether a part was the last of a smaller sample and is now too short."""
        is_short = part.stop % self.rows_per_part and part.stop < self.question["data"]["examples"]
        return questions.is_sample(self.question) and bool(is_short)


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet that is fast to read, with dictionaries only for columns of repeated values.

    A dictionary for scores, which hardly repeat, makes the file half as large again and half as
    fast to read.
    """
    repeated: Any = [name for name in table.column_names if name.startswith(_REPEATED)]
    packed = {"index": "DELTA_BINARY_PACKED"} if "index" in table.column_names else None
    pq.write_table(table, path, compression="zstd", use_dictionary=repeated, column_encoding=packed)
