"""What every checkpoint of a run says about one example, computed again for whoever looks at it.

A run folder keeps one number where this makes an image a checkpoint. The parts of the run are
prepared once, when the first example is asked for; before that nothing is imported, run or
loaded, and nothing is ever written into the run folder.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vog import data as sources
from vog import moments
from vog.checkpoints import ReadSpec
from vog.data import UNLABELLED, Examples, TransformSpec
from vog.errors import DataError, ResultError, first_few
from vog.files.small_files import temporary_folder
from vog.gradients import layout, score_stored
from vog.inspection import drift
from vog.inspection.locate_inputs import (
    CheckpointsSpec,
    Options,
    Parts,
    find_again,
    gradients_folder,
)
from vog.result import Run
from vog.scores import Observation, Signal, colours, together
from vog.scores.gradient import Channels, VoG, pixels
from vog.scores.means import cross_entropy, label_probability, margin
from vog.sweep.block import signal_errors, observer
from vog.sweep.fold import not_finite_by_checkpoint, predictions_of
from vog.sweep.job import Job
from vog.sweep.prepare import prepare
from vog.sweep.request import ModelSpec, Request, TargetSpec


@dataclass(frozen=True)
class ExampleInspection:
    """What the checkpoints, in training order, say about one example.

    Attributes:
        index: of its row in the data.
        steps: of training, one a checkpoint.
        gradients: of the target with respect to the input, colours averaged; what is no image
            is laid out in two dimensions, a vector as one row. Unit: target per unit of input.
        spread: by pixel, the population standard deviation over all checkpoints, as the run
            takes it: of the averaged colours, or of each colour and then averaged.
        vog: the mean of `spread`, which is the `vog@all` of the run.
        confidence: softmax probability of the label, in [0, 1]; None where there are no logits,
            as `margin` and `loss`.
        margin: the label's logit minus the largest other.
        loss: -log of `confidence`, in nats.
        predictions: the class with the largest logit; -1 where it is not known.
        label: the class the data say, -1 where they say none.
        differs: in words, what is not as it was when the run was scored; empty if all is.
    """

    index: int
    steps: tuple[int, ...]
    gradients: Float[np.ndarray, "k h w"]
    spread: Float[np.ndarray, "h w"]
    vog: float
    confidence: tuple[float, ...] | None
    margin: tuple[float, ...] | None
    loss: tuple[float, ...] | None
    predictions: tuple[int, ...] | None
    label: int
    differs: tuple[str, ...]


Inspector = Callable[[int], ExampleInspection]


def inspector(
    run: Run,
    *,
    model: ModelSpec | None = None,
    checkpoints: CheckpointsSpec | None = None,
    model_args: Mapping[str, Any] | None = None,
    data: Any = None,
    root: str | Path | None = None,
    transform: TransformSpec = None,
    target: TargetSpec | None = None,
    read: ReadSpec | None = None,
    device: str = "auto",
) -> Inspector:
    """A function from the row number of an example to what every checkpoint says about it.

    Args:
        run: says what was asked, and where everything was when it was begun.
        model: as for `vog.score`, like all that follow; by default what the run names.
        checkpoints: where they are now. Of more than the run has, those of its steps are taken.
        model_args: keywords for the function that makes the model.
        data: for a run of stored gradients, their folder; such a run needs nothing else.
        root: the folder that the paths of a list file are relative to.
        transform: from an image, or a row, to an input.
        target: what is differentiated.
        read: reads a checkpoint in place of our readers.
        device: "auto", "cpu", "cuda" or "cuda:i".

    The function may be called from several threads; they wait for each other.

    Raises:
        VogError: raised by the function, not here. Something is missing or makes no sense, the
            data are not those of the run, or the example has no finite gradient.
    """
    options = Options(model, checkpoints, model_args, data, root, transform, target, read)
    lock = Lock()

    @cache  # what fails is tried again: what was missing may be there the next time
    def opened() -> Inspector:
        folder = gradients_folder(run, options)
        if folder is not None:
            return _of_gradients(run, folder)
        return _of_model(run, _prepared(run, find_again(run, options), device))

    def inspect(index: int) -> ExampleInspection:
        with lock, torch.inference_mode(mode=False):
            return opened()(index)

    return inspect


def _prepared(run: Run, found: Parts, device: str) -> Job:
    """The job that asks of single rows what the run was asked of all of them."""
    question = run.question
    asked = Request(
        model=found.model,
        checkpoints="",
        data=found.data,
        out=run.folder,  # sizes and choices that were settled then are kept
        weights=found.weights,
        read=found.read,
        model_args=found.model_args,
        root=found.root,
        transform=found.transform,
        exif=question["data"].get("exif", False),
        scores=("vog", "entropy"),  # a gradient, and logits; no label
        target=found.target,
        channels="keep",  # where colours are, the question says and no shape
        stages=1,
        batch_size=question.get("batch_size", "auto"),
        device=device,
        precision=question.get("precision", "float32"),
        fold=question.get("folded", 0) > 0,
        workers=0,
        limit=question["data"]["examples"],
        quiet=True,
    )
    with _temporary_folder() as beside:
        # The order is known. Found again from some of the names, or where a list told it, it may
        # be another.
        listing = beside / "order.txt"
        listing.write_text("\n".join(str(f.path.absolute()) for f in found.files), "utf-8")
        job = prepare(replace(asked, checkpoints=f"@{listing}"))
    _refuse_fewer(run, len(job.examples))
    vog, *others = colours.with_layout(job.scores, question.get("layout"))
    assert isinstance(vog, VoG), "it was asked for first"
    return replace(
        job, files=found.files, scores=(replace(vog, channels=_channels(question)), *others)
    )


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = temporary_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _channels(question: Mapping[str, Any]) -> Channels:
    """How the run treats colours, in VoG or else in whatever looks at them."""
    noted = {
        one["name"]: one["channels"] for one in question.get("scores", ()) if "channels" in one
    }
    return noted.get("vog", next(iter(noted.values()), "mean"))


def _of_model(run: Run, job: Job) -> Inspector:
    known, differs = run.table(["index", "id", "label"]), drift.of_job(run.question, job)
    steps = tuple(file.step for file in job.files)

    def inspect(index: int) -> ExampleInspection:
        position = _position(run, job.examples, index)
        name = job.examples.ids[position]
        batch = sources.read_batches(job.examples, range(position, position + 1))
        if not len(batch.at):
            raise DataError(f"example {name!r} cannot be read: {batch.problems[0]}")
        label = int(batch.labels[0])
        told = drift.of_row(run, known, index, name, label)
        with job.model.borrowed(), job.memory_allocation():
            observe = observer(job, [batch])
            seen = together([observe(weights, batch) for weights in job.weights.each()])
        look = predictions_of(seen, job.needs)
        problems = signal_errors(job, np.arange(1), not_finite_by_checkpoint([look]))
        if problems:
            raise DataError(f"example {name!r} has no spread: {problems[0]}.")
        predictions = tuple(look.prediction[:, 0].tolist())
        vog, told = job.scores[0], differs + told
        assert isinstance(vog, VoG), "see `_prepared`"
        return _inspected(index, name, label, steps, seen, vog, predictions, told)

    return inspect


def _of_gradients(run: Run, folder: Path) -> Inspector:
    found = layout.stored_checkpoints(folder)
    count, steps = len(found[0].labels), tuple(one.step for one in found)
    noted = layout.stored_notes(folder, count)
    now, before = score_stored.question_of_stored(found, (), folder, noted), run.question
    _refuse_fewer(run, count)
    was = tuple(one["step"] for one in before["checkpoints"])
    differs = () if steps == was else (f"other steps: {first_few(steps)}, were {first_few(was)}",)
    if now["data"]["digest"] != before["data"].get("digest"):
        differs += ("other gradients, or other times of their files",)
    known = run.table(["index", "id", "label"])

    def inspect(index: int) -> ExampleInspection:
        _refuse_beyond(run, index)
        name = noted.ids[index]
        label = int(found[0].labels[index])
        told = drift.of_row(run, known, index, name, label)
        if index in noted.problems:
            raise DataError(f"example {name!r} has no gradients: {noted.problems[index]}.")
        rows = range(index, index + 1)
        seen = together([layout.observe_stored(found, at, rows) for at in range(len(found))])
        predictions = tuple(int(one.predictions[index]) for one in found)
        return _inspected(index, name, label, steps, seen, VoG(), predictions, differs + told)

    return inspect


def _inspected(
    index: int,
    name: str,
    label: int,
    steps: tuple[int, ...],
    seen: Observation,
    vog: VoG,
    predictions: tuple[int, ...],
    differs: tuple[str, ...],
) -> ExampleInspection:
    state = vog.init(seen)
    mean = float(vog.compute(state))
    if not np.isfinite(mean):
        raise DataError(
            f"example {name!r} has no spread: its gradients, or their squares, are not finite."
        )
    spread = moments.std(state)[None]
    if vog.channels == "keep":  # for people, the colours of which are averaged all the same
        spread = pixels(spread, "mean", vog.layout)
    unknown = seen.logits is None or label == UNLABELLED
    confidence, margins, loss = (
        None if unknown else tuple(of(seen)[:, 0].tolist())
        for of in (label_probability, margin, cross_entropy)
    )
    return ExampleInspection(
        index=index,
        steps=steps,
        gradients=_laid_out(pixels(seen.signal(Signal.INPUT_GRADIENT), "mean", vog.layout)),
        spread=_laid_out(spread)[0],
        vog=mean,
        confidence=confidence,
        margin=margins,
        loss=loss,
        predictions=predictions,
        label=label,
        differs=differs,
    )


def _laid_out(values: Float[Tensor, "k 1 *pixels"]) -> Float[np.ndarray, "k h w"]:
    """In two dimensions: a vector as one row, of more axes all but the last as one."""
    return values.reshape(len(values), -1, values.shape[-1]).cpu().numpy()


def _refuse_beyond(run: Run, index: int) -> None:
    count = run.question["data"]["examples"]
    if not 0 <= index < count:
        raise ResultError(f"{run.folder} has no example {index}; it has 0 to {count - 1}.")


def _position(run: Run, examples: Examples, index: int) -> int:
    """Return where an example of the run stands among those that are read.

    Raises:
        ResultError: the run has no such example.
    """
    numbers = examples.numbers
    if numbers is None:
        _refuse_beyond(run, index)
        return index
    at = np.flatnonzero(numbers == index)
    if not len(at):
        part = "a sample that --limit took" if examples.fold is None else "those of a fold"
        raise ResultError(
            f"{run.folder} has no example {index}: it holds {len(examples):,} of the rows of its "
            f"data, {part}."
        )
    return int(at[0])


def _refuse_fewer(run: Run, count: int) -> None:
    expected = run.question["data"]["examples"]
    if count != expected:
        raise DataError(
            f"the data have {count:,} examples, and {run.folder} was made of {expected:,}. "
            f"Give those as --data."
        )
