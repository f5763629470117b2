"""Score a dataset under the checkpoints of a training run, and write a run folder."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vog.analysis.one_run.label_agreement import label_agreement
from vog.checkpoints import NamesSpec, ReadSpec, StagesSpec
from vog.data import TransformSpec
from vog.files.output_paths import output_path
from vog.result import Run, open_run
from vog.scores import Score
from vog.scores.gradient import Channels, Layout
from vog.sweep import prepare
from vog.sweep.loop import sweep
from vog.sweep.request import ModelSpec, PrecisionSpec, Request, TargetSpec


def score(
    model: ModelSpec,
    checkpoints: str | Path | Sequence[str | Path],
    data: Any,
    out: str | Path,
    *,
    weights: str | None = None,
    read: ReadSpec | None = None,
    names: NamesSpec | None = None,
    rest_from_model: bool = False,
    model_args: Mapping[str, Any] | None = None,
    root: str | Path | None = None,
    transform: TransformSpec = None,
    exif: bool = False,
    scores: str | Sequence[str | Score] | None = None,
    target: TargetSpec = "logit",
    task: str = "auto",
    channels: Channels = "mean",
    layout: Layout | None = None,
    head: str | None = None,
    wrt: str | None = None,
    input: str | Sequence[str] | None = None,
    label: str | None = None,
    id: str | None = None,
    stages: StagesSpec = None,
    batch_size: int | str = "auto",
    device: str = "auto",
    precision: PrecisionSpec = "float32",
    memory: str | int | None = None,
    fold: bool = True,
    compile: bool = False,
    checkpoints_per_stage: int | None = None,
    workers: int | None = None,
    limit: int | None = None,
    keep_probabilities: bool | None = None,
    features: bool = True,
    rows_per_part: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Run:
    """Score every example of `data` under every checkpoint, and open the result.

    The arguments are the flags of `vog score`. A module given as `model` is restored afterwards. A
    run that was stopped is continued. Unless `quiet`, stderr shows how often the last checkpoint
    agrees with the labels: a low agreement reveals a wrong transform or a wrong order of classes;
    see `vog.label_agreement`.

    Args:
        model: a module, a function that builds one, or `file.py:function`; or any object that has
            `observe`, see `vog.models.own_model`; or a network of JAX, also `jax:file.py:function`;
            or a model by name: `hf:FOLDER`, `timm:NAME`, `torchvision:NAME`. None if checkpoints
            are folders of transformers, which name their model.
        checkpoints: globs, folders, files, or `@list.txt` in the order of training.
        data: a folder with one sub-folder per class, a list file, a table, an archive, an `.npz`,
            a function that returns a dataset, a dataset, a data frame, or `(inputs, labels)`.
            Data without labels need the target `predicted`; scores that use labels are then left
            out.
        out: the run folder; continued if it answers the same question.
        weights: which weights of a checkpoint that has several: a key, or keys joined by dots; for
            TensorFlow, a suffix of variables that take the place of others.
        read: a function, or `file.py:function`, that reads a checkpoint instead of our readers:
            it takes a path and returns tensors or arrays by name.
        names: from the names in a checkpoint to those of the model: a mapping, a file of JSON, a
            function, or `file.py:function`.
        rest_from_model: take what a checkpoint lacks and the model does not train, such as a frozen
            backbone, from the model as it was built.
        model_args: keywords for the function that builds the model.
        root: the folder that the paths of a list file are relative to.
        transform: "imagenet" (default for image files), "tf1", "none", `hf:FOLDER`, `timm:NAME`, or
            a function. A transform that comes with the model is the default.
        exif: rotate image files as their EXIF orientation says.
        scores: names or objects; None for all that need one backward pass, "all" for all.
        target: "logit", "probability", "loss", "predicted", or `(logits, labels) -> [n]`.
        task: "auto", or what labels are: "classification", "binary", "multi-label", "regression",
            "tokens" or "next-token"; see `docs/tasks.md`.
        channels: "mean" averages gradients over colours first, "keep" does not.
        layout: "channels-first", "channels-last" or "none": which axis of an example holds its
            colours; None for what the model says, or else its shape.
        head: the name of the linear layer whose output is that of the model; None to find it.
        wrt: differentiate with respect to the output of this module of the model, by its name;
            "embeddings" for the input embedding. None for the inputs, or for the input embedding
            if none of them is of floats.
        input: the keys of the input in items that are dicts, or one text with commas between
            them; None for those that the model takes by name, or a key such as `pixel_values`.
        label: the key of the label in such items, or the column of a table; None for `label` or
            `labels`, in a table also `target`, `class` or `y`.
        id: the column of ids in a table; None for row numbers.
        stages: a number, `NAME=A:B,...`, or None for three if there are at least six checkpoints.
        batch_size: examples that are computed together; "auto" decides by their size and by
            memory.
        device: "auto", "cpu", "cuda" or "cuda:i".
        precision: "float32", "bfloat16", or "auto" for bfloat16 where VoG ranks the same in it.
        memory: bytes that may be used, or a size such as "4GB"; None for 70 % of free memory.
        fold: fold batch norms into the convolutions before them if that gives the same numbers.
        compile: use torch.compile if it is faster.
        checkpoints_per_stage: use N checkpoints of each stage, evenly spaced; None for all.
        workers: processes that read ahead; None for 0 with arrays, else by processors.
        limit: score a fixed sample of N examples over all classes; None for all. A larger limit
            continues the run.
        keep_probabilities: also store the probabilities of all classes; None to do so if the rows
            of a fold are held out.
        features: also store the input of the last linear layer under the last checkpoint, projected
            to 32 numbers, if the model has such a layer.
        rows_per_part: rows in each file of the run folder; None for about half a second of work.
        overwrite: start again, and remove the rows that are in the folder.
        quiet: show no progress.

    Raises:
        VogError: something is wrong with the request. It is raised before anything is computed.
    """
    job = prepare.prepare(
        Request(
            model=model,
            checkpoints=checkpoints,
            data=data,
            out=output_path(out),
            weights=weights,
            read=read,
            names=names,
            rest_from_model=rest_from_model,
            model_args=model_args or {},
            root=None if root is None else Path(root),
            transform=transform,
            exif=exif,
            scores=scores,
            target=target,
            task=task,
            channels=channels,
            layout=layout,
            head=head,
            wrt=wrt,
            input=input,
            label=label,
            id=id,
            stages=stages,
            batch_size=batch_size,
            device=device,
            precision=precision,
            memory=memory,
            fold=fold,
            compile=compile,
            checkpoints_per_stage=checkpoints_per_stage,
            workers=workers,
            limit=limit,
            keep_probabilities=keep_probabilities,
            features=features,
            rows_per_part=rows_per_part,
            overwrite=overwrite,
            quiet=quiet,
        )
    )
    sweep(job)
    run = open_run(out)
    agreement = None if quiet else label_agreement(run)
    if agreement is not None:
        sys.stderr.write(f"{agreement.warning or agreement.sentence}\n")
    return run
