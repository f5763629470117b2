"""The picture of an example, found again from what its run folder says of the data."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from vog.errors import ResultError
from vog.result import Run

Opener = Callable[[int, str], Image.Image]

# What the imagenet transform keeps of the shorter side: 224 of 256 pixels.
_SEEN = 224 / 256
_ENDINGS = sorted(Image.registered_extensions(), key=lambda ending: ending != ".jpg")


def opener(run: Run, root: Path | None = None) -> Opener:
    """A function from the row number and the id of an example to its picture.

    Pictures are those that were scored: image files, cut to what the `imagenet` transform
    shows the model where that was used; rows of an `.npz`; images beside stored gradients.

    Args:
        run: says where the data were when it was begun.
        root: where they are now, if they have moved: the folder that the ids are relative to,
            the `.npz`, or the folder of the stored gradients.

    Raises:
        ResultError: the run does not say where its images are. The function raises it where
            an image is missing or cannot be read.
    """
    where = run.question.get("where", {})
    seen = _SEEN if "images.imagenet" in str(run.question["data"].get("transform")) else 1.0
    place = root or _place(where)
    if place is None:
        raise ResultError(
            f"{run.folder} does not say where its images are: its data came from "
            f"{where.get('data') or 'an object in Python'}. Give the folder that the ids are "
            f"relative to as --root."
        )
    if place.suffix == ".npz":
        rows = _rows(place)
        return lambda index, _: to_image(rows[index])
    stored = sorted((p for p in place.glob("weight_*") if p.is_dir()), reverse=True)
    if stored and where.get("gradients"):
        return lambda index, _: _cropped(_open(_beside_gradients(stored, index)), seen)
    return lambda _, name: _cropped(_open(place / name), seen)


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


def _place(where: Mapping[str, str | None]) -> Path | None:
    """Where the images were when the run was begun: a folder or an `.npz`."""
    known = where.get("gradients") or where.get("root") or where.get("data")
    if known is None or (known == where.get("data") and ":" in known):
        return None
    path = Path(known)
    return path if path.is_dir() or path.suffix == ".npz" else path.parent


def _beside_gradients(folders: Sequence[Path], index: int) -> Path:
    """The image of a row in the last of these folders that has it."""
    for folder in folders:
        for ending in _ENDINGS:
            path = folder / f"img_{index:05d}{ending}"
            if path.exists():
                return path
    raise ResultError(
        f"{folders[0].parent} holds no weight_STEP/img_{index:05d}.jpg. Give the folder of the "
        f"images as --root, if the ids are paths in it."
    )


def _rows(path: Path) -> Shaped[np.ndarray, "n *shape"]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["images" if "images" in file.files else "inputs"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ResultError(
            f"{path} with the images of the run cannot be read: {error}. Give the file as --root, "
            f"if it has moved."
        ) from error


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
