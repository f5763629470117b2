"""Files of CIFAR in its binary format, written from noise."""

from pathlib import Path

import numpy as np

import cifar

SCRIPT = Path(cifar.__file__)


def images(count: int, classes: int, seed: int) -> cifar.Images:
    """Noise with one bright colour a class, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = rng.integers(0, 120, (count, 3, 32, 32), dtype=np.uint8)
    pixels[np.arange(count), labels % 3] += 100
    return cifar.Images(pixels, labels)


def records(of: cifar.Images, coarse: bool) -> bytes:
    """One record an image: (coarse label,) label, 1,024 bytes red, green and blue each."""
    parts = []
    for pixels, label in zip(of.pixels, of.labels, strict=True):
        parts.append(bytes([7, label] if coarse else [label]) + pixels.tobytes())
    return b"".join(parts)


def cifar10(folder: Path) -> None:
    for batch in range(1, 6):
        (folder / f"data_batch_{batch}.bin").write_bytes(records(images(8, 4, batch), False))
    (folder / "test_batch.bin").write_bytes(records(images(12, 4, 9), False))
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\nbird\ncat\n\n")
