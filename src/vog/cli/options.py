"""The options that several commands share, and functions that parse their values."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from vog.errors import FunctionError
from vog.files.output_paths import output_path
from vog.wording import SAFE_CSV_HELP

Model = Annotated[
    str | None,
    typer.Option(
        help="file.py:function or package.module:function that makes the model. With jax: before "
        "it, a network of Flax or Equinox. Or a model by name: hf:FOLDER, timm:NAME, "
        "torchvision:NAME. Folders of transformers, such as those of Trainer, name their model.",
        show_default=False,
    ),
]
Checkpoints = Annotated[
    list[str], typer.Option(help="Globs, files, a folder, or @list.txt in the order of training.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="The weights to use of a checkpoint that has several: a key, or keys joined by dots; "
        "for TensorFlow a suffix such as ExponentialMovingAverage.",
    ),
]
Read = Annotated[
    str | None,
    typer.Option(
        help="file.py:function that reads a checkpoint instead of our readers: it takes a path and "
        "returns tensors or arrays by name."
    ),
]
Names = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="A file.json of names in the checkpoint with names in the model, or file.py:function "
        "that takes arrays by name and returns them by the names of the model.",
    ),
]
RestFromModel = Annotated[
    bool,
    typer.Option(
        "--rest-from-model",
        help="Take what a checkpoint lacks and the model does not train, such as a frozen "
        "backbone, from the model as it was built.",
    ),
]
Data = Annotated[
    str,
    typer.Option(
        help="A folder with one sub-folder per class, a list file of `path label` lines, a "
        "table (.csv, .parquet, ...), an archive, an .npz (images or inputs, labels) or other "
        "arrays, a saved Hugging Face dataset, or file.py:function that returns a Dataset. Labels "
        "may be missing with --target predicted."
    ),
]
ModelArg = Annotated[
    list[str] | None, typer.Option(metavar="K=V", help="A keyword argument of the model function.")
]
Root = Annotated[
    Path | None,
    typer.Option(help="The folder that the paths of a list file or a table are relative to."),
]
Transform = Annotated[
    str | None,
    typer.Option(
        help="imagenet (default for image files), tf1 (the same, resized as TensorFlow 1 does), "
        "none, hf:FOLDER, timm:NAME, or file.py:function that turns an image (for arrays, a row) "
        "into a tensor. Default for a model that brings one: its own."
    ),
]
Exif = Annotated[bool, typer.Option("--exif", help="Rotate image files as their EXIF data say.")]
Layout = Annotated[
    Literal["channels-first", "channels-last", "none"] | None,
    typer.Option(
        help="Which axis of an example holds its colours. Default: what the model says, or else "
        "the first or the last of three axes, if only that one has length 1, 3 or 4."
    ),
]
Head = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The linear layer that computes the logits, by its name in the model. Default: found "
        "by a run on a few examples. grand and the stored features need it.",
    ),
]
Wrt = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Differentiate with respect to the output of this module of the model, by its name; "
        "embeddings is the input embedding. Default: the inputs, or for whole numbers such as "
        "tokens the input embedding.",
    ),
]
Input = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        help="The key of the input in items that are dicts; several, by commas or by repeating "
        "the option, are passed to the model by name. Default: those that the model takes, or "
        "pixel_values, image, inputs, input_ids or text.",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="The key of the label in such items, or the column of a table. Default: label or "
        "labels; in a table also target, class or y.",
    ),
]
Id = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="The column of ids in a table. Default: row numbers."),
]
Target = Annotated[
    str,
    typer.Option(
        help="What is differentiated: logit (of the label), probability, loss, predicted "
        "(logit of the class that the last checkpoint predicts), or file.py:function."
    ),
]
Task = Annotated[
    str,
    typer.Option(
        help="What labels are: auto, classification, binary (one logit), multi-label, regression, "
        "tokens (a class for each token or pixel), or next-token (causal language models)."
    ),
]
BatchSize = Annotated[
    str,
    typer.Option(metavar="N|auto", help="Examples computed together; halved if memory runs out."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")]
Precision = Annotated[
    Literal["float32", "bfloat16", "auto"],
    typer.Option(
        help="Precision of convolutions and linear layers. auto tries both on a sample, and takes "
        "bfloat16 if it is faster and VoG ranks the same (Spearman at least 0.995)."
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="How much memory to use, such as 4GB: of the GPU if there is one. Default: 70 % of "
        "what is free. Sets the batch size, and whether all checkpoints stay in memory.",
    ),
]
Fold = Annotated[
    bool,
    typer.Option(
        help="Fold batch norms into the convolutions before them, where the result is the same."
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
        help="Use only K evenly spaced checkpoints of each stage; a sample shows what that costs.",
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes that read data ahead. Default: by the number of CPUs.")
]
Limit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Score only a fixed sample of N examples from all classes. The same command with a "
        "larger N, or without --limit, continues with the missing rows.",
    ),
]
VerdictStage = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="STAGE",
        help="The stage whose checkpoints judge the labels. Default: the one that finds planted "
        "flips best, or all; for held-out rows, the mean over the ends of all stages.",
    ),
]
Features = Annotated[
    bool,
    typer.Option(
        "--features/--no-features",
        help="Store the input of the last linear layer, projected to 32 numbers, if the model has "
        "such a layer.",
    ),
]
KeepProbabilities = Annotated[
    bool | None,
    typer.Option(
        "--keep-probabilities/--no-probabilities",
        help="Store the probabilities of all classes at the end of each stage. Default: for "
        "rows that a fold holds out.",
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
    """Return an option for a path to write; one that cannot be written is refused."""
    return typer.Option(parser=output_path, metavar="PATH", help=help)


OutFolder = Annotated[Path, output("The run folder to write, or to continue.")]
SafeCsv = Annotated[
    bool,
    typer.Option(
        "--safe-csv",
        help=SAFE_CSV_HELP,
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
    bool, typer.Option("--overwrite", help="Start again: remove the rows that are in --out.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and warnings.")]
NoProgress = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


class ManyCheckpoints(TyperCommand):
    """A command that takes `--checkpoints a.pt b.pt`, such as from a glob, as two options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its values, then parse."""
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
    """On Ctrl-C, print that finished rows are kept and how to continue, and exit with 130."""
    try:
        yield
    except KeyboardInterrupt:
        note = " without --overwrite, which would start again," if overwrite else ""
        typer.echo(f"Stopped. Finished rows are kept; the same command{note} continues.", err=True)
        raise typer.Exit(130) from None


def parse_keywords(words: list[str] | None) -> dict[str, Any]:
    """Return `["num_classes=100"]` as `{"num_classes": 100}`: Python literals, or else text.

    Raises:
        FunctionError: a word is not NAME=VALUE.
    """
    return dict(_parse_keyword(word) for word in words or [])


def split_list(text: str | None) -> list[str] | None:
    """Return `a, b` as ["a", "b"], or None if there are no names."""
    parts = [word.strip() for word in (text or "").split(",") if word.strip()]
    return parts or None


def number_or_word(text: str) -> int | str:
    """Return `64` as a number and `auto` as text."""
    return int(text) if text.isdecimal() else text


def _parse_keyword(word: str) -> tuple[str, Any]:
    """Return `num_classes=100` as ("num_classes", 100): a Python literal, or else text."""
    name, equals, value = word.partition("=")
    if not equals or not name.isidentifier():
        raise FunctionError(f"--model-arg {word!r}: expected NAME=VALUE, such as num_classes=100.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
