"""Compute the gradient and the prediction of one example under every checkpoint of a run.

A run folder keeps one number where this computes one image a checkpoint. The model and the data
are prepared once, for the first example. Before that nothing is imported, run or loaded, and
nothing is ever written into the run folder.
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
from vog.checkpoints import NamesSpec, ReadSpec
from vog.data import UNLABELLED, Examples, TransformSpec
from vog.data.built_in_transforms import layout_of_name
from vog.data.inputs import Inputs
from vog.errors import DataError, ResultError, first_few
from vog.files.small_files import temporary_folder
from vog.gradients import layout, score_stored
from vog.inspection import drift, token_maps
from vog.inspection.locate_inputs import (
    CheckpointsSpec,
    LocatedInputs,
    Options,
    gradients_folder,
    locate_inputs,
)
from vog.observation import Observation, Outcome, Signal, concat
from vog.result import Run
from vog.scores import colours
from vog.scores.gradient import Channels, Layout, VoG, pixels
from vog.sweep.block import observer, signal_errors
from vog.sweep.fold import not_finite_by_checkpoint, not_finite_signals
from vog.sweep.job import Job
from vog.sweep.prepare import prepare
from vog.sweep.request import ModelSpec, Request, TargetSpec
from vog.wording import option


@dataclass(frozen=True)
class ExampleInspection:
    """One example under the checkpoints of a run, in training order.

    Attributes:
        index: of its row in the data.
        steps: of training, one a checkpoint.
        gradients: of the target with respect to the input, colours averaged. An input that is
            no image has two dimensions too, a vector as one row. Unit: target per unit of input.
        spread: for each pixel, the population standard deviation over all checkpoints, as in the
            run: of the averaged colours, or of each colour and then averaged.
        vog: the mean of `spread`, which is the `vog@all` of the run.
        confidence: softmax probability of the label, in [0, 1]. It is None if there are no
            logits or no label, and so are `margin` and `loss`.
        margin: the label's logit minus the largest other.
        loss: -log of `confidence`, in nats.
        predictions: the class with the largest logit; -1 if it is not known.
        label: the class in the data, -1 if there is none.
        differs: what has changed since the run was scored, one sentence each.
        tokens: of a text, its real tokens. `spread` and `gradients` then have one row, with a value
            for each: the mean over dimensions, for `gradients` of absolute values.
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
    tokens: tuple[str, ...] | None = None


Inspector = Callable[[int], ExampleInspection]
_SHOWN = (Outcome.CONFIDENCE, Outcome.MARGIN, Outcome.LOSS)
_OUTCOMES = frozenset({Outcome.PREDICTION, *_SHOWN})


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
    names: NamesSpec | None = None,
    device: str = "auto",
) -> Inspector:
    """Return a function that inspects an example, given the number of its row.

    Args:
        run: names all inputs and settings.
        model: as for `vog.score`, like all that follow; by default what the run names.
        checkpoints: their present paths. If there are more, those with the run's steps are used.
        model_args: keywords for the function that builds the model.
        data: for a run of stored gradients, their folder; such a run needs nothing else.
        root: the folder to which the paths of a list file are relative.
        transform: from an image, or a row, to an input.
        target: the quantity that is differentiated.
        read: a function that reads a checkpoint, used instead of our readers.
        names: from the names in a checkpoint to those of the model.
        device: "auto", "cpu", "cuda" or "cuda:i".

    Threads may share the function; only one of them runs it at a time.

    Raises:
        VogError: raised by the function, not here. An input is missing or invalid, the data are
            not those of the run, or the example has no finite gradient.
    """
    options = Options(model, checkpoints, model_args, data, root, transform, target, read, names)
    lock = Lock()

    @cache  # errors are not cached, so a missing file is looked for again
    def prepared_inspector() -> Inspector:
        folder = gradients_folder(run, options)
        if folder is not None:
            return _gradient_inspector(run, folder)
        return _model_inspector(run, _inspection_job(run, locate_inputs(run, options), device))

    def inspect(index: int) -> ExampleInspection:
        with lock, torch.inference_mode(mode=False):
            return prepared_inspector()(index)

    return inspect


def _inspection_job(run: Run, inputs: LocatedInputs, device: str) -> Job:
    """Return a job that computes single rows with the settings of the run."""
    question = run.question
    request = Request(
        model=inputs.model,
        checkpoints="",
        data=inputs.data,
        out=run.folder,  # keeps the sizes and choices that the run settled
        weights=inputs.weights,
        read=inputs.read,
        names=inputs.names,
        rest_from_model=inputs.rest_from_model,
        model_args=inputs.model_args,
        root=inputs.root,
        transform=inputs.transform,
        exif=question["data"].get("exif", False),
        id=question.get("id"),
        scores=_scores_of(question),
        target=inputs.target,
        wrt=question.get("wrt"),
        input=question.get("input"),
        label=question.get("label"),
        task=question.get("task", "classification"),
        channels="keep",  # the question, not the shape, has the axis of colours
        layout=None if "wrt" in question else _layout(question),
        stages=1,
        batch_size=question.get("batch_size", "auto"),
        device=device,
        precision=question.get("precision", "float32"),
        fold=question.get("folded", 0) > 0,
        features=False,
        workers=0,
        limit=question["data"]["examples"],
        quiet=True,
    )
    with _temporary_folder() as folder:
        # Pass the known order: sorting the names again could give a different one.
        listing = folder / "order.txt"
        listing.write_text("\n".join(str(file.path.absolute()) for file in inputs.files), "utf-8")
        job = prepare(replace(request, checkpoints=f"@{listing}"))
    _check_count(run, len(job.examples))
    channels, axis = _run_channels(question), question.get("layout")
    if channels == "keep" and "wrt" not in question:  # the run needed no layout, but a picture does
        axis = colours.layout_of_picture(job.model.layout_of(job.input_shape), job.input_shape)
    vog, *rest = colours.with_layout(job.scores, axis)
    assert isinstance(vog, VoG), "it is the first of the request"
    return replace(job, files=inputs.files, scores=(replace(vog, channels=channels), *rest))


def _layout(question: Mapping[str, Any]) -> Layout | None:
    return layout_of_name(str(question["data"].get("transform"))) or question.get("layout")


def _scores_of(question: Mapping[str, Any]) -> tuple[str, ...]:
    """Return scores that need a gradient and logits, and no label; regression has one alone."""
    return ("vog",) if question.get("task") == "regression" else ("vog", "entropy")


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = temporary_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_channels(question: Mapping[str, Any]) -> Channels:
    """Return how VoG treats colours in the run, or else the first score that reads them."""
    by_name = {s["name"]: s["channels"] for s in question.get("scores", ()) if "channels" in s}
    return by_name.get("vog", next(iter(by_name.values()), "mean"))


def _model_inspector(run: Run, job: Job) -> Inspector:
    table, general = run.table(["index", "id", "label"]), drift.changed_settings(run.question, job)
    steps = tuple(file.step for file in job.files)

    def inspect(index: int) -> ExampleInspection:
        position = _position(run, job.examples, index)
        name = job.examples.ids[position]
        batch = sources.read_batch(job.examples, range(position, position + 1))
        if not len(batch.positions):
            raise DataError(f"example {name!r} cannot be read: {batch.problems[0]}")
        label = _class_of(batch.labels[0])
        changes = general + drift.changed_row(run, table, index, name, label)
        with job.model.evaluation_mode(), job.memory_allocation():
            observe = observer(job, [batch])
            observation = concat([observe(weights, batch) for weights in job.weights.each()])
        observation = job.task.complete(observation, _OUTCOMES & job.task.outcomes)
        bad = not_finite_by_checkpoint([not_finite_signals(observation, job.needs)])
        problems = signal_errors(job, np.arange(1), bad)
        if problems:
            raise DataError(
                f"example {name!r} has no VoG map: {problems[0]}. Inspect a different example."
            )
        predictions = _values(observation, Outcome.PREDICTION)
        vog = job.scores[0]
        assert isinstance(vog, VoG), "see `_inspection_job`"
        observation = token_maps.real_positions(observation)
        example = _inspection(
            index, name, label, steps, observation, vog, predictions, changes, job.task.has_classes
        )
        if "wrt" not in job.question or not token_maps.is_token_map(
            observation.signal(Signal.INPUT_GRADIENT), batch.inputs
        ):
            return example
        return _of_text(example, observation, vog, _tokens(job, batch.inputs))

    return inspect


def _tokens(job: Job, inputs: Inputs) -> tuple[str, ...]:
    tokens = token_maps.token_ids(inputs)
    assert tokens is not None, "see `is_token_map`"
    dataset = getattr(job.examples.read, "dataset", None)
    return token_maps.token_texts(tokens, job.examples.transform, dataset)


def _of_text(
    example: ExampleInspection, observation: Observation, vog: VoG, tokens: tuple[str, ...]
) -> ExampleInspection:
    """Return the inspection of a text, with one value for each token."""
    spread = moments.std(vog.init(observation))[0].mean(dim=-1)
    strength = observation.signal(Signal.INPUT_GRADIENT)[:, 0].abs().mean(dim=-1)
    return replace(
        example,
        spread=spread[None].cpu().numpy(),
        gradients=strength[:, None].cpu().numpy(),
        tokens=tokens,
    )


def _class_of(label: Tensor) -> int:
    """Return the number of the class; -1 if the label is something else, or missing."""
    is_class = label.ndim == 0 and not label.is_floating_point()
    return int(label) if is_class else UNLABELLED


def _values(observation: Observation, name: Outcome) -> tuple[Any, ...] | None:
    """Return an outcome of one example at each checkpoint; None if there is none."""
    values = observation.outcomes.get(name)
    return None if values is None else tuple(values[:, 0].tolist())


def _gradient_inspector(run: Run, folder: Path) -> Inspector:
    folders = layout.stored_checkpoints(folder)
    count, steps = len(folders[0].labels), tuple(checkpoint.step for checkpoint in folders)
    notes = layout.stored_notes(folder, count)
    current, stored = score_stored.question_of_stored(folders, (), folder, notes), run.question
    _check_count(run, count)
    old = tuple(checkpoint["step"] for checkpoint in stored["checkpoints"])
    general = (f"different steps: {first_few(steps)}, were {first_few(old)}",)
    general = () if steps == old else general
    if current["data"]["digest"] != stored["data"].get("digest"):
        general += ("different gradients, or different times of their files",)
    table = run.table(["index", "id", "label"])

    def inspect(index: int) -> ExampleInspection:
        _check_in_run(run, index)
        name, label = notes.ids[index], int(folders[0].labels[index])
        changes = general + drift.changed_row(run, table, index, name, label)
        if index in notes.problems:
            raise DataError(f"example {name!r} has no gradients: {notes.problems[index]}.")
        rows = range(index, index + 1)
        observation = concat([layout.observe_stored(folders, k, rows) for k in range(len(folders))])
        predictions = tuple(int(checkpoint.predictions[index]) for checkpoint in folders)
        return _inspection(index, name, label, steps, observation, VoG(), predictions, changes)

    return inspect


def _inspection(
    index: int,
    name: str,
    label: int,
    steps: tuple[int, ...],
    observation: Observation,
    vog: VoG,
    predictions: tuple[int, ...] | None,
    changes: tuple[str, ...],
    has_classes: bool = True,
) -> ExampleInspection:
    state = vog.init(observation)
    mean = float(vog.compute(state))
    if not np.isfinite(mean):
        raise DataError(
            f"example {name!r} has no VoG map: its gradients, or their squares, are not finite. "
            "Inspect a different example."
        )
    spread = moments.std(state)[None]
    if vog.channels == "keep":  # the score uses each colour; a picture shows their mean
        spread = pixels(spread, "mean", vog.layout)
    unlabelled = has_classes and label == UNLABELLED
    confidence, margins, loss = (
        None if unlabelled else _values(observation, name) for name in _SHOWN
    )
    return ExampleInspection(
        index=index,
        steps=steps,
        gradients=_as_images(pixels(observation.signal(Signal.INPUT_GRADIENT), "mean", vog.layout)),
        spread=_as_images(spread)[0],
        vog=mean,
        confidence=confidence,
        margin=margins,
        loss=loss,
        predictions=predictions,
        label=label,
        differs=changes,
    )


def _as_images(values: Float[Tensor, "k 1 *pixels"]) -> Float[np.ndarray, "k h w"]:
    """Return values in two dimensions: a vector is one row, and all axes but the last are one."""
    return values.reshape(len(values), -1, values.shape[-1]).cpu().numpy()


def _check_in_run(run: Run, index: int) -> None:
    count = run.question["data"]["examples"]
    if not 0 <= index < count:
        raise ResultError(f"{run.folder} has no example {index}; it has 0 to {count - 1}.")


def _position(run: Run, examples: Examples, index: int) -> int:
    """Return the position of an example of the run among those that are read.

    Raises:
        ResultError: the run has no such example.
    """
    numbers = examples.row_numbers
    if numbers is None:
        _check_in_run(run, index)
        return index
    positions = np.flatnonzero(numbers == index)
    if not len(positions):
        selection = f"a sample ({option('limit')})" if examples.fold is None else "those of a fold"
        raise ResultError(
            f"{run.folder} has no example {index}: it holds {len(examples):,} of the rows of its "
            f"data, {selection}."
        )
    return int(positions[0])


def _check_count(run: Run, count: int) -> None:
    expected = run.question["data"]["examples"]
    if count != expected:
        raise DataError(
            f"the data have {count:,} examples, and {run.folder} was made of {expected:,}. "
            f"Give these as {option('data')}."
        )
