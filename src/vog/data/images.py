"""Examples from image files: decoded with Pillow, with the usual ImageNet transform."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from vog import pixels
from vog.data import pixel_values
from vog.data.colours_last import ColoursLast, inner_transform
from vog.data.examples import Examples, ImageFiles, UnreadableError, digest_of
from vog.data.tf1_transform import tf1
from vog.errors import DataError, first_few
from vog.files.file_names import all_printable, printable
from vog.wording import option

SUFFIXES = frozenset(Image.registered_extensions()) - {".pdf", ".mpg", ".mpeg", ".h5", ".hdf"}
_STD = pixel_values.STD
# The least ratio of the size of a draft to the size after resizing.
_DRAFT_SCALE = 3
# The largest mean difference of a draft, relative to the range from black to white: half a
# step of 8 bits.
TOLERANCE = 0.5 / 255
_TRIAL_FILES = 8

# If the longer side would have more pixels than this, the image is cropped while it is resized.
_LONGEST = 256 * 32

Transform = Callable[[Any], Any]
_Box = tuple[int | float, int | float, int | float, int | float]


@dataclass(frozen=True)
class ImageReader:
    """Reads an example from an image file.

    Attributes:
        draft: decode large JPEG files at a smaller size; see `drafted`.
        exif: rotate images as their EXIF says.
        deep: whether some files have more than eight bits a pixel, as far as is known; see
            `vog.data.image_headers`.
    """

    root: Path
    paths: Sequence[str]
    labels: Int[np.ndarray, "n"]
    transform: Transform
    draft: bool = False
    exif: bool = False
    deep: bool = False

    @property
    def files(self) -> ImageFiles:
        """Return the files."""
        return ImageFiles(self.root, self.paths, self.labels)

    def stored(self, index: int) -> Any:
        """Return the image without a transform.

        Raises:
            UnreadableError: Pillow cannot decode the file.
        """
        return open_image(self.root / self.paths[index])

    def __call__(self, index: int) -> tuple[Any, int]:
        """Return the transformed image and its label.

        Raises:
            UnreadableError: Pillow cannot decode the file, or a transform of this package cannot
                know which of its values is white.
        """
        path, label = self.root / self.paths[index], int(self.labels[index])
        if self.draft:
            return self._in_order(open_image(path, self._from_draft)), label
        image = open_image(path, exif=self.exif)
        if inner_transform(self.transform) not in (imagenet, tf1, unchanged):
            return self.transform(image), label
        try:
            return self.transform(image), label
        except ValueError as error:
            raise UnreadableError(str(error)) from error

    def can_shrink(self, image: Image.Image) -> bool:
        """Return whether an opened file can be decoded at a smaller size that is large enough."""
        is_upright = not self.exif or pixels.exif_orientation(image) == pixels.UPRIGHT
        is_large = min(image.size) // (256 * _DRAFT_SCALE) >= 2
        return image.format == "JPEG" and is_large and is_upright

    def _in_order(self, values: Float[np.ndarray, "3 h w"]) -> Float[np.ndarray, "..."]:
        """Return an image with its colours where the transform puts them."""
        transform = self.transform
        return transform.rearrange(values) if isinstance(transform, ColoursLast) else values

    def _from_draft(self, image: Image.Image) -> Float[np.ndarray, "3 224 224"]:
        """Return the result of `imagenet` for an image that is decoded at a reduced size."""
        size, box = image.size, None
        if self.can_shrink(image):
            # The size of a draft is rounded up; the box is the part of it that the picture fills.
            _, box = image.draft("RGB", (256 * _DRAFT_SCALE, 256 * _DRAFT_SCALE)) or (None, None)
        if box is None:
            return imagenet(pixels.as_stored(image, self.exif))
        return pixel_values.normalised(_resize_and_crop(image.convert("RGB"), size, box))


def examples(
    root: Path,
    paths: Sequence[str],
    labels: Int[np.ndarray, "n"],
    transform: Transform | None = None,
    label_names: tuple[str, ...] | None = None,
    classes: int | None = None,
) -> Examples:
    """Return examples of image files and of broken links; ids are printable paths below `root`.

    Raises:
        DataError: a file is missing, or is listed twice.
    """
    missing: list[str] = []
    stats = np.full((len(paths), 2), -1, np.int64)
    folder = str(root)
    for row, path in enumerate(paths):
        try:
            stat = os.stat(os.path.join(folder, path))  # noqa: PTH116, PTH118 (`Path` is slow)
            stats[row] = stat.st_size, stat.st_mtime_ns
        except (OSError, ValueError) as error:  # ValueError: such as a null byte in a name
            if not isinstance(error, PermissionError) and not _exists(root / path):
                missing.append(path)
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(paths):,} files are not in {root}: {first_few(missing)}. "
            f"Correct the paths, or give the folder that they are relative to as {option('root')}."
        )
    if len(set(paths)) < len(paths):
        earlier_paths: set[str] = set()
        repeated = [path for path in paths if path in earlier_paths or earlier_paths.add(path)]
        raise DataError(f"named more than once: {first_few(repeated)}. Each row needs its own id.")
    ids = all_printable(paths)
    digest = digest_of(*ids, labels, stats)
    reader = ImageReader(root, paths, labels, transform or imagenet)
    return Examples(ids, reader, digest, labels, label_names, classes)


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


def drafted(examples: Examples) -> Examples:
    """Return the examples with large JPEG files decoded at half their size or less.

    If the `imagenet` transform shrinks a file to a fraction anyway, libjpeg can skip most of the
    work. Some of the files are decoded both ways; if they differ by more than `TOLERANCE`, the
    examples are returned unchanged.
    """
    reader = examples.read
    if not isinstance(reader, ImageReader) or reader.transform is not imagenet:
        return examples
    fast = replace(reader, draft=True)
    trials = 0
    for index in range(0, len(examples), max(1, len(examples) // _TRIAL_FILES)):
        try:
            if not open_image(reader.root / reader.paths[index], reader.can_shrink):
                continue
            exact, quick = reader(index)[0] * _STD, fast(index)[0] * _STD
        except UnreadableError:
            continue
        if np.abs(exact - quick).mean() > TOLERANCE:
            return examples
        trials += 1
    return replace(examples, read=fast) if trials else examples


def open_image(
    path: Path, use: Callable[[Image.Image], Any] | None = None, exif: bool = False
) -> Any:
    """Return an image in RGB, or as stored if it has more than eight bits a pixel.

    Args:
        path: the path of the file.
        use: makes the result from the opened file instead, whose pixels are not decoded yet.
        exif: rotate the image as its EXIF says; most training pipelines do not.

    Raises:
        UnreadableError: it is not an image, or is damaged; the message is Pillow's.
    """
    try:
        return pixels.open_file(path, use or (lambda image: pixels.as_stored(image, exif)))
    except pixels.UNREADABLE as error:
        raise UnreadableError(printable(str(error).replace(str(path), path.name))) from error


def imagenet(image: Image.Image) -> Float[np.ndarray, "3 224 224"]:
    """Return the centre 224 x 224 at a shorter side of 256, normalised as for ImageNet.

    Raises:
        ValueError: the image does not say which of its values is white.
    """
    if pixels.is_deep(image):
        # Pillow cannot resize 16 bits bilinearly; floats are not rounded.
        image = Image.fromarray(pixels.from_0_to_1(image) * np.float32(pixel_values.BLACK_TO_WHITE))
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return pixel_values.normalised(_resize_and_crop(image, image.size))


def _resize_and_crop(
    image: Image.Image,
    size: tuple[int, int],
    box: _Box | None = None,
) -> Image.Image:
    """Resize an image bilinearly to a shorter side of 256 pixels, and return the centre.

    Args:
        image: the image to resize.
        size: the width and height of the original, which set the new size.
        box: the part of `image` that the original fills, in pixels; all of it by default.
    """
    shorter = min(size)
    # Rounded down, as torchvision's Resize does, so that inputs agree with models trained there.
    width, height = 256 * size[0] // shorter, 256 * size[1] // shorter
    crop_left, crop_top = round((width - 224) / 2), round((height - 224) / 2)
    if max(width, height) <= _LONGEST:
        resized = image.resize((width, height), Image.Resampling.BILINEAR, box)
        return resized.crop((crop_left, crop_top, crop_left + 224, crop_top + 224))
    # A thin image would need gigabytes after resizing, so it is cropped first.
    x0, y0, x1, y1 = box or (0, 0, *image.size)
    x_scale, y_scale = (x1 - x0) / width, (y1 - y0) / height
    region = (
        x0 + crop_left * x_scale,
        y0 + crop_top * y_scale,
        min(x1, x0 + (crop_left + 224) * x_scale),
        min(y1, y0 + (crop_top + 224) * y_scale),
    )
    return image.resize((224, 224), Image.Resampling.BILINEAR, region)


def unchanged(image: Image.Image) -> Float[np.ndarray, "3 h w"]:
    """Return the pixels as stored, channels first, scaled to [0, 1].

    Raises:
        ValueError: the image does not say which of its values is white.
    """
    if pixels.is_deep(image):
        grey = pixels.from_0_to_1(image)
        return np.broadcast_to(grey, (3, *grey.shape))
    return pixel_values.channels_first(image if image.mode == "RGB" else image.convert("RGB"))
