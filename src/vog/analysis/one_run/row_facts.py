"""Facts about single examples of a run: ids, labels, and which ones the model gets wrong."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from vog.result import Run


def misclassified(run: Run, stage: str) -> tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Return two masks: prediction and label differ, and both are known.

    Both are empty for a task without classes.
    """
    if not run.has_classes:
        return np.zeros(run.rows, bool), np.zeros(run.rows, bool)
    labels, predictions = run.table(["label", f"prediction@{stage}"]).columns
    has_both = labels.is_valid().to_numpy() & predictions.is_valid().to_numpy()
    return labels.fill_null(-1).to_numpy() != predictions.fill_null(-1).to_numpy(), has_both


def row_summaries(run: Run, positions: Int[np.ndarray, "few"], stage: str) -> list[dict[str, Any]]:
    """Return index, id, label and prediction at a stage for the rows at these positions."""
    names, prediction = ["index", "id", "label"], f"prediction@{stage}"
    if not run.has_classes:
        rows = run.table(names).take(positions).to_pylist()
        return [row | {"prediction": None} for row in rows]
    table = run.table([*names, prediction])
    return table.rename_columns(["index", "id", "label", "prediction"]).take(positions).to_pylist()


def class_name(run: Run, label: int) -> str | None:
    """Return the name of a class; None if the data have no name for it."""
    names = run.label_names or []
    return names[label] if 0 <= label < len(names) else None
