"""Large JPEG files decoded at a fraction of their size: the same pixels, within a tolerance."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from vog.data import drafted, images, open_source, pixel_values


def photograph(path: Path, size: tuple[int, int], mode: str = "RGB") -> Path:
    """A real photograph, repeated to fill the size, as a JPEG file."""
    real = Image.fromarray(load_sample_image("china.jpg"))
    whole = Image.new("RGB", size)
    for x in range(0, size[0], real.width):
        for y in range(0, size[1], real.height):
            whole.paste(real, (x, y))
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.convert(mode).save(path, quality=92)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(1601, 2003), (2400, 1700), (3264, 2448)])
def test_drafts_of_large_photographs_are_the_same_within_tolerance(
    size: tuple[int, int], mode: str, tmp_path: Path
) -> None:
    path = photograph(tmp_path / "a" / "1.jpg", size, mode)
    plain = open_source(tmp_path)
    fast = drafted(plain)
    assert isinstance(fast.read, images.ImageReader)
    assert fast.read.draft
    exact, quick = plain.read(0)[0] * pixel_values.STD, fast.read(0)[0] * pixel_values.STD
    assert exact.shape == quick.shape == (3, 224, 224)
    difference = np.abs(exact - quick)
    assert 0 < difference.mean() <= images.TOLERANCE
    assert np.quantile(difference, 0.999) <= 8 / 255
    # Shifted by a pixel it would be another picture: the box of the draft is where it should be.
    assert np.abs(exact[:, :, 1:] - quick[:, :, :-1]).mean() > 4 * difference.mean()
    assert path.exists()


def test_no_drafts_where_they_save_nothing_or_nobody_knows_the_crop(tmp_path: Path) -> None:
    photograph(tmp_path / "small" / "a" / "1.jpg", (1000, 900))
    photograph(tmp_path / "own" / "a" / "1.jpg", (3264, 2448))
    Image.new("RGB", (3264, 2448)).save(photograph(tmp_path / "png" / "a" / "1.png", (10, 10)))
    for name, transform in (("small", None), ("own", images.unchanged), ("png", None)):
        examples = open_source(tmp_path / name, transform=transform)
        assert drafted(examples) is examples


def test_drafts_that_differ_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph(tmp_path / "a" / "1.jpg", (2400, 1700))
    (tmp_path / "a" / "0.jpg").write_bytes(b"damaged")
    examples = open_source(tmp_path)
    assert drafted(examples) is not examples, "a damaged file decides nothing"
    monkeypatch.setattr(images, "TOLERANCE", 1e-6)
    assert drafted(examples) is examples
