"""What the report and the viewer share: templates, the look, and how an example is shown."""

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
    """One example as a gallery shows it.

    Attributes:
        index: its row.
        id: its name.
        label: the name of its class; None where it has none.
        prediction: the name of the class that is predicted; None where it is not known.
        wrong: whether these two differ.
        preview: what it looks like, where that is not a picture with an address of its own.
        picture: the address of its picture, which may be the picture itself as text.
        small: whether the picture has so few pixels that each is to be seen.
        facts: what stands below it, in words.
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
        """The picture in words."""
        words = f"example {self.id}"
        if self.label is not None:
            words += f", labelled {self.label}"
        if self.prediction is not None:
            words += f", predicted {self.prediction}"
        return words


def make_tile(run: Run, row: Mapping[str, Any], **fields: Any) -> GalleryTile:
    """The tile of a row with `index`, `id`, `label` and `prediction`; `more` as for `Tile`."""
    label, prediction = row["label"], row["prediction"]
    return GalleryTile(
        index=row["index"],
        id=row["id"],
        label=class_text(run, label),
        prediction=class_text(run, prediction),
        wrong=None not in (label, prediction) and label != prediction,
        **fields,
    )


def class_text(run: Run, label: int | None) -> str | None:
    """The first name of a class, or its number as text; None for none."""
    if label is None:
        return None
    names = run.label_names or []
    return main_name(names[label]) if 0 <= label < len(names) else str(label)


def target_words(run: Run) -> str:
    """What was differentiated, in words."""
    words = {
        "logit": "the logit of the label",
        "predicted": "the logit of the predicted class",
        "probability": "the probability of the label",
        "loss": "the loss",
    }
    name = str(run.question.get("target"))
    if name == "as stored":  # by whoever made the gradients that were imported
        return "what was differentiated when it was stored"
    return words.get(name, "a target of its own")


def preview_fields(preview: Preview, size: int) -> dict[str, Any]:
    """What `Tile` takes of a preview whose picture, if any, is to stand in the page itself."""
    if preview.image is None:
        return {"preview": preview}
    content, kind = encode_thumbnail(preview.image, size)
    picture = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return {"picture": picture, "small": kind == "image/png"}


@cache
def environment(package: str) -> jinja2.Environment:
    """The templates of a package and those here; what comes from data is text, never markup."""
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
    """The style sheet of all pages."""
    return (_FOLDER / "look.css").read_text(encoding="utf-8")


def format_number(value: float | None) -> str:
    """Four digits, or a dash where there is none."""
    if value is None or value != value:
        return "\u2013"
    return f"{value:.4g}".replace("inf", "\u221e").replace("-", "\u2212", 1)


def as_percentage(value: float | None) -> str:
    """A share as a percentage, or a dash where it is not known."""
    return "\u2013" if value is None or value != value else f"{value:.1%}"
