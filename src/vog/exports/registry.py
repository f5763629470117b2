"""The table of all forms, and `export`, which writes a run in one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.errors import ResultError, unknown
from vog.exports.cleanlab import CLEANLAB
from vog.exports.fiftyone import FIFTYONE
from vog.exports.form import PLANTED, Form, FormOption
from vog.exports.judged_labels import JudgedLabels
from vog.exports.label_studio import LABEL_STUDIO
from vog.exports.plain_rows import CSV, JSONL, PARQUET
from vog.exports.sample_weights import WEIGHTS
from vog.files.output_paths import output_path
from vog.result import Run
from vog.result.data_location import refuse_to_overwrite_inputs
from vog.wording import option

FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        CSV,
        PARQUET,
        JSONL,
        CLEANLAB,
        FIFTYONE,
        LABEL_STUDIO,
        WEIGHTS,
    )
}
FORMATS = tuple(FORMS)


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: the file.
        form: its form.
        rows: the number of rows in it.
        judged: the verdict on the labels that it was written with.
    """

    path: Path
    form: Form
    rows: int
    judged: JudgedLabels


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
            or option; the ending does not fit the format; or the run lacks what it needs.
    """
    return export_rows(run, out, format, columns, options).path


def export_rows(
    run: Run,
    out: str | Path,
    format: str | None,
    columns: Sequence[str] | None,
    options: Mapping[str, Any],
) -> Exported:
    """Write the rows of a run as `export` does, and return what was written."""
    out = output_path(out)
    refuse_to_overwrite_inputs(run, out)
    form = _form_of(out, format)
    _refuse_unknown_options(form, options)
    if not form.is_plain and out.suffix.lower() != form.endings[0]:
        raise ResultError(
            f"{form.name} files end in {form.endings[0]}, not {out}. Rename {option('out')}."
        )
    settings = dict(options)
    judged = JudgedLabels(run, settings.pop(PLANTED.name, None))
    rows = form.write(run, out, columns, judged, **settings)
    return Exported(out, form, rows, judged)


def flag_options() -> list[FormOption]:
    """Return the options of all forms that the command line has, each once.

    The form with the most options comes first, so that its options stand together in the help.
    """
    forms = sorted(FORMS.values(), key=lambda form: -len(form.options))
    options = {choice.name: choice for form in forms for choice in form.options}
    return [choice for choice in options.values() if choice.kind is not None]


def _form_of(out: Path, format: str | None) -> Form:
    if format is None:
        by_ending = {form.endings[0]: form for form in FORMS.values() if form.by_ending}
        if out.suffix.lower() not in by_ending:
            raise ResultError(
                f"the name of {out} does not give the format. End it in {', '.join(by_ending)}, or "
                f"pass {option('format')}: {', '.join(FORMS)}."
            )
        return by_ending[out.suffix.lower()]
    if format not in FORMS:
        raise ResultError(f"there is no format {format!r}.{unknown(format, FORMS)}")
    return FORMS[format]


def _refuse_unknown_options(form: Form, options: Mapping[str, Any]) -> None:
    names = [choice.name for choice in form.options]
    unexpected = [name for name in options if name not in names]
    if unexpected:
        choices = ", ".join(map(option, names)) or "no option of its own"
        raise ResultError(
            f"the format {form.name} takes no {', '.join(map(option, unexpected))}; it takes "
            f"{choices}."
        )
