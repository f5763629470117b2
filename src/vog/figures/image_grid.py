"""Grids of images: the easiest on the left, the hardest on the right."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vog.errors import ResultError
from vog.files.writing import write_whole
from vog.pixels import rgb_for_display

_BACKGROUND, _INK, _GREY, _WRONG = "#ffffff", "#1f2933", "#7b8794", "#c0392b"
_GAP, _MARGIN, _FRAME = 8, 24, 3

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class GridImage:
    """One image, the caption below it, and whether its prediction is wrong."""

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
    """Return two square grids side by side, as in the figures of the VoG paper.

    Wrong predictions have a red frame and caption. Images are centre-cropped to a square.
    Captions that are too long have a smaller font, or end in an ellipsis.

    Args:
        easiest: images of the left grid, the easiest first; at most `columns` rows are shown.
        hardest: images of the right grid, the hardest first.
        title: the title above the grids.
        columns: the number of columns of each grid.
        size: edge of an image, in pixels.
        headings: headings of the left and the right grid.
    """
    small, large = _font(size // 8 + 1), _font(size // 6 + 1)
    caption = size // 5 + 4
    longest = max(len(easiest), len(hardest), 1)
    rows = min(columns, -(-longest // columns))
    width = columns * (size + _GAP) - _GAP
    top = 3 * (size // 6) + _MARGIN
    sheet = Image.new(
        "RGB",
        (2 * width + 3 * _MARGIN, top + rows * (size + caption + _GAP) + _MARGIN),
        _BACKGROUND,
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN // 2), title, _INK, large)
    for x, name, tiles in (
        (_MARGIN, headings[0], easiest),
        (width + 2 * _MARGIN, headings[1], hardest),
    ):
        draw.text((x, top - caption - 2), name, _GREY, small)
        for position, tile in enumerate(tiles[: rows * columns]):
            row, column = divmod(position, columns)
            corner = (x + column * (size + _GAP), top + row * (size + caption + _GAP))
            _paste(sheet, draw, tile, corner, size, small)
    middle = width + 3 * _MARGIN // 2
    draw.line((middle, top - caption, middle, sheet.height - _MARGIN), fill="#d9dee3", width=1)
    return sheet


def save_grid(image: Image.Image, path: Path) -> Path:
    """Write an image in the format of the suffix of the path; a failed write leaves no file.

    Raises:
        ResultError: no format has that suffix, or the file cannot be written.
    """
    formats = Image.registered_extensions()
    if formats.get(path.suffix.lower()) not in Image.SAVE:
        raise ResultError(
            f"{path}: a picture is saved as .png, .jpg, .webp or another suffix of Pillow."
        )
    write_whole(path, lambda file: image.save(file))
    return path


def _paste(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    tile: GridImage,
    corner: tuple[int, int],
    size: int,
    font: Font,
) -> None:
    x, y = corner
    sheet.paste(_crop_square(tile.image, size), corner)
    colour = _WRONG if tile.wrong else _INK
    if tile.wrong:
        draw.rectangle((x, y, x + size - 1, y + size - 1), outline=_WRONG, width=_FRAME)
    text, font = _fit_text(tile.caption, size, font)
    draw.text((x + (size - font.getlength(text)) / 2, y + size + 2), text, colour, font)


def _crop_square(image: Image.Image, size: int) -> Image.Image:
    edge = min(image.size)
    x, y = (image.width - edge) // 2, (image.height - edge) // 2
    cropped = rgb_for_display(image).crop((x, y, x + edge, y + edge))
    return cropped.resize((size, size), Image.Resampling.BICUBIC)


def _fit_text(text: str, width: int, font: Font) -> tuple[str, Font]:
    """Return a text that fits and its font, at most a third smaller; an ellipsis may end it."""
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
