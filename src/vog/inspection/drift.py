"""What is not as it was when a run was scored, in words for whoever looks at it again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from vog.data.images import ImageReader
from vog.errors import DataError, first_few
from vog.result import Run
from vog.sweep.job import Job


def changed_row(run: Run, table: pa.Table, index: int, name: str, label: int) -> tuple[str, ...]:
    """What is not as the run has it in this row, if it has the row.

    Raises:
        DataError: it is another example.
    """
    positions = np.flatnonzero(table["index"].to_numpy() == index)
    if not len(positions):
        return ()
    row = table.slice(int(positions[0]), 1).to_pylist()[0]
    if row["id"] != name:
        raise DataError(
            f"example {index} is {name!r} in the data and {row['id']!r} in {run.folder}: rows are "
            f"missing, new, or in another order. Give the data as they were as --data."
        )
    is_same = row["label"] in (None, label)
    return () if is_same else (f"another label: was {row['label']}, is {label}",)


_CHANGES = {
    ("model", "architecture"): "another model",
    ("model", "code"): "other code of the model",
    ("model", "settings"): "other settings of the model",
    ("model", "args"): "other arguments of the model",
    ("data", "digest"): "other data",
    ("data", "transform"): "another transform",
    ("data", "draft"): "images that are decoded in another way",
}


def changed_settings(stored: Mapping[str, Any], job: Job) -> tuple[str, ...]:
    """What decides on the numbers and is not as it was; not sizes, versions and devices."""
    current, checkpoints = job.question, stored["checkpoints"]
    changes = [
        words
        for (section, key), words in _CHANGES.items()
        if key in stored.get(section, {}) and stored[section][key] != current[section][key]
    ]
    if "other data" in changes and isinstance(job.examples.read, ImageReader):
        changes[changes.index("other data")] = "other data, or other times of their files"
    steps = [file.step for file in job.files]
    if steps != [old["step"] for old in checkpoints]:
        changes.append(
            f"other steps: {first_few(steps)}, were {first_few([entry['step'] for entry in checkpoints])}"
        )
    changed_steps = [
        step
        for step, old, new in zip(steps, checkpoints, current["checkpoints"], strict=True)
        if old.get("sha256") != new["sha256"]
    ]
    if changed_steps:
        changes.append(f"other weights at step {first_few(changed_steps)}")
    if stored.get("target") != current["target"]:
        changes.append("another target")
    if stored.get("read") != current.get("read"):
        changes.append("another function that reads checkpoints")
    return tuple(changes)
