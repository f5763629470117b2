"""What a user asks for, in the words of the user, before anything is looked at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import nn

from vog.checkpoints import Reader, ReadSpec, StagesSpec
from vog.data import TransformSpec
from vog.scores import Score
from vog.scores.gradient import Channels, Layout

ModelSpec = str | nn.Module | Callable[..., nn.Module]
PrecisionSpec = Literal["float32", "bfloat16", "auto"]
TargetSpec = str | Callable[..., Any]


@dataclass(frozen=True)
class Request:
    """One scoring of one dataset; the attributes are the flags of `vog score`.

    Attributes:
        model: a module, a function that makes one, or `file.py:function`.
        checkpoints: globs, folders, files, or `@list.txt` in the order of training.
        data: a folder with one sub-folder a class, a list file, an `.npz`, a function that
            returns a dataset, a dataset, or `(inputs, labels)`. Without labels the target is
            `predicted`, and scores in which a label takes part are left out.
        out: the run folder; continued if it answers the same question.
        weights: which weights of a checkpoint that has several: a key, or keys joined by dots.
        read: reads a checkpoint in place of our readers, from a path to tensors or arrays by
            name: a function, or `file.py:function`.
        model_args: keywords for the function that makes the model.
        root: the folder that the paths of a list file are relative to.
        transform: "imagenet" (default for image files), "none", or a function.
        exif: turn image files as their EXIF says.
        scores: names or objects; None for all that need one backward pass, "all" for all.
        target: "logit", "probability", "loss", "predicted", or `(logits, labels) -> [n]`.
        channels: "mean" averages gradients over colours first, "keep" does not.
        layout: "channels-first", "channels-last" or "none": which axis of an example holds its
            colours; None for what its shape tells.
        stages: a number, `NAME=A:B,...`, or None for three where there are six checkpoints.
        batch_size: examples that are computed together; "auto" goes by their size
            and by memory.
        device: "auto", "cpu", "cuda" or "cuda:i".
        precision: "float32", "bfloat16", or "auto" for bfloat16 where VoG ranks the same in it.
        memory: what may be taken, as "4GB" or in bytes; None for 70 % of what is free.
        fold: compute batch norms with the convolutions before them, where that is the same.
        compile: with torch.compile, if it is faster.
        checkpoints_per_stage: only so many of each stage, evenly; None for all.
        workers: processes that read ahead; None for none with arrays, else by processors.
        limit: a fixed sample over classes of so many examples; None for all. A larger one goes on.
        keep_probabilities: store those of all classes too; None where rows of a fold are held out.
        rows_per_part: rows in each file of the run folder; None for about half a second of work.
        overwrite: start again: the rows that are in the folder are removed.
        quiet: no progress.
    """

    model: ModelSpec
    checkpoints: str | Path | Sequence[str | Path]
    data: Any
    out: Path
    weights: str | None = None
    read: ReadSpec | None = None
    model_args: Mapping[str, Any] = field(default_factory=dict)
    root: Path | None = None
    transform: TransformSpec = None
    exif: bool = False
    scores: str | Sequence[str | Score] | None = None
    target: TargetSpec = "logit"
    channels: Channels = "mean"
    layout: Layout | None = None
    stages: StagesSpec = None
    batch_size: int | str = "auto"
    device: str = "auto"
    precision: PrecisionSpec = "float32"
    memory: str | int | None = None
    fold: bool = True
    compile: bool = False
    checkpoints_per_stage: int | None = None
    workers: int | None = None
    limit: int | None = None
    keep_probabilities: bool | None = None
    rows_per_part: int | None = None
    overwrite: bool = False
    quiet: bool = False

    @property
    def reader(self) -> Reader:
        """Return how checkpoints are read."""
        return Reader(self.weights, self.read)
