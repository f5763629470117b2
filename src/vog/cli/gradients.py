"""The command that stores gradients in the layout of the VoG authors."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options, printing


def gradients(
    *,
    model: options.Model = None,
    checkpoints: options.Checkpoints,
    data: options.Data,
    out: Annotated[Path, options.output("The folder to write, or to continue.")],
    weights: options.Weights = None,
    read: options.Read = None,
    names: options.Names = None,
    rest_from_model: options.RestFromModel = False,
    model_arg: options.ModelArg = None,
    root: options.Root = None,
    transform: options.Transform = None,
    exif: options.Exif = False,
    target: options.Target = "logit",
    layout: options.Layout = None,
    images: Annotated[
        bool, typer.Option(help="Copy the image files beside the gradients of the last checkpoint.")
    ] = True,
    batch_size: options.BatchSize = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    memory: options.Memory = None,
    fold: options.Fold = True,
    compile: options.Compile = False,
    workers: options.Workers = None,
    limit: options.Limit = None,
    rows_per_part: options.RowsPerPart = None,
    dry_run: options.DryRun = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    r"""Store the gradient of every example under every checkpoint, colours averaged.

    The layout is that of the VoG authors: weight_STEP/grad_NNNNN.npy, ground_truth.npy,
    pred_label.npy, classified_flag.npy. `vog import` scores what is stored. If you need only
    scores, use `vog score`: it computes the same numbers in one pass and stores no gradient.

    Example:
      vog gradients --model mynet.py:build --checkpoints runs/a --data train.txt --out train_results
    """
    from vog.gradients.store import prepare_storing, store
    from vog.sweep.plan import plan
    from vog.sweep.request import Request

    storing = prepare_storing(
        Request(
            model=model,
            checkpoints=checkpoints,
            data=data,
            out=out,
            weights=weights,
            read=read,
            names=names,
            rest_from_model=rest_from_model,
            model_args=options.parse_keywords(model_arg),
            root=root,
            transform=transform,
            exif=exif,
            target=target,
            layout=layout,
            batch_size=options.number_or_word(batch_size),
            device=device,
            precision=precision,
            memory=memory,
            fold=fold,
            compile=compile,
            workers=workers,
            limit=limit,
            rows_per_part=rows_per_part,
            overwrite=overwrite,
            quiet=quiet,
        ),
        images,
    )
    job, count = storing.job, len(storing.job.examples)
    if dry_run or not quiet:
        printing.print_plan(plan(job, probe=dry_run), out, count * storing.bytes_per_example)
    if dry_run:
        return
    with options.explain_interruption(overwrite):
        summary = store(storing)
    if not quiet:
        printing.print_summary(summary, out, count, len(job.files), job.batch_size)
        typer.echo(f"Next: vog import {out} --out RUN")
