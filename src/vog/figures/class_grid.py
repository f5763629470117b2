"""The pair of grids of the VoG paper: easiest images of a class on the left, hardest right."""

from pathlib import Path
from typing import Any

from PIL import Image

from vog.errors import ResultError
from vog.figures import example_reader, image_grid
from vog.result import Run
from vog.result.class_names import main_name


def class_grid(
    run: Run,
    by: str | None = None,
    label: str | int | None = None,
    root: Path | None = None,
    columns: int = 5,
) -> Image.Image:
    """Return two grids of images with predicted classes; wrong predictions are marked.

    No image is on both sides: if there are too few for two full grids, each side gets half.

    Args:
        run: the run; its question says where the images are.
        by: the column that ranks the images; by default VoG within the class, all checkpoints.
        label: the class, by name or number; by default all classes.
        root: the folder of the image files, if they have moved.
        columns: the number of columns of each grid, and its largest number of rows.

    Raises:
        ResultError: no such column or class, no images, or fewer than two.
    """
    by = run.sort_column(by)
    stage = by.partition(":")[0].partition("@")[2]
    ranked = run.top(run.rows, by=by, label=label, easiest=True)
    if len(ranked) < 2:
        raise ResultError(
            f"{_title(run, label)}: {len(ranked)} scored examples; a pair of grids needs 2."
        )
    count = min(columns**2, len(ranked) // 2)
    names = run.label_names or []
    read_image = example_reader.image_reader(run, root)
    easiest, hardest = (
        [_grid_image(row, stage, names, read_image) for row in end]
        for end in (
            ranked.slice(0, count).to_pylist(),
            ranked.slice(len(ranked) - count).to_pylist()[::-1],
        )
    )
    low, high = ("lowest", "highest") if run.higher_is_harder(by) else ("highest", "lowest")
    return image_grid.easiest_and_hardest(
        easiest,
        hardest,
        f"{_title(run, label)}: {len(ranked):,} images by {by}",
        columns,
        size=160,
        headings=(f"{low}: the easiest", f"{high}: the hardest"),
    )


def _title(run: Run, label: str | int | None) -> str:
    if label is None:
        return "all classes"
    number, names = run.label_number(label), run.label_names or []
    return main_name(names[number]) if number < len(names) else f"class {number}"


def _grid_image(
    row: dict[str, Any], stage: str, names: list[str], read_image: example_reader.ImageReader
) -> image_grid.GridImage:
    predicted, label = row.get(f"prediction@{stage}"), row["label"]
    caption = "?" if predicted is None else str(predicted)
    if predicted is not None and predicted < len(names):
        caption = main_name(names[predicted])
    wrong = None not in (predicted, label) and predicted != label
    return image_grid.GridImage(read_image(row["index"], row["id"]), caption, wrong)
