"""Image files: decoded with Pillow, and what the usual networks expect of them."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from vog.data.examples import Examples, UnreadableError, digest_of
from vog.errors import DataError, first_few

SUFFIXES = frozenset(Image.registered_extensions()) - {".pdf", ".mpg", ".mpeg", ".h5", ".hdf"}
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
_STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
# A draft is at least so many times as large as what is made of it.
_GAP = 3
# What drafts may differ by on average, of the range from black to white: half a step of 8 bits.
TOLERANCE = 0.5 / 255
_TRIED = 8

# What decoders raise on damaged files; each format has its own habits.
_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, RuntimeError, NotImplementedError),
    Image.DecompressionBombError,
)

Transform = Callable[[Any], Any]


@dataclass(frozen=True)
class ImageFiles:
    """Reads one image file an example."""

    root: Path
    paths: Sequence[str]
    labels: Int[np.ndarray, "n"]
    transform: Transform
    draft: bool = False

    def __call__(self, index: int) -> tuple[Any, int]:
        """The transformed image and its label.

        Raises:
            UnreadableError: Pillow cannot decode the file.
        """
        path, label = self.root / self.paths[index], int(self.labels[index])
        if self.draft:
            return _normalised(open_image(path, _resized_from_draft)), label
        return self.transform(open_image(path)), label


def examples(
    root: Path,
    paths: Sequence[str],
    labels: Int[np.ndarray, "n"],
    transform: Transform | None = None,
    label_names: tuple[str, ...] | None = None,
    classes: int | None = None,
) -> Examples:
    """Examples of image files; their ids are the paths below `root`.

    Raises:
        DataError: a file is missing, or named twice.
    """
    missing: list[str] = []
    stats: list[tuple[int, int]] = []
    for path in paths:
        try:
            stat = (root / path).stat()
            stats.append((stat.st_size, stat.st_mtime_ns))
        except OSError:
            missing.append(path)
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(paths):,} files are not in {root}: {first_few(missing)}. "
            f"Correct the paths, or give the folder that they are relative to as --root."
        )
    if len(set(paths)) < len(paths):
        seen: set[str] = set()
        twice = [path for path in paths if path in seen or seen.add(path)]
        raise DataError(f"named more than once: {first_few(twice)}. Each row needs its own id.")
    digest = digest_of(*paths, labels, np.array(stats, np.int64))
    reader = ImageFiles(root, paths, labels, transform or imagenet)
    return Examples(paths, reader, digest, labels, label_names, classes)


def drafted(examples: Examples) -> Examples:
    """The same examples, of which large JPEG files are decoded at half their size or less.

    Where the `imagenet` transform would shrink a file to a fraction anyway, libjpeg can leave
    out most of the work. Some of the files are decoded both ways, and only where they are the
    same within `TOLERANCE` is it done.
    """
    files = examples.read
    if not isinstance(files, ImageFiles) or files.transform is not imagenet:
        return examples
    fast = replace(files, draft=True)
    tried = 0
    for index in range(0, len(examples), max(1, len(examples) // _TRIED)):
        try:
            if not open_image(files.root / files.paths[index], _shrinks):
                continue
            exact, quick = files(index)[0] * _STD, fast(index)[0] * _STD
        except UnreadableError:
            continue
        if np.abs(exact - quick).mean() > TOLERANCE:
            return examples
        tried += 1
    return replace(examples, read=fast) if tried else examples


def open_image(path: Path, use: Callable[[Image.Image], Any] | None = None) -> Any:
    """The image in RGB, as stored: no rotation by EXIF, as in the usual training pipelines.

    Args:
        path: the file.
        use: what to do with the opened file, before its pixels are decoded.

    Raises:
        UnreadableError: no image, or damaged; the message is Pillow's.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # palettes, odd EXIF: Pillow copes
            with Image.open(path) as image:
                return image.convert("RGB") if use is None else use(image)
    except _UNREADABLE as error:
        raise UnreadableError(str(error).replace(str(path), path.name)) from error


def imagenet(image: Image.Image) -> Float[np.ndarray, "3 224 224"]:
    """Shorter side 256 (bilinear), centre 224 x 224, ImageNet mean and standard deviation."""
    return _normalised(image.resize(_resized(image.size), Image.Resampling.BILINEAR))


def _resized(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height where the shorter of them is 256."""
    shorter = min(size)
    # Rounded down, as torchvision's Resize does, so that inputs agree with models trained there.
    return 256 * size[0] // shorter, 256 * size[1] // shorter


def _normalised(resized: Image.Image) -> Float[np.ndarray, "3 224 224"]:
    left, top = round((resized.width - 224) / 2), round((resized.height - 224) / 2)
    cropped = resized.crop((left, top, left + 224, top + 224))
    return (unchanged(cropped) - _MEAN) / _STD


def _shrinks(image: Image.Image) -> bool:
    """Whether the file can be decoded smaller, and still be large enough."""
    return image.format == "JPEG" and min(image.size) // (256 * _GAP) >= 2


def _resized_from_draft(image: Image.Image) -> Image.Image:
    """As `imagenet` resizes, of an image that is decoded no larger than it has to be."""
    size, box = _resized(image.size), None
    if _shrinks(image):
        # The box is the whole picture in the pixels of the draft, whose size is rounded up.
        _, box = image.draft("RGB", (256 * _GAP, 256 * _GAP)) or (None, None)
    return image.convert("RGB").resize(size, Image.Resampling.BILINEAR, box)


def unchanged(image: Image.Image) -> Float[np.ndarray, "3 h w"]:
    """The pixels as they are, colours first, in [0, 1]."""
    return np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)
