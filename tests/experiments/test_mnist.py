"""What `experiments/mnist.py` measures with; end to end it is in `campaigns`."""

import numpy as np
import torch

import mnist

KINDS = {"rotated", "inverted", "uci", "uniform", "gaussian"}


def test_told_apart_by_hand() -> None:
    """Inside 1, 2, 3, 4; outside 2.5 and 5: of 8 pairs 6 are in order.

    Of both outside both are found only with a cut at 2.5, which takes 3 and 4 along: half of the
    inside. Precision where outside are found: 1 of 1, then 2 of 4.
    """
    found = mnist.separation(np.array([1.0, 2, 3, 4]), np.array([2.5, 5]))
    assert found == {"auroc": 6 / 8, "aupr": (1 + 2 / 4) / 2, "fpr95": 2 / 4}


def test_shifts_move_by_two_pixels_at_most() -> None:
    torch.manual_seed(0)
    images = torch.rand(50, 1, 28, 28)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), value=float(images.min()))
    found = set()
    for one, whole in zip(mnist.shift_images(images), padded, strict=True):
        places = [
            (down, right)
            for down in range(5)
            for right in range(5)
            if torch.equal(one, whole[:, down : down + 28, right : right + 28])
        ]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) > 15


def test_a_fifth_of_the_labels_is_permuted_among_itself() -> None:
    labels = np.arange(1000) % 10
    digits = mnist.Digits(np.zeros((1000, 1, 28, 28), np.float32), labels)
    shuffled = mnist.with_shuffled_labels(digits, 0).labels
    np.testing.assert_array_equal(np.bincount(shuffled), np.bincount(labels))
    assert 160 <= (shuffled != labels).sum() <= 200
    np.testing.assert_array_equal(digits.labels, np.arange(1000) % 10)


def test_images_outside_are_what_they_are_called() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 28, 28), dtype=np.uint8)
    digits = mnist.Digits(mnist.scaled(pixels), np.zeros(5, np.int64))
    kinds = mnist.ood_images(digits, 0)
    assert set(kinds) == KINDS
    unscaled = {k: ((v[:, 0] * 0.3081 + 0.1307) * 255).round() for k, v in kinds.items()}
    np.testing.assert_array_equal(unscaled["inverted"], 255 - pixels)
    np.testing.assert_array_equal(unscaled["rotated"][0], np.rot90(pixels[0]))
    assert kinds["uci"].shape == (1797, 1, 28, 28)
    for name in ("uniform", "gaussian"):
        assert kinds[name].shape == digits.images.shape
        assert abs(np.corrcoef(unscaled[name].ravel(), pixels.ravel())[0, 1]) < 0.1
