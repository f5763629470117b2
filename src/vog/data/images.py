"""Image files: decoded with Pillow, and what the usual networks expect of them."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

    def __call__(self, index: int) -> tuple[Any, int]:
        """The transformed image and its label.

        Raises:
            UnreadableError: Pillow cannot decode the file.
        """
        return self.transform(open_image(self.root / self.paths[index])), int(self.labels[index])


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


def open_image(path: Path) -> Image.Image:
    """The image in RGB, as stored: no rotation by EXIF, as in the usual training pipelines.

    Raises:
        UnreadableError: no image, or damaged; the message is Pillow's.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # palettes, odd EXIF: Pillow copes
            with Image.open(path) as image:
                return image.convert("RGB")
    except _UNREADABLE as error:
        raise UnreadableError(str(error).replace(str(path), path.name)) from error


def imagenet(image: Image.Image) -> Float[np.ndarray, "3 224 224"]:
    """Shorter side 256 (bilinear), centre 224 x 224, ImageNet mean and standard deviation."""
    width, height = image.size
    shorter = min(width, height)
    # Rounded down, as torchvision's Resize does, so that inputs agree with models trained there.
    size = (256 * width // shorter, 256 * height // shorter)
    resized = image.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    cropped = resized.crop((left, top, left + 224, top + 224))
    return (unchanged(cropped) - _MEAN) / _STD


def unchanged(image: Image.Image) -> Float[np.ndarray, "3 h w"]:
    """The pixels as they are, colours first, in [0, 1]."""
    return np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)
