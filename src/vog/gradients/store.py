"""Write the gradient of every example in the layout of the VoG authors.

    OUT/weight_STEP/grad_NNNNN.npy      one example: float32, height x width, colours averaged
    OUT/weight_LAST/img_NNNNN.jpg       the image file itself, copied and not encoded again
    OUT/weight_STEP/ground_truth.npy    the label of each example
    OUT/weight_STEP/pred_label.npy      the class that the checkpoint predicts
    OUT/weight_STEP/classified_flag.npy one row an example: its number, and 1.0 if it is right

The numbers of the files count the stored examples, also if they are a sample (`limit`). OUT also
has `question.json` and the parts of a run folder without scores. They say which rows are finished,
so that a stopped command can continue, and which ids `vog import` gives the rows. The arrays of a
whole checkpoint are written last. Scores alone need none of this: `vog score` stores one number
where this module stores an image.
"""

import itertools
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int

from vog.data import Batch
from vog.data.examples import ImageFiles
from vog.errors import DataError, ResultError
from vog.files.writing import flush_disks, make_folder, write_whole
from vog.gradients.layout import checkpoint_folder, gradient_file
from vog.observation import Outcome, Signal
from vog.pixels import file_size
from vog.result import Run, parts
from vog.result.part_writer import Clock
from vog.result.parts import PartSink
from vog.result.rows import Meaning, RowBlock
from vog.scores.colours import default_layout, layout_of
from vog.scores.gradient import Layout, pixels
from vog.sweep.block import observer, signal_errors
from vog.sweep.executor import LOCAL, Executor
from vog.sweep.fold import NotFinite, not_finite_by_checkpoint, not_finite_signals
from vog.sweep.job import Job
from vog.sweep.loop import Summary, finish
from vog.sweep.part_grid import PART_SECONDS, whole_batches
from vog.sweep.plan import plan
from vog.sweep.prepare import prepare
from vog.sweep.request import Request
from vog.sweep.row_limit import stored_choices
from vog.wording import command, option

_SECONDS_A_FILE = 5e-4  # the time to write one gradient
_HEADER = 128  # bytes of an .npy file before its values
_JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})


@dataclass(frozen=True)
class Storing:
    """A job whose gradients are stored.

    Attributes:
        job: the sweep that computes the gradients.
        bytes_per_example: size of its gradients under all checkpoints, without the image.
        images: image files are copied too.
        pixels: height and width of a gradient.
        layout: the axis of colours in an example, as for scores.
    """

    job: Job
    bytes_per_example: int
    images: bool
    pixels: tuple[int, ...]
    layout: Layout | None
    activity: str = "storing"

    @property
    def columns(self) -> Mapping[str, Meaning]:
        """None: the parts have no scores."""
        return {}

    @property
    def row_numbers(self) -> None:
        """None: the numbers of the files count the stored examples."""
        return

    def with_weights(self) -> "Storing":
        """Return the work with the weights of its job read."""
        return replace(self, job=self.job.with_weights())

    def rows(self, block: Batch, size: int, clock: Clock) -> list[RowBlock]:
        """Write the gradients of a block, and return its rows."""
        return _store_block(self, block, size, clock)

    def before_part(self) -> None:
        """Put the gradients of a part on the disk before the part says that they are there."""
        flush_disks()


def prepare_storing(request: Request, images: bool = True) -> Storing:
    """Return all that `store` needs, checked before the expensive part.

    Raises:
        VogError: whatever `vog score` would refuse, or inputs that are not images.
    """
    # Any score of the input gradient makes the sweep compute the gradients that are stored.
    job = prepare(replace(request, scores=("grad_norm",), stages=1, features=False))
    if not job.task.has_classes:
        raise DataError(
            f"gradients are stored with a label and a prediction of one class, and the task is "
            f"{job.task.name}. Use {command('score')}, which does not store them."
        )
    _check_labelled(job)
    shape, layout = job.input_shape, layout_of(job.scores)
    colour_axis = {"channels-first": 0, "channels-last": 2}.get(layout or default_layout(shape))
    if len(shape) != 3 or colour_axis is None:
        raise DataError(
            f"an example has the shape {shape}; the layout of the VoG authors holds images, two "
            f"axes of pixels and one of colours. {command('score')} takes inputs of any shape."
        )
    pixel_shape = tuple(length for axis, length in enumerate(shape) if axis != colour_axis)
    question = {k: v for k, v in job.question.items() if k not in ("scores", "stages")}
    question |= {
        "stored": "gradients, colours averaged",
        "rows_per_part": _rows_per_part(request, job),
    }
    job = replace(job, question=question)
    size = len(job.files) * (4 * pixel_shape[0] * pixel_shape[1] + _HEADER)
    return Storing(job, size, images, pixel_shape, layout)


def _rows_per_part(request: Request, job: Job) -> int:
    """Return the rows in a part: fewer, since writing the files takes longer than computing."""
    rows = int(job.question["rows_per_part"])
    if request.rows_per_part is not None or "rows_per_part" in stored_choices(request):
        return rows
    useful = int(PART_SECONDS / (_SECONDS_A_FILE * len(job.files)))
    return min(rows, whole_batches(useful, job.batch_size))


def store(storing: Storing, executor: Executor = LOCAL) -> Summary:
    """Write the gradients that are missing, and return the summary of the sweep.

    Raises:
        DifferentQuestionError: the folder answers a different question.
        ResultError: the disk has too little space, another process writes to the folder, or
            finished gradients are lost.
        DataError: a batch cannot be made.
    """
    job, folder = storing.job, storing.job.out
    _check_disk_space(storing)
    with parts.writing_session(folder, job.question, job.overwrite, also="weight_[0-9]*") as sink:
        for file in job.files:
            make_folder(checkpoint_folder(folder, file.step))
        _check_gradient_files(job, sink)
        summary = finish(storing, sink, executor)
        _write_arrays(job)
    return summary


def _check_disk_space(storing: Storing) -> None:
    job, folder, planned = storing.job, storing.job.out, plan(storing.job)
    rows = planned.examples - planned.finished_rows
    needed = rows * (storing.bytes_per_example + _image_bytes(storing))
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    free = shutil.disk_usage(existing).free
    if job.overwrite:
        free += sum(path.lstat().st_size for path in folder.glob("weight_[0-9]*/*"))
    if needed > free:
        raise ResultError(
            f"{existing} has {free / 1e9:,.1f} GB free; the gradients of {rows:,} examples under "
            f"{len(job.files)} checkpoints take {needed / 1e9:,.1f} GB. {command('score')} takes "
            f"far less space: it stores the scores alone."
        )


def _image_bytes(storing: Storing) -> int:
    """Return the bytes of one copied image, estimated from about a hundred of them."""
    files = storing.job.examples.files
    if not storing.images or files is None:
        return 0
    sample = files.paths[:: max(1, len(files.paths) // 100)]
    return sum(file_size(files.root / path) or 0 for path in sample) // len(sample)


def _check_labelled(job: Job) -> None:
    if job.examples.unlabelled:
        raise DataError(
            f"the data have no labels, and this layout keeps one an example. Give labels, or use "
            f"{command('score')} with {option('target', 'predicted')}, which stores no gradients."
        )


def _check_gradient_files(job: Job, sink: PartSink) -> None:
    """Raise ResultError unless every finished row still has its files; counts their names."""
    rows = len(job.examples) - sum(map(len, sink.todo()))
    for file in job.files:
        folder = checkpoint_folder(job.out, file.step)
        count = sum(name.startswith("grad_") for name in os.listdir(folder))  # noqa: PTH208
        if count < rows:
            raise ResultError(
                f"{folder} has lost {rows - count:,} of {rows:,} gradients that were finished. "
                f"Pass {option('overwrite', True)} to start again."
            )


_Outputs = tuple[Int[torch.Tensor, "1 n"], NotFinite]  # predicted classes at one checkpoint


def _store_block(storing: Storing, block: Batch, size: int, clock: Clock) -> list[RowBlock]:
    """Write the gradients of a block, and return its rows."""
    job, batches = storing.job, block.split(size)
    observe = observer(job.in_batches_of(size), batches)
    outputs: list[list[_Outputs]] = [[] for _ in batches]
    weights = job.weights.each() if len(block.positions) else itertools.repeat(None)
    for file, checkpoint_weights in zip(job.files, weights, strict=False):
        for batch, batch_outputs in zip(batches, outputs, strict=True):
            gradients = np.full((len(batch.rows), *storing.pixels), np.nan, np.float32)
            if checkpoint_weights is not None and len(batch.positions):
                observation = observe(checkpoint_weights, batch)
                bad = not_finite_signals(observation, job.needs)
                batch_outputs.append((job.task.outcome(observation, Outcome.PREDICTION), bad))
                # As in `vog score`, a gradient is invalid if the logits are not finite.
                is_finite = ~bad[Signal.LOGITS][0].cpu().numpy()
                averaged = pixels(observation.signal(Signal.INPUT_GRADIENT), "mean", storing.layout)
                pixel_gradients = averaged[0].cpu().numpy()
                gradients[batch.positions.numpy()[is_finite]] = pixel_gradients[is_finite]
            with clock.while_writing():
                _write_gradients(job, file.step, batch.rows, gradients)
    if storing.images and job.examples.files is not None:
        with clock.while_writing():
            _copy_images(job, job.examples.files, block)
    return [_rows(job, batch, of_batch) for batch, of_batch in zip(batches, outputs, strict=True)]


def _rows(job: Job, batch: Batch, outputs: list[_Outputs]) -> RowBlock:
    """Return the rows of a batch: labels, predictions of every checkpoint, and problems."""
    positions = batch.positions.numpy()
    problems = {position: f"unreadable: {why}" for position, why in batch.problems.items()}
    by_step = {str(file.step): np.empty(0, np.int64) for file in job.files}
    if outputs:
        bad = not_finite_by_checkpoint([not_finite for _, not_finite in outputs])
        problems |= signal_errors(job, positions, bad)
        predicted = np.concatenate([classes.cpu().numpy() for classes, _ in outputs])
        classes = np.where(bad[Signal.LOGITS], -1, predicted)
        by_step = {str(f.step): column for f, column in zip(job.files, classes, strict=True)}
    ids = job.examples.ids[batch.rows.start : batch.rows.stop]
    labels = batch.labels.numpy()
    return RowBlock(batch.rows, ids, labels, positions, by_step, {}, {}, problems)


def _write_gradients(
    job: Job, step: int, rows: range, gradients: Float[np.ndarray, "n h w"]
) -> None:
    folder = checkpoint_folder(job.out, step)
    for row, gradient in zip(rows, gradients, strict=True):
        write_whole(
            gradient_file(folder, row),
            lambda path, array=gradient: np.save(path, array),
            durable=False,
            workplace=job.out,
        )


def _copy_images(job: Job, files: ImageFiles, batch: Batch) -> None:
    folder = checkpoint_folder(job.out, job.files[-1].step)
    for position in batch.positions.tolist():
        row = batch.rows.start + int(position)
        source = files.path(job.examples.row(row))
        ending = source.suffix.lower()
        ending = ".jpg" if ending in _JPEG else ending
        write_whole(
            folder / f"img_{row:05d}{ending}",
            lambda path, source=source: shutil.copyfile(source, path),
            durable=False,
            workplace=job.out,
        )


def _write_arrays(job: Job) -> None:
    """Write the arrays of all examples; call this when all rows are finished."""
    run = Run(job.out, job.question)
    columns = [f"prediction@{file.step}" for file in job.files]
    table = run.table(columns)
    labels = run.class_labels
    for file, column in zip(job.files, columns, strict=True):
        predictions = table[column].fill_null(-1).to_numpy()
        right = np.stack([np.arange(len(labels)), predictions == labels], axis=1)
        folder = checkpoint_folder(job.out, file.step)
        for name, values in (
            ("ground_truth", labels),
            ("pred_label", predictions),
            ("classified_flag", right.astype(np.float64)),
        ):
            write_whole(folder / f"{name}.npy", lambda path, array=values: np.save(path, array))
