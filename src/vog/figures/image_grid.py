"""Grids of images: the easiest of a class on the left, the hardest on the right."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vog.errors import ResultError
from vog.files.writing import write_whole
from vog.pixels import rgb_for_display

_BACKGROUND, _INK, _QUIET, _WRONG = "#ffffff", "#1f2933", "#7b8794", "#c0392b"
_GAP, _MARGIN, _FRAME = 8, 24, 3

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class GridImage:
    """One image, what stands under it, and whether the model is wrong there."""

    image: Image.Image
    caption: str
    wrong: bool


def easiest_and_hardest(
    easiest: Sequence[GridImage],
    hardest: Sequence[GridImage],
    title: str,
    columns: int = 5,
    size: int = 112,
    headings: tuple[str, str] = ("easiest", "hardest"),
) -> Image.Image:
    """Two square grids side by side, as in the figures of the VoG paper.

    Wrong predictions have a red frame and caption. Images are centre-cropped to a square;
    captions that are too long are set smaller, or end in an ellipsis.

    Args:
        easiest: for the left grid, the easiest first; at most `columns` rows of them.
        hardest: for the right one, the hardest first.
        title: above both.
        columns: of each grid.
        size: edge of an image, in pixels.
        headings: above the left and the right grid.
    """
    small, large = _font(size // 8 + 1), _font(size // 6 + 1)
    caption = size // 5 + 4
    longest = max(len(easiest), len(hardest), 1)
    rows = min(columns, -(-longest // columns))
    width = columns * (size + _GAP) - _GAP
    head = 3 * (size // 6) + _MARGIN
    sheet = Image.new(
        "RGB",
        (2 * width + 3 * _MARGIN, head + rows * (size + caption + _GAP) + _MARGIN),
        _BACKGROUND,
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN // 2), title, _INK, large)
    for left, name, tiles in (
        (_MARGIN, headings[0], easiest),
        (width + 2 * _MARGIN, headings[1], hardest),
    ):
        draw.text((left, head - caption - 2), name, _QUIET, small)
        for place, tile in enumerate(tiles[: rows * columns]):
            row, column = divmod(place, columns)
            corner = (left + column * (size + _GAP), head + row * (size + caption + _GAP))
            _paste(sheet, draw, tile, corner, size, small)
    middle = width + 3 * _MARGIN // 2
    draw.line((middle, head - caption, middle, sheet.height - _MARGIN), fill="#d9dee3", width=1)
    return sheet


def save_grid(image: Image.Image, path: Path) -> Path:
    """Write an image whole, in the format that the ending of the path names.

    Raises:
        ResultError: no format has that ending, or the file cannot be written.
    """
    kinds = Image.registered_extensions()
    if kinds.get(path.suffix.lower()) not in Image.SAVE:
        raise ResultError(
            f"{path}: a picture is saved as .png, .jpg, .webp or another of Pillow's."
        )
    write_whole(path, lambda beside: image.save(beside))
    return path


def _paste(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    tile: GridImage,
    corner: tuple[int, int],
    size: int,
    font: Font,
) -> None:
    left, top = corner
    sheet.paste(_square(tile.image, size), corner)
    colour = _WRONG if tile.wrong else _INK
    if tile.wrong:
        draw.rectangle((left, top, left + size - 1, top + size - 1), outline=_WRONG, width=_FRAME)
    text, font = _fitting(tile.caption, size, font)
    draw.text((left + (size - font.getlength(text)) / 2, top + size + 2), text, colour, font)


def _square(image: Image.Image, size: int) -> Image.Image:
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    cropped = rgb_for_display(image).crop((left, top, left + edge, top + edge))
    return cropped.resize((size, size), Image.Resampling.BICUBIC)


def _fitting(text: str, width: int, font: Font) -> tuple[str, Font]:
    """The text in a font at most a third smaller; one that is longer still ends in an ellipsis."""
    full = font.size if isinstance(font, ImageFont.FreeTypeFont) else 0
    for size in range(int(full), int(full * 2 / 3), -1):
        smaller = _font(size)
        if smaller.getlength(text) <= width:
            return text, smaller
        font = smaller
    while text and font.getlength(text + "\u2026") > width:
        text = text[:-1]
    return text.rstrip(" ,") + "\u2026", font


def _font(size: int) -> Font:
    return ImageFont.load_default(max(10, size))
