"""The picture of an example, found again from what its run folder says of the data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from vog.errors import ResultError
from vog.result import Run

Opener = Callable[[int, str], Image.Image]

# What the imagenet transform keeps of the shorter side: 224 of 256 pixels.
_SEEN = 224 / 256


def opener(run: Run, root: Path | None = None) -> Opener:
    """A function from the row number and the id of an example to its picture.

    Pictures are those that were scored: image files, cut to what the `imagenet` transform
    shows the model where that was used; rows of an `.npz`; images beside stored gradients.

    Args:
        run: says where the data were when it was begun.
        root: the folder that the ids are relative to, where the files have moved.

    Raises:
        ResultError: the run does not say where its images are. The function raises it where
            an image is missing or cannot be read.
    """
    where = run.question.get("where", {})
    data, gradients = where.get("data"), where.get("gradients")
    seen = _SEEN if "images.imagenet" in _transform(run) or gradients else 1.0
    if root is None and gradients:
        return lambda index, _: _cropped(_open(_beside_gradients(Path(gradients), index)), seen)
    if root is None and data is not None and Path(data).suffix == ".npz":
        rows = _rows(Path(data))
        return lambda index, _: to_image(rows[index])
    folder = root or _folder(where.get("root"), data)
    if folder is None:
        raise ResultError(
            f"{run.folder} does not say where its images are: its data came from "
            f"{data or 'an object in Python'}. Give the folder that the ids are relative to as "
            f"--root."
        )
    return lambda _, name: _cropped(_open(folder / name), seen)


def to_image(values: Shaped[np.ndarray, "*shape"]) -> Image.Image:
    """A row of an array as a picture: h x w, colours x h x w, or h x w x colours.

    Whole numbers are taken as they are, and floats within [0, 1] times 255; other floats, which
    were standardised, are stretched between their smallest and largest value.

    Raises:
        ResultError: of another shape.
    """
    pixels = np.asarray(values)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[-1] not in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[-1] != 3):
        raise ResultError(f"an example of shape {values.shape} is no image.")
    if pixels.dtype.kind == "f":
        low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
        if low < 0 or high > 1:
            pixels = (pixels - low) / max(high - low, 1e-12)
        pixels = np.nan_to_num(pixels) * 255
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def _transform(run: Run) -> str:
    return str(run.question["data"].get("transform", ""))


def _folder(root: str | None, data: str | None) -> Path | None:
    if root is not None:
        return Path(root)
    if data is None or ":" in data:
        return None
    return Path(data) if Path(data).is_dir() else Path(data).parent


def _beside_gradients(folder: Path, index: int) -> Path:
    found = sorted(folder.glob(f"weight_*/img_{index:05d}.*"))
    if not found:
        raise ResultError(
            f"{folder} holds no weight_STEP/img_{index:05d}.jpg. Give the folder of the images as "
            f"--root, if the ids are paths in it."
        )
    return found[-1]


def _rows(path: Path) -> Shaped[np.ndarray, "n *shape"]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["images" if "images" in file.files else "inputs"]
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(f"{path} with the images of the run cannot be read: {error}") from error


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise ResultError(
            f"the image {path} cannot be read: {error}. Give the folder that the ids are "
            f"relative to as --root."
        ) from error


def _cropped(image: Image.Image, share: float) -> Image.Image:
    """The central square, with this share of the shorter side."""
    edge = round(min(image.size) * share)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    return image.crop((left, top, left + edge, top + edge))
