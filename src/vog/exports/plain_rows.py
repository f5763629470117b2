"""The rows of a run as they are, as csv, parquet or jsonl."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from vog.exports.form import SAFE_CSV, Form
from vog.exports.judged_labels import JudgedLabels
from vog.result import Run


def _write_rows(
    run: Run,
    out: Path,
    columns: Sequence[str] | None,
    judged: JudgedLabels,
    *,
    format: str,
    safe_csv: bool = False,
) -> int:
    run.export(out, format, columns, safe_csv)
    return run.rows


CSV = Form(
    "csv",
    (".csv",),
    partial(_write_rows, format="csv"),
    (SAFE_CSV,),
    is_plain=True,
    by_ending=True,
)
PARQUET = Form(
    "parquet", (".parquet",), partial(_write_rows, format="parquet"), is_plain=True, by_ending=True
)
JSONL = Form(
    "jsonl", (".jsonl",), partial(_write_rows, format="jsonl"), is_plain=True, by_ending=True
)
