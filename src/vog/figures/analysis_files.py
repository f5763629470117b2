"""Files of `vog analyze`: numbers, a table of the classes, and a chart of the errors."""

from pathlib import Path

from vog.analysis.one_run.overview import Overview
from vog.figures import charts
from vog.files.writing import as_csv, as_json, make_folder, write_text


def write_analysis(overview: Overview, folder: Path, safe_csv: bool = False) -> list[Path]:
    """Write analysis.json, classes.csv and error_by_decile as PNG and SVG; return their paths.

    With `safe_csv`, names of classes are written so that no spreadsheet runs them as formulas.

    Raises:
        ResultError: the folder cannot be written.
    """
    make_folder(folder)
    classes = as_csv(overview.class_rows(), safe_csv=safe_csv)
    texts = {"analysis.json": as_json(overview.as_dict()), "classes.csv": classes}
    for name, text in texts.items():
        write_text(folder / name, text)
    chart = charts.error_by_decile(
        {stage: errors.deciles for stage, errors in overview.errors.items()},
        overview.score,
        f"How often the model is wrong, by {overview.score}",
        overview.higher_is_harder,
    )
    figures = [
        charts.save_chart(chart, folder / f"error_by_decile.{kind}") for kind in ("png", "svg")
    ]
    return [*(folder / name for name in texts), *figures]
