"""The layer around the DCT: sizes, precision, refusals, and files."""

import keras
import numpy as np
import pytest

from keras_forensics import BlockDCT2D, jpeg
from test_support import pillow_jpeg
from tests.backend import random_images

numpy = keras.ops.convert_to_numpy


def test_quantised_coefficients_are_those_of_the_file(tmp_path):
    pytest.importorskip("jpeglib", reason="jpeglib is not installed")
    pixels = random_images((1, 32, 48, 1))
    path = tmp_path / "image.jpg"
    path.write_bytes(pillow_jpeg.encode(pixels[0, ..., 0], 75))
    stored = jpeg.read_coefficients(path)
    coefficients = BlockDCT2D(order="square")(pixels.astype("float32") - 128)
    quotients = numpy(coefficients).reshape(4, 6, 8, 8) / stored.tables[0]
    # libjpeg's DCT rounds, so a quotient near a half can go the other way.
    differ = np.rint(quotients) != stored.coefficients[0]
    assert abs(quotients - np.floor(quotients) - 0.5)[differ].max(initial=0) < 0.02
    assert differ.mean() < 0.02


def test_grid_of_the_first_compression_has_most_coefficients_near_zero():
    compressed = pillow_jpeg.round_trip(random_images((1, 40, 40, 1)), 80)
    near_zero = {}
    for offset in [(0, 0), (0, 4), (4, 0), (3, 5)]:
        coefficients = numpy(BlockDCT2D(offset)(compressed.astype("float32") - 128))
        near_zero[offset] = (abs(coefficients) < 0.5).mean()
    assert max(near_zero, key=near_zero.get) == (0, 0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_inputs_are_not_rounded_to_16_bits_first(policy):
    images = random_images((1, 8, 8, 1)) + np.float32(0.123)
    expected = numpy(BlockDCT2D()(images))
    actual = numpy(keras.ops.cast(BlockDCT2D(dtype=policy)(images), "float32"))
    bits = 11 if policy == "mixed_float16" else 8
    np.testing.assert_allclose(actual, expected, rtol=2.0**-bits, atol=1e-3)


@pytest.mark.parametrize("offset", [(8, 0), (0, -1), (1,), 3, (0.0, 1)])
def test_wrong_offset_is_named(offset):
    with pytest.raises(ValueError, match=r"`offset` must be a tuple .*Received: "):
        BlockDCT2D(offset)


def test_inverse_has_no_offset():
    with pytest.raises(ValueError, match=r"`offset` must be \(0, 0\).*\(1, 0\)"):
        BlockDCT2D((1, 0), inverse=True)


def test_wrong_order_is_named():
    with pytest.raises(ValueError, match=r"`order` must be one of .*'rows'"):
        BlockDCT2D(order="rows")


def test_image_without_a_whole_block_is_refused():
    with pytest.raises(ValueError, match=r"8 pixels from 4 on.*\(1, 11, 16, 1\)"):
        BlockDCT2D((4, 0))(np.zeros((1, 11, 16, 1), "float32"))


def test_coefficients_that_are_no_blocks_are_refused():
    with pytest.raises(ValueError, match=r"multiple of 64.*\(1, 2, 2, 65\)"):
        BlockDCT2D(inverse=True)(np.zeros((1, 2, 2, 65), "float32"))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_shape_of_the_inverse_is_that_of_the_images(data_format):
    layer = BlockDCT2D(inverse=True, data_format=data_format)
    last = data_format == "channels_last"
    shape = (2, 3, None, 192) if last else (2, 192, 3, None)
    expected = (2, 24, None, 3) if last else (2, 3, 24, None)
    assert layer.compute_output_shape(shape) == expected
