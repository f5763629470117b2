"""Differences between a run and what its model, checkpoints and data are now, as sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from vog.errors import DataError, first_few
from vog.result import Run
from vog.sweep.job import Job
from vog.wording import option


def changed_row(run: Run, table: pa.Table, index: int, name: str, label: int) -> tuple[str, ...]:
    """Return how an example differs from its row in the run; nothing if the run lacks the row.

    Args:
        run: named in errors.
        table: the columns `index`, `id` and `label` of the run.
        index: of the row in the data.
        name: the id of the example now.
        label: the label of the example now.

    Raises:
        DataError: the row has a different id, so it is a different example.
    """
    positions = np.flatnonzero(table["index"].to_numpy() == index)
    if not len(positions):
        return ()
    row = table.slice(int(positions[0]), 1).to_pylist()[0]
    if row["id"] != name:
        raise DataError(
            f"example {index} is {name!r} in the data and {row['id']!r} in {run.folder}: rows are "
            f"missing, new or in a different order. Give the unchanged data as {option('data')}."
        )
    is_same = not run.has_classes or row["label"] in (None, label)
    return () if is_same else (f"a different label: was {row['label']}, is {label}",)


_CHANGES = {
    ("model", "architecture"): "a different model",
    ("model", "code"): "different code of the model",
    ("model", "settings"): "different settings of the model",
    ("model", "args"): "different arguments of the model",
    ("data", "digest"): "different data",
    ("data", "transform"): "a different transform",
    ("data", "draft"): "images that are decoded in a different way",
}


def changed_settings(stored: Mapping[str, Any], job: Job) -> tuple[str, ...]:
    """Return what differs from the stored question and determines scores, one sentence each."""
    current, stored_checkpoints = job.question, stored["checkpoints"]
    changes = [
        words
        for (section, key), words in _CHANGES.items()
        if key in stored.get(section, {}) and stored[section][key] != current[section].get(key)
    ]
    if "different data" in changes and job.examples.files is not None:
        changes[changes.index("different data")] = "different data, or different times of the files"
    steps, old_steps = [f.step for f in job.files], [old["step"] for old in stored_checkpoints]
    if steps != old_steps:
        changes.append(f"different steps: {first_few(steps)}, were {first_few(old_steps)}")
    changed_steps = [
        step
        for step, old, new in zip(steps, stored_checkpoints, current["checkpoints"], strict=True)
        if old.get("sha256") != new["sha256"]
    ]
    if changed_steps:
        changes.append(f"different weights at step {first_few(changed_steps)}")
    if stored.get("target") != current["target"]:
        changes.append("a different target")
    if stored.get("wrt") != current.get("wrt"):
        changes.append("gradients with respect to something else")
    if stored.get("read") != current.get("read"):
        changes.append("a different function that reads checkpoints")
    if stored.get("names") != current.get("names"):
        changes.append("different names for the weights")
    return tuple(changes)
