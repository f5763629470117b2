"""Which form a run is written in: told by name, or by the ending of the file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.errors import ResultError, unknown
from vog.exports import cleanlab, fiftyone, label_studio, sample_weights
from vog.files.output_paths import output_path
from vog.result import Run
from vog.result.data_location import refuse_to_overwrite_inputs
from vog.result.run import FORMATS as TABLES


@dataclass(frozen=True)
class ToolFormat:
    """A form that one tool reads.

    Attributes:
        save: writes a run to a file; takes the run, the file, columns, and keywords.
        ending: of the file.
        takes: the keywords that it knows.
    """

    write: Callable[..., None]
    ending: str
    keywords: tuple[str, ...]


TOOL_FORMATS = {
    "cleanlab": ToolFormat(cleanlab.write_cleanlab, ".csv", ("planted", "safe_csv")),
    "fiftyone": ToolFormat(fiftyone.write_fiftyone, ".json", ("root", "planted")),
    "label-studio": ToolFormat(
        label_studio.write_label_studio, ".json", ("root", "planted", "data", "url_prefix", "count")
    ),
    "weights": ToolFormat(sample_weights.write_sample_weights, ".npy", ("planted",)),
}
FORMATS = (*TABLES, *TOOL_FORMATS)
_ENDINGS = {f".{name}": name for name in TABLES} | {".npy": "weights"}


def export(
    run: Run,
    out: str | Path,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    **how: Any,
) -> Path:
    """Write the rows of a run to one file, in the form that a tool reads.

    Args:
        run: the run.
        out: the file; replaced only when the new one is whole.
        format: csv, parquet or jsonl, the rows as they are; cleanlab, fiftyone, label-studio or
            weights. By default what the ending says: .csv, .parquet, .jsonl, .npy (weights).
        columns: stored or derived ones. Of the rows as they are these and no others, by default
            every stored one; for `weights` the one that is weighted by; else the scores that go
            with each row.
        how: what the form takes: `root`, the folder of the images if they have moved; `planted`,
            the record that the verdict is calibrated on; `safe_csv`, of csv and cleanlab, to
            write texts so that no spreadsheet runs them; see the modules for the others.

    Raises:
        ResultError: the file is the data or a part of the run; no such form, column or keyword;
            another ending than the form has; or the run lacks what the form needs.
    """
    out = output_path(out)
    refuse_to_overwrite_inputs(run, out)
    name = _format_name(out, format)
    form = TOOL_FORMATS.get(name)
    csv_keywords = ("safe_csv",) if name == "csv" else ()
    _refuse_unknown_keywords(name, csv_keywords if form is None else form.keywords, how)
    if form is None:
        return run.export(out, name, columns, **how)
    if out.suffix.lower() != form.ending:
        raise ResultError(f"{name} is a file that ends in {form.ending}, not {out}. Rename --out.")
    form.write(run, out, columns, **how)
    return out


def _format_name(out: Path, format: str | None) -> str:
    if format is None:
        if out.suffix.lower() not in _ENDINGS:
            raise ResultError(
                f"the format of {out} cannot be told from its name. End it in "
                f"{', '.join(_ENDINGS)}, or pass --format: {', '.join(FORMATS)}."
            )
        return _ENDINGS[out.suffix.lower()]
    if format not in FORMATS:
        raise ResultError(f"there is no format {format!r}.{unknown(format, FORMATS)}")
    return format


def _refuse_unknown_keywords(name: str, allowed: Sequence[str], keywords: dict[str, Any]) -> None:
    unexpected = [key for key in keywords if key not in allowed]
    if unexpected:
        choices = ", ".join(map(_option, allowed)) or "no option of its own"
        raise ResultError(
            f"the format {name} takes no {', '.join(map(_option, unexpected))}; it takes {choices}."
        )


def _option(keyword: str) -> str:
    return f"--{keyword.replace('_', '-')}"
