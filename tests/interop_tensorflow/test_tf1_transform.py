"""The transform `tf1` against the functions of TensorFlow that it repeats."""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from vog.data.tf1_transform import resize_bilinear, tf1

SIZES = [
    ((30, 40), (256, 341)),
    ((500, 375), (341, 256)),
    ((256, 300), (256, 300)),
    ((7, 5), (9, 3)),
]


@pytest.mark.parametrize(("size", "new"), SIZES)
def test_resized_arrays_are_those_of_tensorflow_1(
    size: tuple[int, int], new: tuple[int, int]
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = tf.compat.v1.image.resize_bilinear(values[None], new, align_corners=False)[0]
    np.testing.assert_allclose(resize_bilinear(values, new), expected, rtol=0, atol=255e-5)
    with_half_pixels = tf.image.resize(values, new).numpy()
    differs = np.abs(with_half_pixels - expected).max() > 1
    assert differs == (size != new)


def test_a_jpeg_file_differs_by_its_decoder_alone() -> None:
    """TensorFlow decodes with a faster cosine transform unless it is told otherwise."""
    coarse = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((400, 300), Image.Resampling.BICUBIC).save(file, "JPEG")
    ours = tf1(Image.open(file))
    differences = {}
    for method in ("INTEGER_ACCURATE", "INTEGER_FAST"):
        decoded = tf.io.decode_jpeg(file.getvalue(), 3, dct_method=method)
        resized = tf.compat.v1.image.resize_bilinear(decoded[None], (256, 341))[0]
        centre = resized[16:240, 58:282] / 255
        expected = (centre - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        differences[method] = np.abs(ours.transpose(1, 2, 0) - expected).mean()
    assert differences["INTEGER_ACCURATE"] <= 1e-5
    assert 1e-4 < differences["INTEGER_FAST"] < 0.02
