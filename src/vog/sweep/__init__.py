"""Score a dataset under the checkpoints of a training run, and write a run folder."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vog.analysis.one_run.label_agreement import label_agreement
from vog.checkpoints import ReadSpec, StagesSpec
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
    model_args: Mapping[str, Any] | None = None,
    root: str | Path | None = None,
    transform: TransformSpec = None,
    exif: bool = False,
    scores: str | Sequence[str | Score] | None = None,
    target: TargetSpec = "logit",
    channels: Channels = "mean",
    layout: Layout | None = None,
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
    rows_per_part: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Run:
    """Score every example of `data` under every checkpoint, and open the result.

    The keywords are the flags of `vog score`; `vog.sweep.request.Request` explains each.
    A module given as `model` is restored afterwards. A run that was stopped is continued. Unless
    `quiet`, stderr shows how often the last checkpoint agrees with the labels: a low agreement
    reveals a wrong transform or a wrong order of classes; see `vog.label_agreement`.

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
            model_args=model_args or {},
            root=None if root is None else Path(root),
            transform=transform,
            exif=exif,
            scores=scores,
            target=target,
            channels=channels,
            layout=layout,
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
