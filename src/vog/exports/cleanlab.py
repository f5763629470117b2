"""The table of label issues, in the form of cleanlab's `Datalab.get_issues("label")`."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from vog.analysis.one_run.row_facts import class_name
from vog.exports.form import PLANTED, SAFE_CSV, Form
from vog.exports.judged_labels import JudgedLabels
from vog.exports.labelled_rows import label_quality, stored_values
from vog.files.writing import safe_table, write_whole
from vog.result import Run


def issues(run: Run, judged: JudgedLabels, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table with one row per example, in the order of the data.

    The columns are `index` and `id`; `is_label_issue`; `label_score` from 0, certainly wrong, to
    1, null where it is not known; `given_label` and `predicted_label` as numbers; and, if the
    classes have names, `given_label_name` and `predicted_label_name`.

    Args:
        run: the run.
        judged: the verdict on its labels.
        columns: more columns of the run, stored or derived.

    Raises:
        ResultError: the labels cannot be judged, or the run has no such column.
    """
    extra = run.table(list(dict.fromkeys(columns or [])))
    verdict = judged.require_verdict()
    table = run.table(["index", "id"])
    labels, predictions = stored_values(run, "label"), stored_values(run, "prediction@all")
    columns_to_add = {
        "is_label_issue": pa.array(verdict.suspect),
        "label_score": pa.array(label_quality(verdict), from_pandas=True),  # NaN becomes null
        "given_label": pa.array(labels, pa.int64()),
        "predicted_label": pa.array(predictions, pa.int64()),
    }
    if run.label_names:
        columns_to_add["given_label_name"] = _class_names(run, labels)
        columns_to_add["predicted_label_name"] = _class_names(run, predictions)
    for name in extra.column_names:
        columns_to_add.setdefault(name, extra[name])
    for name in columns_to_add:
        if name not in table.column_names:
            table = table.append_column(name, columns_to_add[name])
    return table


def write_cleanlab(
    run: Run,
    path: Path,
    columns: Sequence[str] | None,
    judged: JudgedLabels,
    safe_csv: bool = False,
) -> int:
    """Write the table of `issues` as csv, and return the number of rows.

    `CleanLearning.fit(label_issues=...)` takes `pandas.read_csv(path, index_col="index")`.
    With `safe_csv` no spreadsheet runs the ids and names as formulas.
    """
    table = issues(run, judged, columns)
    table = safe_table(table) if safe_csv else table
    write_whole(path, lambda temporary: csv.write_csv(table, temporary))
    return table.num_rows


def _class_names(run: Run, labels: list[int | None]) -> pa.Array:
    names = (None if label is None else class_name(run, label) for label in labels)
    return pa.array(list(names), pa.string())


CLEANLAB = Form("cleanlab", (".csv",), write_cleanlab, (PLANTED, SAFE_CSV))
