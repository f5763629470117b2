"""What one form of an export is: its files, its options, and how a run is written in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.result import Run
from vog.result.planting_record import load_planting_record
from vog.wording import SAFE_CSV_HELP


@dataclass(frozen=True)
class FormOption:
    """An option of a form: a keyword of `vog.export` and a flag of `vog export`.

    Attributes:
        name: the keyword, such as `url_prefix` for the flag `--url-prefix`.
        kind: the type of the flag: `str`, `int`, `Path`, or `bool` for a switch; None if only
            Python has the option.
        help: what it does, in a sentence.
        minimum: the smallest number that the flag takes.
        parse: makes the value of the keyword from that of the flag, if they differ.
    """

    name: str
    kind: type | None
    help: str
    minimum: int | None = None
    parse: Callable[[Any], Any] | None = None


ROOT = FormOption("root", Path, "Where the image files are, if they have moved.")
PLANTED = FormOption(
    "planted",
    Path,
    "A folder of `vog plant`, to calibrate the verdict on the labels.",
    parse=load_planting_record,
)
SAFE_CSV = FormOption("safe_csv", bool, SAFE_CSV_HELP)


def _no_lines(run: Run, out: Path) -> list[str]:
    return []


@dataclass(frozen=True)
class Form:
    """A form of an export; `vog.exports.registry.FORMS` lists all.

    Attributes:
        name: its name, such as `label-studio`.
        endings: the endings of its files; the first is that of the file that the caller names.
        write: writes a run to a file and returns the number of rows in it. It takes the run, the
            file, the columns or None, the `JudgedLabels` of the run, and its options as keywords.
        options: the options of the form. `PLANTED` goes into the judged labels, not to `write`.
        reader: the tool that reads the files, if the name does not say it.
        is_plain: True if it has the rows as they are, for no tool; its files may have any ending.
        by_ending: True if it is the form of files with its ending, unless another one is named.
        optional_verdict: True if it is written without a verdict on the labels too; the command
            then says why there is none.
        after: returns what the command prints afterwards, from the run and the file.
    """

    name: str
    endings: tuple[str, ...]
    write: Callable[..., int]
    options: tuple[FormOption, ...] = ()
    reader: str | None = None
    is_plain: bool = False
    by_ending: bool = False
    optional_verdict: bool = False
    after: Callable[[Run, Path], list[str]] = _no_lines
