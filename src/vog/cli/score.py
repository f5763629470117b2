"""The command that scores a dataset under the checkpoints of a training run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vog.cli import options, show

if TYPE_CHECKING:
    from vog.sweep.plan import Plan


def score(
    model: options.Model,
    checkpoints: options.Checkpoints,
    data: options.Data,
    out: options.OutFolder,
    model_arg: options.ModelArg = None,
    root: options.Root = None,
    transform: options.Transform = None,
    scores: Annotated[
        str | None,
        typer.Option(
            help="Names with commas between, or all. Default: all that need one backward pass. "
            "`vog scores` lists them."
        ),
    ] = None,
    target: options.Target = "logit",
    channels: Annotated[
        Literal["mean", "keep"],
        typer.Option(help="Average gradients over colours first, or treat colours as pixels."),
    ] = "mean",
    stages: options.Stages = None,
    batch_size: options.BatchSize = "auto",
    device: options.Device = "auto",
    workers: options.Workers = None,
    limit: options.Limit = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan with a time estimate, and stop.")
    ] = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    r"""Score every example of a dataset under the checkpoints of a training run.

    Example:
      vog score --model mynet.py:build --checkpoints 'runs/*.pt' --data photos/train --out scores/a
    """
    import vog
    from vog.sweep.job import prepare
    from vog.sweep.plan import plan
    from vog.sweep.request import Request
    from vog.sweep.run import sweep

    job = prepare(
        Request(
            model=model,
            checkpoints=checkpoints,
            data=data,
            out=out,
            model_args=options.keywords(model_arg),
            root=root,
            transform=transform,
            scores=scores,
            target=target,
            channels=channels,
            stages=stages,
            batch_size=options.number_or_word(batch_size),
            device=device,
            workers=workers,
            limit=limit,
            overwrite=overwrite,
            quiet=quiet,
        )
    )
    if dry_run or not quiet:
        _print_plan(plan(job, probe=dry_run), out)
    if dry_run:
        return
    with options.kept_when_stopped(overwrite):
        summary = sweep(job)
    if not quiet:
        run = vog.open(out)
        show.marked(run)
        show.summary(summary, out, run.rows, len(job.files))
        typer.echo(f"Next: vog top {out}")


def _print_plan(plan: "Plan", out: Path) -> None:
    stages = ", ".join(f"{name} {a}:{b}" for name, (a, b) in plan.stages.items())
    done = f" ({plan.done:,} of them done already)" if plan.done else ""
    left_out = f" (not {', '.join(plan.left_out)}: no linear head)" if plan.left_out else ""
    lines = {
        "examples": f"{plan.examples:,}{done}",
        "checkpoints": f"{plan.checkpoints}, step {plan.steps[0]} to {plan.steps[1]}",
        "stages": stages,
        "scores": ", ".join(plan.scores) + left_out,
        "target": f"{plan.target} on {plan.device}",
        "weights": f"{plan.weights_bytes / 1e6:,.1f} MB in memory",
        "batch size": f"{plan.batch_size}, {plan.workers} worker processes",
        "run folder": str(out),
    }
    if plan.seconds is not None:
        lines["estimate"] = (
            f"{show.duration(plan.seconds)} from two probe batches; nothing is written"
        )
    console = show.console_for(stderr=True)
    for name, value in lines.items():
        console.print(f"{name:12} {value}")
