"""The command that plants known faults into a copy of data."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs
from vog.errors import DataError

if TYPE_CHECKING:
    from vog.result.planting_record import Planted

_SHARE = "SHARE"


def plant(
    data: options.Data,
    out: Annotated[Path, options.output("The folder to write.")],
    root: options.Root = None,
    flip: Annotated[
        str,
        typer.Option(
            metavar=_SHARE,
            help="The share of examples that get the label of another class, such as 5% or 0.05.",
        ),
    ] = "0",
    duplicate: Annotated[
        str,
        typer.Option(
            metavar=_SHARE, help="The share to add a second time, moved by a pixel or two."
        ),
    ] = "0",
    corrupt: Annotated[
        str,
        typer.Option(metavar=_SHARE, help="The share to make hard to see: see --corruptions."),
    ] = "0",
    outside: Annotated[
        str,
        typer.Option(
            metavar=_SHARE,
            help="The share of examples of no class to add: examples with their patches or "
            "columns shuffled, and noise, or examples of --outside-from.",
        ),
    ] = "0",
    threshold: Annotated[
        bool,
        typer.Option(
            "--threshold",
            help="Move 1 of (classes + 1) examples to an extra class, which AUM needs; the model "
            "must have one class more.",
        ),
    ] = False,
    flip_kind: Annotated[
        str,
        typer.Option(
            help="Which labels are flipped: uniform, any to any other class; class, a part of one "
            "class to another; boundary, ambiguous ones to their runner-up (needs --run); "
            "cluster, groups of similar examples.",
        ),
    ] = "uniform",
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="For --flip-kind boundary: a run of the same data, to find what is ambiguous "
            "for its model.",
        ),
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(
            help="How often which label becomes which: a .csv with class names in its first row "
            "(given) and column (true), or a square .npy. Default: all others equally."
        ),
    ] = None,
    corruptions: Annotated[
        str, typer.Option(help="Names, separated by commas; equally many of each.")
    ] = "noise,blur,occlusion",
    outside_from: Annotated[
        str | None,
        typer.Option(help="Data in a form of --data, from which to take the examples of no class."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed plants the same faults.")] = 0,
    link: Annotated[
        bool,
        typer.Option("--link", help="Hard-link unchanged image files instead of copying."),
    ] = False,
    form: PrintedAs = TableFormat.TABLE,
    quiet: options.Quiet = False,
) -> None:
    r"""Plant known faults into a copy of your data, to see which score finds them.

    Train on the copy and score it; `vog verify` then compares the scores with what was planted.
    The originals are not touched. A Dataset is not copied: a function is written that returns it
    with the faults.

    Example:
      vog plant --data photos/train --flip 5% --duplicate 1% --corrupt 2% --out planted
    """
    from vog.planting import plant as plant_into
    from vog.result.planting_record import QUESTION

    shares = {"flip": flip, "duplicate": duplicate, "corrupt": corrupt, "outside": outside}
    existed = (out / QUESTION).exists()
    planted = plant_into(
        data,
        out,
        root=root,
        **{kind: _parse_share(word, f"--{kind}") for kind, word in shares.items()},
        threshold=threshold,
        flip_kind=flip_kind,
        run=earlier,
        confusion=confusion,
        corruptions=options.split_list(corruptions) or [],
        outside_from=outside_from,
        seed=seed,
        link=link,
        quiet=quiet,
    )
    if not quiet:
        _print_planted(planted, out, existed, form)


def _print_planted(planted: "Planted", out: Path, existed: bool, form: TableFormat) -> None:
    """Print what was planted to stdout; what to do next too if that is a table, else to stderr."""
    from vog.data.kinds import source_of

    counts = Counter((fault.kind, fault.method) for fault in planted.plants)
    printing.print_table(
        [{"kind": kind, "how": how, "examples": count} for (kind, how), count in counts.items()],
        form,
    )
    data = planted.question["data"]
    path = out / data["planted"]
    data_args = f"{path} --root {out / 'data'}" if source_of(path).uses_root else f"{path}"
    state = "was there already, finished" if existed else f"was {data['was']:,} before"
    typer.echo(
        f"{path}: {data['examples']:,} examples ({state})\n"
        f"Next: train on {path}{_threshold_note(planted)}, then\n"
        f"  vog score --data {data_args} --model ... --checkpoints ... --out RUN\n"
        f"  vog verify RUN --planted {out}",
        err=form is not TableFormat.TABLE,
    )


def _threshold_note(planted: "Planted") -> str:
    label = next((fault.label for fault in planted.plants if fault.kind == "threshold"), None)
    return "" if label is None else f" with a model of {label + 1} classes"


def _parse_share(word: str, option: str) -> float:
    """Return `5%` or `0.05` as 0.05."""
    percent = word.strip().endswith("%")
    try:
        number = float(word.strip().removesuffix("%"))
    except ValueError:
        number = float("nan")
    share = number / 100 if percent else number
    if 0 <= share < 1 or (percent and share == 1):
        return share
    raise DataError(
        f"{option} {word}: expected a share of the examples, such as 5% or 0.05, from 0 to 100%."
    )
