"""Commands that make a run folder: from a model and checkpoints, or from stored gradients."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from vog.cli import show
from vog.errors import FunctionError

if TYPE_CHECKING:
    from vog.result import Run
    from vog.sweep.plan import Plan
    from vog.sweep.run import Summary

OutFolder = Annotated[Path, typer.Option(help="The run folder to write, or to continue.")]
Stages = Annotated[
    str | None,
    typer.Option(
        help="A number of equal stages, or NAME=START:STOP,... over the ordered checkpoints. "
        "Default: 3 (early, middle, late) with six checkpoints or more, else only `all`."
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Start again: the rows that are in --out are removed.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


class ManyCheckpoints(TyperCommand):
    """Lets the shell expand a glob: `--checkpoints a.pt b.pt` is the option given twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its words."""
        spread: list[str] = []
        option = "--checkpoints"
        following = False
        for word in args:
            if following and not word.startswith("-") and spread[-1] != option:
                spread.append(option)
            following = word == option or (following and not word.startswith("-"))
            spread.append(word)
        return super().parse_args(ctx, spread)


def score(
    model: Annotated[
        str, typer.Option(help="file.py:function or package.module:function that makes the model.")
    ],
    checkpoints: Annotated[
        list[str],
        typer.Option(help="Globs, files, a folder, or @list.txt in the order of training."),
    ],
    data: Annotated[
        str,
        typer.Option(
            help="A folder with one sub-folder a class, a list file of `path label` lines, an "
            ".npz (images or inputs, labels), or file.py:function that returns a Dataset."
        ),
    ],
    out: OutFolder,
    model_arg: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A keyword for the model function.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="The folder that the paths of a list file are relative to.")
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option(
            help="imagenet (default for image files), none, or file.py:function from an image "
            "(a row, for arrays) to a tensor."
        ),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            help="Names with commas between, or all. Default: all that need one backward pass. "
            "`vog scores` lists them."
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            help="What is differentiated: logit (of the label), probability, loss, predicted "
            "(logit of the class that the last checkpoint predicts), or file.py:function."
        ),
    ] = "logit",
    channels: Annotated[
        Literal["mean", "keep"],
        typer.Option(help="Average gradients over colours first, or treat colours as pixels."),
    ] = "mean",
    stages: Stages = None,
    batch_size: Annotated[
        str, typer.Option(metavar="N|auto", help="Examples computed together.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(help="Processes that read ahead. Default: by processors.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many examples.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan with a time estimate, and stop.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
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
            model_args=dict(_keyword(word) for word in model_arg or []),
            root=root,
            transform=transform,
            scores=scores,
            target=target,
            channels=channels,
            stages=stages,
            batch_size=int(batch_size) if batch_size.isdecimal() else batch_size,
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
    with _kept_when_stopped():
        summary = sweep(job)
    if not quiet:
        _print_summary(summary, vog.open(out), len(job.files))


def import_gradients(
    folder: Annotated[
        Path, typer.Argument(help="Holds weight_STEP/grad_NNNNN.npy, ground_truth.npy, ...")
    ],
    out: OutFolder,
    stages: Stages = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    r"""Score gradients that were stored in the layout of the VoG authors.

    Example:
      vog import train_results --out scores/imagenet
    """
    from vog.sweep.stored import import_stored

    with _kept_when_stopped():
        run = import_stored(folder, out, stages, overwrite, quiet)
    if not quiet:
        _print_marked(run)
        typer.echo(f"{out}: {run.rows:,} rows. Next: vog top {out}")


@contextmanager
def _kept_when_stopped() -> Iterator[None]:
    """Says to whoever presses Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped. Finished rows are kept: the same command goes on.", err=True)
        raise typer.Exit(130) from None


def _keyword(word: str) -> tuple[str, Any]:
    """`num_classes=100` as ("num_classes", 100): a Python literal, or else text."""
    name, equals, value = word.partition("=")
    if not equals or not name.isidentifier():
        raise FunctionError(f"--model-arg {word!r}: expected NAME=VALUE, as num_classes=100.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


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
        lines["estimate"] = f"{_duration(plan.seconds)} from two probe batches; nothing is written"
    console = show.console_for(stderr=True)
    for name, value in lines.items():
        console.print(f"{name:12} {value}")


def _print_summary(summary: "Summary", run: "Run", checkpoints: int) -> None:
    _print_marked(run)
    if summary.rows == 0:
        typer.echo(f"{run.folder}: all {run.rows:,} rows were there already.")
        return
    rate = summary.rows / summary.seconds
    typer.echo(
        f"{run.folder}: {summary.rows:,} rows in {_duration(summary.seconds)}, "
        f"{rate:,.0f} examples or {rate * checkpoints:,.0f} examples x checkpoints a second; "
        f"{summary.bottleneck}."
    )
    typer.echo(f"Next: vog top {run.folder}")


def _print_marked(run: "Run") -> None:
    problems = run.problems().to_pylist()
    if problems:
        typer.echo(f"{len(problems):,} of {run.rows:,} rows are marked:", err=True)
        for row in problems[:10]:
            typer.echo(f"  {row['id']}: {row['problem']}", err=True)
        if len(problems) > 10:
            typer.echo(f"  ... and {len(problems) - 10:,} more, in column `problem`", err=True)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 60 else f"{minutes / 60:.1f} h"
