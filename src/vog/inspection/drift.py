"""What is not as it was when a run was scored, in words for whoever looks at it again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from vog.data.images import ImageReader
from vog.errors import DataError, first_few
from vog.result import Run
from vog.sweep.job import Job


def of_row(run: Run, known: pa.Table, index: int, name: str, label: int) -> tuple[str, ...]:
    """What is not as the run has it in this row, if it has the row.

    Raises:
        DataError: it is another example.
    """
    at = np.flatnonzero(known["index"].to_numpy() == index)
    if not len(at):
        return ()
    row = known.slice(int(at[0]), 1).to_pylist()[0]
    if row["id"] != name:
        raise DataError(
            f"example {index} is {name!r} in the data and {row['id']!r} in {run.folder}: rows are "
            f"missing, new, or in another order. Give the data as they were as --data."
        )
    is_same = row["label"] in (None, label)
    return () if is_same else (f"another label: was {row['label']}, is {label}",)


_DIFFERENT = {
    ("model", "architecture"): "another model",
    ("model", "code"): "other code of the model",
    ("model", "settings"): "other settings of the model",
    ("model", "args"): "other arguments of the model",
    ("data", "digest"): "other data",
    ("data", "transform"): "another transform",
    ("data", "draft"): "images that are decoded in another way",
}


def of_job(before: Mapping[str, Any], job: Job) -> tuple[str, ...]:
    """What decides on the numbers and is not as it was; not sizes, versions and devices."""
    now, was = job.question, before["checkpoints"]
    told = [
        words
        for (part, key), words in _DIFFERENT.items()
        if key in before.get(part, {}) and before[part][key] != now[part][key]
    ]
    if "other data" in told and isinstance(job.examples.read, ImageReader):
        told[told.index("other data")] = "other data, or other times of their files"
    steps = [file.step for file in job.files]
    if steps != [one["step"] for one in was]:
        told.append(f"other steps: {first_few(steps)}, were {first_few([o['step'] for o in was])}")
    others = [
        step
        for step, one, other in zip(steps, was, now["checkpoints"], strict=True)
        if one.get("sha256") != other["sha256"]
    ]
    if others:
        told.append(f"other weights at step {first_few(others)}")
    if before.get("target") != now["target"]:
        told.append("another target")
    if before.get("read") != now.get("read"):
        told.append("another function that reads checkpoints")
    return tuple(told)
