"""The command that splits data into folds, to judge each example by a model without it."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options, printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs
from vog.errors import first_few


def folds(
    data: options.Data,
    out: Annotated[Path, options.output("The folder to write.")],
    folds: Annotated[int, typer.Option(help="The number of folds.")] = 5,
    root: options.Root = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same folds.")] = 0,
    form: PrintedAs = TableFormat.TABLE,
    quiet: options.Quiet = False,
) -> None:
    r"""Split data into folds: train on all but one, score that one, and judge labels unseen.

    Each fold has two files, train and held_out: list files, or .npz files if the data are an .npz.
    For each fold, train on the first and score the second; then combine the runs. Every label is
    then judged by a model that was not trained on it.

    Example:
      vog folds --data photos/train --folds 5 --out folds
    """
    from vog.data.folds.fold_record import FILE
    from vog.data.folds.write_folds import folds as write_folds

    existed = (out / FILE).exists()
    record = write_folds(data, out, folds=folds, root=root, seed=seed, quiet=quiet)
    if quiet:
        return
    counts = [
        {
            "fold": number,
            "trains on": len(record.rows(number, held_out=False)),
            "holds out": len(record.rows(number, held_out=True)),
        }
        for number in range(record.folds)
    ]
    printing.print_table(counts, form)
    if record.single_example_classes:
        names = [
            str(record.label_names[code] if record.label_names else code)
            for code in record.single_example_classes
        ]
        typer.echo(
            f"The classes {first_few(names)} have a single example each. The model that judges it "
            f"was not trained on its class, so it cannot judge it.",
            err=True,
        )
    ending = record.ending
    if record.kind == "dataset":
        train = f"vog.fold(dataset, {str(out)!r}, I).train, in Python"
    else:
        train = f"{out}/fold-I/train{ending}" + (
            f", paths below {record.root}" if record.root else ""
        )
    typer.echo(
        f"{out}: {len(record.held_out_by):,} examples, each held out once"
        f"{' (was there already)' if existed else ''}\n"
        f"Next: for each fold I from 0 to {record.folds - 1}, train on {train}, then\n"
        f"  vog score --data {out}/fold-I/held_out{ending} --model ... --checkpoints ... "
        f"--out scores/fold-I\n"
        f"  vog combine --folds scores/fold-* --out scores/held-out\n"
        f"  vog suspects scores/held-out",
        err=form is not TableFormat.TABLE,
    )
