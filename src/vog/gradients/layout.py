"""Read gradients that are stored in the layout of the VoG authors.

FOLDER/weight_STEP/grad_NNNNN.npy        one example: float32, height x width, colours averaged
FOLDER/weight_STEP/ground_truth.npy      the label of each example
FOLDER/weight_STEP/pred_label.npy        the class that the checkpoint predicts
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from vog.data.examples import RowNumbers
from vog.errors import DataError, first_few
from vog.observation import Observation
from vog.result import Run, parts
from vog.result import question as questions


@dataclass(frozen=True)
class StoredCheckpoint:
    """The folder of one checkpoint, with its labels and predictions of all examples.

    Attributes:
        stamps: size in bytes and modification time in nanoseconds of each gradient's file.
    """

    folder: Path
    step: int
    labels: Int[np.ndarray, "n"]
    predictions: Int[np.ndarray, "n"]
    stamps: Int[np.ndarray, "n 2"]

    def gradient(self, row: int) -> Float[np.ndarray, "*pixels"]:
        """Return the stored gradient of one example.

        Raises:
            DataError: its file is missing or damaged.
        """
        return _load_array(gradient_file(self.folder, row)).astype(np.float32)


def stored_checkpoints(folder: Path) -> list[StoredCheckpoint]:
    """Return the checkpoints of a folder in training order.

    Raises:
        DataError: the folder does not have the layout or is not finished, a file is missing, or
            the checkpoints do not hold the same examples.
    """
    steps = {
        int(match[1]): path
        for path in (folder.iterdir() if folder.is_dir() else [])
        if (match := re.fullmatch(r"weight_(\d+)", path.name)) and path.is_dir()
    }
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}.")
    if not steps:
        raise DataError(
            f"{folder} holds no weight_STEP folders. Expected the layout of the VoG authors: "
            f"weight_STEP/grad_NNNNN.npy, weight_STEP/ground_truth.npy, weight_STEP/pred_label.npy."
        )
    _check_finished(folder, steps)
    checkpoints = [_read_checkpoint(path, step) for step, path in sorted(steps.items())]
    for checkpoint in checkpoints:
        if not np.array_equal(checkpoint.labels, checkpoints[0].labels):
            raise DataError(
                f"{checkpoint.folder}/ground_truth.npy differs from that of "
                f"{checkpoints[0].folder}. All need the same examples in the same order."
            )
    return checkpoints


@dataclass(frozen=True)
class StoredNotes:
    """Facts about the examples that `vog gradients` stored beside their gradients.

    Attributes:
        problems: for rows without a gradient, the reason.
        question: the question of the folder; empty if it was not written by `vog gradients`.
    """

    ids: Sequence[str]
    problems: dict[int, str]
    question: dict[str, Any]

    @property
    def label_names(self) -> list[str] | None:
        """The names of the classes by number, if known."""
        return self.question.get("data", {}).get("label_names")


def stored_notes(folder: Path, count: int) -> StoredNotes:
    """Return the notes of a folder with the gradients of `count` examples."""
    if not (folder / questions.FILE).exists():
        return StoredNotes(RowNumbers(count), {}, {})
    run = Run(folder, questions.load_question(folder))
    table = run.table(["id", "problem"])
    problems = {row: why for row, why in enumerate(table["problem"].to_pylist()) if why}
    return StoredNotes(table["id"].to_pylist(), problems, run.question)


def _check_finished(folder: Path, steps: dict[int, Path]) -> None:
    """Raise DataError if a folder of `vog gradients` is incomplete or differs from its question."""
    if not (folder / questions.FILE).exists():
        return
    question = questions.load_question(folder)
    rows = int(question["data"]["examples"])
    missing = sum(map(len, parts.gaps(parts.list_parts(folder), rows)))
    arrays = [path / "classified_flag.npy" for path in steps.values()]
    if missing or not all(path.exists() for path in arrays):
        raise DataError(
            f"{folder} is not finished: {missing:,} examples have no gradients yet. "
            f"Run the same `vog gradients` command again to continue."
        )
    extra = steps.keys() ^ {checkpoint["step"] for checkpoint in question.get("checkpoints", [])}
    if extra:
        raise DataError(
            f"{folder}: weight_STEP folders and question.json do not name the same steps; only one "
            f"of them has {first_few(sorted(extra))}. Remove the folders that do not belong, or "
            f"store the gradients again by `vog gradients --overwrite`."
        )


def _read_checkpoint(folder: Path, step: int) -> StoredCheckpoint:
    labels, predictions = (
        np.atleast_1d(_load_array(folder / f"{n}.npy")) for n in ("ground_truth", "pred_label")
    )
    stamps = np.full((len(labels), 2), -1, np.int64)
    missing: list[str] = []
    for row in range(len(labels)):
        path = gradient_file(folder, row)
        try:
            stat = os.stat(path)  # noqa: PTH116 (ten million times for all of ImageNet)
            stamps[row] = stat.st_size, stat.st_mtime_ns
        except OSError:
            missing.append(path.name)
    if missing or labels.shape != predictions.shape or labels.dtype.kind not in "iu":
        raise DataError(
            f"{folder} has labels of shape {labels.shape}, predictions of {predictions.shape}, and "
            f"lacks {first_few(missing) or 'no gradient'}. Expected one of each for every example."
        )
    label_numbers, predicted_numbers = labels.astype(np.int64), predictions.astype(np.int64)
    return StoredCheckpoint(folder, step, label_numbers, predicted_numbers, stamps)


def gradient_file(folder: Path, row: int) -> Path:
    """Return the file of one gradient in the folder of a checkpoint."""
    return folder / f"grad_{row:05d}.npy"


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Return the folder of one checkpoint."""
    return folder / f"weight_{step:05d}"


def observe_stored(checkpoints: list[StoredCheckpoint], index: int, rows: range) -> Observation:
    """Return the stored gradients of some rows at one checkpoint; there are no logits.

    Args:
        checkpoints: all checkpoints of the folder.
        index: of the checkpoint among them.
        rows: the rows to read.

    Raises:
        DataError: a file is missing or damaged, or its gradient has a different shape.
    """
    checkpoint, shape = checkpoints[index], checkpoints[0].gradient(0).shape
    gradients = [checkpoint.gradient(row) for row in rows]
    wrong_shape = next((g.shape for g in gradients if g.shape != shape or g.ndim != 2), None)
    if wrong_shape is not None:
        raise DataError(
            f"{checkpoint.folder} has a gradient of shape {wrong_shape}, the first has {shape}. "
            f"Expected height x width, colours averaged, and the same shape for all."
        )
    labels = torch.from_numpy(checkpoint.labels[rows.start : rows.stop])
    return Observation(labels, input_gradient=torch.from_numpy(np.stack(gradients))[None])


def _load_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing.") from error
    except (ValueError, OSError, EOFError, MemoryError, OverflowError) as error:
        raise DataError(f"{path} is damaged or no .npy file: {error}") from error
