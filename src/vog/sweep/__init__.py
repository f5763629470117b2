"""The asking: a folder of checkpoints and a dataset in, a folder of rows out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vog.checkpoints import StagesSpec
from vog.data import TransformSpec
from vog.result import Run, open_run
from vog.scores import Score
from vog.scores.gradient import Channels, Layout
from vog.sweep import prepare
from vog.sweep.request import ModelSpec, PrecisionSpec, Request, TargetSpec
from vog.sweep.run import sweep


def score(
    model: ModelSpec,
    checkpoints: str | Path | Sequence[str | Path],
    data: Any,
    out: str | Path,
    *,
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
    memory: str | None = None,
    fold: bool = True,
    compile: bool = False,
    checkpoints_per_stage: int | None = None,
    workers: int | None = None,
    limit: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Run:
    """Score every example of `data` under every checkpoint, and open the result.

    The keywords are the flags of `vog score`; `vog.sweep.request.Request` explains each.
    A module given as `model` is afterwards as it was. A run that was stopped goes on.

    Raises:
        VogError: whatever is wrong with the request, before anything is computed.
    """
    job = prepare.prepare(
        Request(
            model=model,
            checkpoints=checkpoints,
            data=data,
            out=Path(out),
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
            overwrite=overwrite,
            quiet=quiet,
        )
    )
    sweep(job)
    return open_run(out)
