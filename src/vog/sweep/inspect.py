"""What every checkpoint of a run says about one example, computed again for whoever looks at it.

A run folder keeps one number where this makes an image a checkpoint. The parts of the run are
prepared once, when the first example is asked for; before that nothing is imported, run or
loaded, and nothing is ever written into the run folder.
"""

import ast
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from torch import Tensor

from vog import data as sources
from vog import moments
from vog.checkpoints import CheckpointFile, find
from vog.data import TransformSpec
from vog.data.images import ImageFiles
from vog.errors import CheckpointError, DataError, ResultError, first_few
from vog.models.targets import TARGETS
from vog.result import Run
from vog.scores import Observation, Score, Signal, together
from vog.scores.gradient import Channels, VoG, pixels
from vog.scores.means import cross_entropy, label_probability, margin
from vog.sweep import stored
from vog.sweep.fold import look_at, not_finite, not_finite_by_checkpoint, observer
from vog.sweep.job import Job
from vog.sweep.prepare import prepare
from vog.sweep.request import ModelSpec, Request, TargetSpec

CheckpointsSpec = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Inspected:
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
        label: the class the data say.
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


Inspector = Callable[[int], Inspected]


@dataclass(frozen=True)
class _Options:
    """What is run and read, by the option that names it; None is what the run says."""

    model: ModelSpec | None
    checkpoints: CheckpointsSpec | None
    model_args: Mapping[str, Any] | None
    data: Any
    root: str | Path | None
    transform: TransformSpec
    target: TargetSpec | None


@dataclass(frozen=True)
class _Found:
    """The same, where each is something."""

    model: ModelSpec
    files: tuple[CheckpointFile, ...]
    model_args: Mapping[str, Any]
    data: Any
    root: Path | None
    transform: TransformSpec
    target: TargetSpec


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
        device: "auto", "cpu", "cuda" or "cuda:i".

    The function may be called from several threads; they wait for each other.

    Raises:
        VogError: raised by the function, not here. Something is missing or makes no sense, the
            data are not those of the run, or the example has no finite gradient.
    """
    options = _Options(model, checkpoints, model_args, data, root, transform, target)
    lock = Lock()

    @cache  # what fails is tried again: what was missing may be there the next time
    def opened() -> Inspector:
        folder = _gradients_folder(run, options)
        if folder is not None:
            return _of_gradients(run, folder)
        return _of_model(run, _prepared(run, _found(run, options), device))

    def inspect(index: int) -> Inspected:
        with lock:
            return opened()(index)

    return inspect


def runs_code(
    run: Run,
    *,
    model: ModelSpec | None = None,
    checkpoints: CheckpointsSpec | None = None,
    model_args: Mapping[str, Any] | None = None,
    data: Any = None,
    root: str | Path | None = None,
    transform: TransformSpec = None,
    target: TargetSpec | None = None,
) -> str:
    """What an inspector with these options runs and reads when it is called, in words.

    Nothing is run or imported to tell it, and of files only the names are looked at.

    Raises:
        VogError: something is missing; the message says which option gives it.
    """
    options = _Options(model, checkpoints, model_args, data, root, transform, target)
    folder = _gradients_folder(run, options)
    if folder is not None:
        return f"runs no code; reads the gradients in {folder}"
    found = _found(run, options)
    # Arguments are part of what is run: a function of any package can be named as a model.
    arguments = ", ".join(f"{name}={value!r}" for name, value in found.model_args.items())
    code = [f"{_called(found.model)}({arguments})"]
    code += [_called(one) for one in (found.data, found.transform, found.target) if _is_code(one)]
    read = f"{len(found.files)} checkpoints, {found.files[0].path} to {found.files[-1].path}"
    if isinstance(found.data, str | Path) and not _is_code(found.data):
        read += f", and {found.data}"
    return f"runs {', '.join(code)}; reads {read}"


def _is_code(spec: object) -> bool:
    return callable(spec) or (isinstance(spec, str) and ":" in spec and not Path(spec).exists())


def _called(spec: object) -> str:
    return spec if isinstance(spec, str) else getattr(spec, "__qualname__", type(spec).__name__)


def _gradients_folder(run: Run, options: _Options) -> Path | None:
    """Where the gradients are, of a run that was made of stored ones."""
    noted = run.question.get("where", {}).get("gradients")
    if noted is None:
        return None
    folder = Path(noted if options.data is None else options.data)
    if not folder.is_dir():
        raise ResultError(
            f"{run.folder} was made of the gradients stored in {folder}, which is no folder, seen "
            f"from {Path.cwd()}. Give the folder with the weight_STEP folders as --data."
        )
    return folder


def _found(run: Run, options: _Options) -> _Found:
    """What the options name, and for the rest what the run names, if it may be there."""
    question, where = run.question, run.question.get("where", {})
    noted = {
        "model": where.get("model"),
        "data": where.get("data"),
        "transform": where.get("transform") or _noted_transform(question),
        "target": where.get("target") or _noted_target(question),
    }
    found: dict[str, Any] = {}
    for option, value in noted.items():
        given = getattr(options, option)
        found[option] = value if given is None else given
        _refuse_lost(run, option, found[option])
    args, root = options.model_args, where.get("root") if options.root is None else options.root
    if args is None:
        args = {k: _argument(v) for k, v in question.get("model", {}).get("args", {}).items()}
    return _Found(
        files=_files(run, options.checkpoints),
        model_args=args,
        root=None if root is None else Path(root),
        **found,
    )


def _noted_transform(question: Mapping[str, Any]) -> str | None:
    """The word for the transform that the run knows by its code; None for one of the user's."""
    name = str(question["data"].get("transform")).partition(" ")[0]
    words = {"none": "none", "vog.data.images.unchanged": "none"}
    return (words | {"vog.data.images.imagenet": "imagenet"}).get(name)


def _noted_target(question: Mapping[str, Any]) -> str | None:
    return next((name for name in TARGETS if name == question.get("target")), None)


def _argument(noted: Any) -> Any:
    """A keyword as it was given: a question keeps lists and their like as they print."""
    try:
        return ast.literal_eval(noted) if str(noted)[:1] in tuple("([{") else noted
    except (ValueError, SyntaxError):
        return noted


def _refuse_lost(run: Run, option: str, spec: object) -> None:
    """Nothing where what is named may be there, as far as names tell."""
    if spec is None:
        what = "" if option == "data" else " file.py:function"
        raise ResultError(
            f"{run.folder} does not name its {option}, which was an object in Python. "
            f"Give --{option}{what}."
        )
    is_word = option in ("transform", "target") and ":" not in str(spec)
    if is_word or not isinstance(spec, str | Path) or Path(spec).expanduser().exists():
        return
    path, colon, _ = str(spec).rpartition(":")
    if not colon or (path.endswith(".py") and not Path(path).expanduser().is_file()):
        raise ResultError(
            f"the {option} of {run.folder}, {str(spec)!r}, is not there, seen from {Path.cwd()}. "
            f"Give what it is called now as --{option}."
        )


def _files(run: Run, asked: CheckpointsSpec | None) -> tuple[CheckpointFile, ...]:
    """The checkpoints of the run, in training order, where they are now."""
    steps = [int(one["step"]) for one in run.question["checkpoints"]]
    if asked is None:
        paths = [Path(one) for one in run.question.get("where", {}).get("checkpoints", [])]
        lost = [str(path) for path in paths if not path.is_file()]
        if lost or len(paths) != len(steps):
            raise ResultError(
                f"{len(lost)} of the {len(steps)} checkpoints of {run.folder} are not there, seen "
                f"from {Path.cwd()}: {first_few(lost)}. Give where they are now as --checkpoints."
            )
        return tuple(map(CheckpointFile, paths, steps))
    files = find([asked] if isinstance(asked, str | Path) else asked)
    by_step = {file.step: file for file in files}
    if by_step.keys() >= set(steps):
        return tuple(by_step[step] for step in steps)
    if len(files) != len(steps):
        raise CheckpointError(
            f"--checkpoints names {len(files)} files, of the steps {first_few(list(by_step))}. "
            f"{run.folder} was scored under {len(steps)}, of the steps {first_few(steps)}: give "
            f"these."
        )
    return tuple(files)


def _prepared(run: Run, found: _Found, device: str) -> Job:
    """The job that asks of single rows what the run was asked of all of them."""
    question = run.question
    asked = Request(
        model=found.model,
        checkpoints="",
        data=found.data,
        out=run.folder,  # sizes and choices that were settled then are kept
        model_args=found.model_args,
        root=found.root,
        transform=found.transform,
        scores=("vog", "loss"),  # a gradient, and logits
        target=found.target,
        channels=_channels(question),
        stages=1,
        batch_size=question.get("batch_size", "auto"),
        device=device,
        precision=question.get("precision", "float32"),
        fold=question.get("folded", 0) > 0,
        workers=0,
        limit=question["data"]["examples"],
        quiet=True,
    )
    with tempfile.TemporaryDirectory() as beside:
        # The order is known. Found again from some of the names, or where a list told it, it may
        # be another.
        listing = Path(beside) / "order.txt"
        listing.write_text("\n".join(str(f.path.absolute()) for f in found.files), "utf-8")
        job = prepare(replace(asked, checkpoints=f"@{listing}"))
    _refuse_fewer(run, len(job.examples))
    return replace(job, files=found.files)


def _channels(question: Mapping[str, Any]) -> Channels:
    """How the run treats colours, in VoG or else in whatever looks at them."""
    noted = {
        one["name"]: one["channels"] for one in question.get("scores", ()) if "channels" in one
    }
    return noted.get("vog", next(iter(noted.values()), "mean"))


def _of_model(run: Run, job: Job) -> Inspector:
    known, differs = run.table(["index", "id", "label"]), _differences(run.question, job)
    steps = tuple(file.step for file in job.files)

    def inspect(index: int) -> Inspected:
        _refuse_beyond(run, index)
        name = job.examples.ids[index]
        batch = sources.read(job.examples, range(index, index + 1))
        if not len(batch.at):
            raise DataError(f"example {name!r} cannot be read: {batch.problems[0]}")
        told = _row_differences(run, known, index, name, int(batch.labels[0]))
        with job.model.borrowed(), job.keeping_memory():
            observe = observer(job, [batch])
            seen = together([observe(weights, batch) for weights in job.weights.each()])
        look = look_at(seen, job.needs)
        problems = not_finite(job, np.arange(1), not_finite_by_checkpoint([look]))
        if problems:
            raise DataError(f"example {name!r} has no spread: {problems[0]}.")
        predictions = tuple(look.prediction[:, 0].tolist())
        return _inspected(index, name, steps, seen, job.scores[0], predictions, differs + told)

    return inspect


def _of_gradients(run: Run, folder: Path) -> Inspector:
    found = stored.stored_checkpoints(folder)
    count, steps = len(found[0].labels), tuple(one.step for one in found)
    noted = stored.noted_in(folder, count)
    now, before = stored.question_of(found, (), folder, noted), run.question
    _refuse_fewer(run, count)
    was = tuple(one["step"] for one in before["checkpoints"])
    differs = () if steps == was else (f"other steps: {first_few(steps)}, were {first_few(was)}",)
    if now["data"]["digest"] != before["data"].get("digest"):
        differs += ("other gradients, or other times of their files",)
    known = run.table(["index", "id", "label"])

    def inspect(index: int) -> Inspected:
        _refuse_beyond(run, index)
        name = noted.ids[index]
        told = _row_differences(run, known, index, name, int(found[0].labels[index]))
        if index in noted.problems:
            raise DataError(f"example {name!r} has no gradients: {noted.problems[index]}.")
        rows = range(index, index + 1)
        seen = together([stored.observed(found, at, rows) for at in range(len(found))])
        predictions = tuple(int(one.predictions[index]) for one in found)
        return _inspected(index, name, steps, seen, VoG(), predictions, differs + told)

    return inspect


def _inspected(
    index: int,
    name: str,
    steps: tuple[int, ...],
    seen: Observation,
    vog: Score,
    predictions: tuple[int, ...],
    differs: tuple[str, ...],
) -> Inspected:
    state = vog.init(seen)
    mean = float(vog.compute(state))
    if not np.isfinite(mean):
        raise DataError(
            f"example {name!r} has no spread: its gradients, or their squares, are not finite."
        )
    confidence, margins, loss = (
        None if seen.logits is None else tuple(of(seen)[:, 0].tolist())
        for of in (label_probability, margin, cross_entropy)
    )
    return Inspected(
        index=index,
        steps=steps,
        gradients=_laid_out(pixels(seen.signal(Signal.INPUT_GRADIENT), "mean")),
        spread=_laid_out(pixels(moments.std(state)[None], "mean"))[0],
        vog=mean,
        confidence=confidence,
        margin=margins,
        loss=loss,
        predictions=predictions,
        label=int(seen.labels[0]),
        differs=differs,
    )


def _laid_out(values: Float[Tensor, "k 1 *pixels"]) -> Float[np.ndarray, "k h w"]:
    """In two dimensions: a vector as one row, of more axes all but the last as one."""
    return values.reshape(len(values), -1, values.shape[-1]).cpu().numpy()


def _refuse_beyond(run: Run, index: int) -> None:
    count = run.question["data"]["examples"]
    if not 0 <= index < count:
        raise ResultError(f"{run.folder} has no example {index}; it has 0 to {count - 1}.")


def _refuse_fewer(run: Run, count: int) -> None:
    expected = run.question["data"]["examples"]
    if count != expected:
        raise DataError(
            f"the data have {count:,} examples, and {run.folder} was made of {expected:,}. "
            f"Give those as --data."
        )


def _row_differences(
    run: Run, known: pa.Table, index: int, name: str, label: int
) -> tuple[str, ...]:
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


def _differences(before: Mapping[str, Any], job: Job) -> tuple[str, ...]:
    """What decides on the numbers and is not as it was; not sizes, versions and devices."""
    now, was = job.question, before["checkpoints"]
    told = [
        words
        for (part, key), words in _DIFFERENT.items()
        if key in before.get(part, {}) and before[part][key] != now[part][key]
    ]
    if "other data" in told and isinstance(job.examples.read, ImageFiles):
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
    return tuple(told)
