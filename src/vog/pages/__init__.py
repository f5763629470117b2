"""The common parts of the report and the viewer: templates, style sheet and tiles."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from vog.figures.previews import Preview, encode_thumbnail
from vog.progress import duration
from vog.result import Run
from vog.result.class_names import main_name

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class GalleryTile:
    """One example in a gallery.

    Attributes:
        index: its row.
        id: its name.
        label: the name of its class; None if it has no label.
        prediction: the name of the predicted class; None if it is unknown.
        wrong: True if the label and the prediction differ.
        preview: its preview, unless it has a `picture`.
        picture: the address of its picture, which may be a `data:` address with the picture.
        small: True if the picture has so few pixels that they are shown as squares.
        facts: lines of text below it.
    """

    index: int
    id: str
    label: str | None
    prediction: str | None
    wrong: bool
    preview: Preview | None = None
    picture: str | None = None
    small: bool = False
    facts: Sequence[str] = ()

    @property
    def alt(self) -> str:
        """Return the text that describes the picture."""
        words = f"example {self.id}"
        if self.label is not None:
            words += f", labelled {self.label}"
        if self.prediction is not None:
            words += f", predicted {self.prediction}"
        return words


def make_tile(run: Run, row: Mapping[str, Any], **fields: Any) -> GalleryTile:
    """Return the tile of a row; `fields` are more attributes of `GalleryTile`."""
    label, prediction = row["label"], row["prediction"]
    return GalleryTile(
        index=row["index"],
        id=row["id"],
        label=class_text(run, label),
        prediction=class_text(run, prediction),
        wrong=None not in (label, prediction) and label != prediction,
        **fields,
    )


def class_text(run: Run, label: Any) -> str | None:
    """Return the first name of a class, or its number as text; None for no label.

    A set of tags is the names of all; the numbers of a regression stay numbers.
    """
    if label is None:
        return None
    if isinstance(label, list):
        return ", ".join(str(class_text(run, each)) for each in label) or "none"
    if isinstance(label, float):
        return f"{label:.4g}"
    names = run.label_names or []
    return main_name(names[label]) if 0 <= label < len(names) else str(label)


def target_words(run: Run) -> str:
    """Return the target of the gradients, in words."""
    words = {
        "logit": "the logit of the label",
        "predicted": "the logit of the predicted class",
        "probability": "the probability of the label",
        "loss": "the loss",
    }
    name = str(run.question.get("target"))
    if name == "as stored":  # imported gradients
        return "the target (not recorded)"
    return words.get(name, "a target of its own")


def preview_fields(preview: Preview, size: int) -> dict[str, Any]:
    """Return the fields of `GalleryTile` for a preview; its picture becomes part of the page."""
    if preview.image is None:
        return {"preview": preview}
    content, kind = encode_thumbnail(preview.image, size)
    picture = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return {"picture": picture, "small": kind == "image/png"}


@cache
def environment(package: str) -> jinja2.Environment:
    """Return the templates of a package and those here; text from data is always escaped."""
    package_loader, shared_loader = (jinja2.PackageLoader(name) for name in (package, __name__))
    templates = jinja2.Environment(
        loader=jinja2.ChoiceLoader([package_loader, shared_loader]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "number": format_number,
        "share": as_percentage,
        "count": "{:,}".format,
        "duration": duration,
    }
    return templates


@cache
def style_sheet() -> str:
    """Return the style sheet of all pages."""
    return (_FOLDER / "look.css").read_text(encoding="utf-8")


def format_number(value: float | None) -> str:
    """Return a number in four digits; a dash for None and NaN."""
    if value is None or value != value:
        return "\u2013"
    return f"{value:.4g}".replace("inf", "\u221e").replace("-", "\u2212", 1)


def as_percentage(value: float | None) -> str:
    """Return a share as a percentage; a dash for None and NaN."""
    return "\u2013" if value is None or value != value else f"{value:.1%}"
