"""The options that several commands share, and how their words become a request."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from vog.errors import FunctionError
from vog.files.output_paths import output_path

Model = Annotated[
    str, typer.Option(help="file.py:function or package.module:function that makes the model.")
]
Checkpoints = Annotated[
    list[str], typer.Option(help="Globs, files, a folder, or @list.txt in the order of training.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Which weights of a checkpoint that has several: a key, or keys joined by dots.",
    ),
]
Read = Annotated[
    str | None,
    typer.Option(
        help="file.py:function that reads a checkpoint in place of our readers, from a path to "
        "tensors or arrays by name."
    ),
]
Data = Annotated[
    str,
    typer.Option(
        help="A folder with one sub-folder a class, a list file of `path label` lines, an "
        ".npz (images or inputs, labels), or file.py:function that returns a Dataset. Labels may "
        "be missing with --target predicted."
    ),
]
ModelArg = Annotated[
    list[str] | None, typer.Option(metavar="K=V", help="A keyword for the model function.")
]
Root = Annotated[
    Path | None, typer.Option(help="The folder that the paths of a list file are relative to.")
]
Transform = Annotated[
    str | None,
    typer.Option(
        help="imagenet (default for image files), none, or file.py:function from an image "
        "(a row, for arrays) to a tensor."
    ),
]
Exif = Annotated[bool, typer.Option("--exif", help="Turn image files as their EXIF says.")]
Layout = Annotated[
    Literal["channels-first", "channels-last", "none"] | None,
    typer.Option(
        help="Which axis of an example holds its colours. Default: by its shape, where the first "
        "or the last of three axes alone is 1, 3 or 4."
    ),
]
Target = Annotated[
    str,
    typer.Option(
        help="What is differentiated: logit (of the label), probability, loss, predicted "
        "(logit of the class that the last checkpoint predicts), or file.py:function."
    ),
]
BatchSize = Annotated[
    str,
    typer.Option(
        metavar="N|auto", help="Examples computed together; halved where memory runs out."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")]
Precision = Annotated[
    Literal["float32", "bfloat16", "auto"],
    typer.Option(
        help="Of convolutions and linear layers. auto tries a sample in both and takes bfloat16 "
        "where VoG ranks the same (Spearman at least 0.995) and it is faster."
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="What may be taken, as 4GB: of the GPU if there is one. Default: 70 % of what is "
        "free. Decides on the batch size, and whether all checkpoints stay in memory.",
    ),
]
Fold = Annotated[
    bool,
    typer.Option(
        help="Compute batch norms with the convolutions before them, where that is the same."
    ),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Use torch.compile, if it is measured to be faster.")
]
PerStage = Annotated[
    int | None,
    typer.Option(
        "--checkpoints-per-stage",
        metavar="K",
        help="Only K checkpoints of each stage, evenly; a sample tells what that costs.",
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes that read ahead. Default: by processors.")
]
Limit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Only a fixed sample of N examples, over all classes. The same command with a larger "
        "N, or without, goes on with the rows that are missing.",
    ),
]
VerdictStage = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="STAGE",
        help="The stage whose checkpoints judge the labels. Default: the one that tells planted "
        "flips best, or all; of held-out rows the mean over the ends of all stages.",
    ),
]
KeepProbabilities = Annotated[
    bool | None,
    typer.Option(
        "--keep-probabilities/--no-probabilities",
        help="Store the probabilities of all classes at the end of each stage. Default: of rows "
        "that a fold holds out.",
        show_default=False,
    ),
]
RowsPerPart = Annotated[
    int | None,
    typer.Option(
        "--rows-per-part",
        metavar="N",
        help="Rows in each file of the run folder, in whole batches. Default: about half a second "
        "of work.",
    ),
]


def output(help: str) -> Any:
    """Return the option of a file or a folder that is written: refused here where it cannot be."""
    return typer.Option(parser=output_path, metavar="PATH", help=help)


OutFolder = Annotated[Path, output("The run folder to write, or to continue.")]
SafeCsv = Annotated[
    bool,
    typer.Option(
        "--safe-csv",
        help="Put ' before texts of a csv that begin with =, +, - or @, which spreadsheets run "
        "as formulas.",
    ),
]
Stages = Annotated[
    str | None,
    typer.Option(
        help="A number of equal stages, or NAME=START:STOP,... over the ordered checkpoints. "
        "Default: 3 (early, middle, late) with six checkpoints or more, else only `all`."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan with a time estimate, and stop.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Start again: the rows that are in --out are removed.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and warnings.")]
NoProgress = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


class ManyCheckpoints(TyperCommand):
    """Lets the shell expand a glob: `--checkpoints a.pt b.pt` is the option given twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its words."""
        repeated: list[str] = []
        option = "--checkpoints"
        following = False
        for word in args:
            if following and not word.startswith("-") and repeated[-1] != option:
                repeated.append(option)
            following = word == option or (following and not word.startswith("-"))
            repeated.append(word)
        return super().parse_args(ctx, repeated)


@contextmanager
def explain_interruption(overwrite: bool) -> Iterator[None]:
    """Says to whoever presses Ctrl-C that nothing is lost, and how to keep it so."""
    try:
        yield
    except KeyboardInterrupt:
        advice = " without --overwrite, which would start again," if overwrite else ""
        typer.echo(f"Stopped. Finished rows are kept: the same command{advice} goes on.", err=True)
        raise typer.Exit(130) from None


def parse_keywords(words: list[str] | None) -> dict[str, Any]:
    """`["num_classes=100"]` as `{"num_classes": 100}`: Python literals, or else text.

    Raises:
        FunctionError: a word is not of that form.
    """
    return dict(_parse_keyword(word) for word in words or [])


def split_list(text: str | None) -> list[str] | None:
    """`a, b` as ["a", "b"]; None where nothing is named."""
    parts = [word.strip() for word in (text or "").split(",") if word.strip()]
    return parts or None


def number_or_word(text: str) -> int | str:
    """`64` as a number, `auto` as it is."""
    return int(text) if text.isdecimal() else text


def _parse_keyword(word: str) -> tuple[str, Any]:
    """`num_classes=100` as ("num_classes", 100): a Python literal, or else text."""
    name, equals, value = word.partition("=")
    if not equals or not name.isidentifier():
        raise FunctionError(f"--model-arg {word!r}: expected NAME=VALUE, as num_classes=100.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
