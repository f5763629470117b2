"""The command that scores a dataset under the checkpoints of a training run."""

from typing import Annotated, Literal

import typer

from vog.cli import options, printing


def score(
    *,
    model: options.Model = None,
    checkpoints: options.Checkpoints,
    data: options.Data,
    out: options.OutFolder,
    weights: options.Weights = None,
    read: options.Read = None,
    names: options.Names = None,
    rest_from_model: options.RestFromModel = False,
    model_arg: options.ModelArg = None,
    root: options.Root = None,
    transform: options.Transform = None,
    exif: options.Exif = False,
    scores: Annotated[
        str | None,
        typer.Option(
            help="Names, separated by commas, or all. Default: all that need one backward pass. "
            "`vog scores` lists them."
        ),
    ] = None,
    target: options.Target = "logit",
    task: options.Task = "auto",
    channels: Annotated[
        Literal["mean", "keep"],
        typer.Option(help="Average gradients over colours first, or treat colours as pixels."),
    ] = "mean",
    layout: options.Layout = None,
    head: options.Head = None,
    wrt: options.Wrt = None,
    input: options.Input = None,
    label: options.Label = None,
    id: options.Id = None,
    stages: options.Stages = None,
    batch_size: options.BatchSize = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    memory: options.Memory = None,
    fold: options.Fold = True,
    compile: options.Compile = False,
    checkpoints_per_stage: options.PerStage = None,
    workers: options.Workers = None,
    limit: options.Limit = None,
    keep_probabilities: options.KeepProbabilities = None,
    features: options.Features = True,
    rows_per_part: options.RowsPerPart = None,
    dry_run: options.DryRun = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    r"""Score every example of a dataset under the checkpoints of a training run.

    Example:
      vog score --model mynet.py:build --checkpoints 'runs/*.pt' --data photos/train --out scores/a
    """
    import vog
    from vog.sweep.loop import sweep
    from vog.sweep.plan import plan
    from vog.sweep.prepare import prepare
    from vog.sweep.request import Request

    job = prepare(
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
            batch_size=options.number_or_word(batch_size),
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
    if dry_run or not quiet:
        printing.print_plan(plan(job, probe=dry_run), out)
    if dry_run:
        return
    with options.explain_interruption(overwrite):
        summary = sweep(job)
    run = vog.open(out)
    if not quiet:
        printing.print_problem_rows(run)
        printing.print_summary(summary, out, run.rows, len(job.files), job.batch_size)
        if "model" in job.notes:  # only noted if the model is not computed in the usual way
            typer.echo(f"Model: {job.notes['model']}.", err=True)
    printing.warn_label_agreement(run, also_high=not quiet)
    if not quiet:
        typer.echo(f"Next: vog top {out}")
