"""`export`: writes a run in a format that is given by name or by the ending of the file."""

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
from vog.wording import option


@dataclass(frozen=True)
class ToolFormat:
    """A format that one tool reads.

    Attributes:
        write: writes a run to a file; takes the run, the file, columns, and keywords.
        ending: the required ending of the file.
        keywords: the keywords that `write` accepts.
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
    **options: Any,
) -> Path:
    """Write the rows of a run to one file, in the format of a tool.

    Args:
        run: the run.
        out: the file; an existing one is replaced only when the new one is complete.
        format: csv, parquet or jsonl for the plain rows; cleanlab, fiftyone, label-studio or
            weights. By default from the ending: .csv, .parquet, .jsonl, .npy (weights).
        columns: stored or derived columns. For plain rows exactly these, by default every stored
            column; for `weights` the one score to weight by; otherwise the scores to add to each
            row.
        options: those of the format: `root`, the folder of the images if they have moved;
            `planted`, the record to calibrate the verdict on; `safe_csv`, for csv and cleanlab, so
            that no spreadsheet runs texts as formulas. See the modules for the rest.

    Raises:
        ResultError: the file is the data or a part of the run; there is no such format, column
            or keyword; the ending does not fit the format; or the run lacks what it needs.
    """
    out = output_path(out)
    refuse_to_overwrite_inputs(run, out)
    name = _format_name(out, format)
    form = TOOL_FORMATS.get(name)
    csv_keywords = ("safe_csv",) if name == "csv" else ()
    _refuse_unknown_keywords(name, csv_keywords if form is None else form.keywords, options)
    if form is None:
        return run.export(out, name, columns, **options)
    if out.suffix.lower() != form.ending:
        raise ResultError(f"{name} files end in {form.ending}, not {out}. Rename {option('out')}.")
    form.write(run, out, columns, **options)
    return out


def _format_name(out: Path, format: str | None) -> str:
    if format is None:
        if out.suffix.lower() not in _ENDINGS:
            raise ResultError(
                f"the name of {out} does not give the format. End it in {', '.join(_ENDINGS)}, or "
                f"pass {option('format')}: {', '.join(FORMATS)}."
            )
        return _ENDINGS[out.suffix.lower()]
    if format not in FORMATS:
        raise ResultError(f"there is no format {format!r}.{unknown(format, FORMATS)}")
    return format


def _refuse_unknown_keywords(name: str, allowed: Sequence[str], keywords: dict[str, Any]) -> None:
    unexpected = [key for key in keywords if key not in allowed]
    if unexpected:
        choices = ", ".join(map(option, allowed)) or "no option of its own"
        raise ResultError(
            f"the format {name} takes no {', '.join(map(option, unexpected))}; it takes {choices}."
        )
