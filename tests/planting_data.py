"""Data that planting is tried on, and what stands in folders before and after it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vog.result.planting_record import Planted

ALL: dict[str, Any] = {"flip": 0.1, "duplicate": 0.1, "corrupt": 0.15, "outside": 0.1}
NAMES = ("ant", "bee", "cat")


def photo(seed: int, size: tuple[int, int] = (16, 12)) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8))


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and times of all files below."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in state(folder).items()}


def of_kind(planted: Planted, kind: str) -> list[Any]:
    return [one for one in planted.plants if one.kind == kind]


def listed(photos: Path, listing: Path, before: str = "") -> Path:
    paths = sorted(path for path in photos.rglob("*.png"))
    lines = [
        f"{before}{path.relative_to(photos).as_posix()} {7 * (at % 2)}"
        for at, path in enumerate(paths)
    ]
    listing.write_text("\n".join(lines))
    return listing


def save_arrays(path: Path, save: Callable[..., None] = np.savez, **more: Any) -> Path:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (40, 8, 8)).astype(np.uint8)
    save(path, **({"images": images, "labels": (np.arange(40) % 4).astype(np.uint8)} | more))
    return path


DATASET_MODULE = """
import numpy as np
import torch
from PIL import Image

RNG = np.random.default_rng(5)
VALUES = RNG.integers(0, 256, (40, 8, 8)).astype(np.uint8)


class Own:
    def __init__(self, make, targets=True):
        self.make = make
        if targets:
            self.targets = [at % 4 for at in range(40)]
        self.classes = ["a", "b", "c", "d"]

    def __len__(self):
        return 40

    def __getitem__(self, at):
        if self.make == "image" and at == 0:
            raise OSError("damaged")
        value = VALUES[at]
        if self.make == "tensor":
            value = torch.from_numpy(value[None].astype("float32")) / 255
        elif self.make == "half":
            value = torch.from_numpy(value[None].astype("float32")).bfloat16() / 255
        elif self.make == "image":
            value = Image.fromarray(value)
        elif self.make == "vector":
            value = value.reshape(-1).astype("float32")
        elif self.make == "text":
            value = "words"
        return value, at % 4


def array():
    return Own("array")


def tensor():
    return Own("tensor")


def half():
    return Own("half", targets=False)


def image():
    return Own("image")


def vector():
    return Own("vector")


def text():
    return Own("text")


def unlabelled():
    return Own("image", targets=False)
"""
