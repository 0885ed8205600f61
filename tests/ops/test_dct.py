"""The DCT of blocks against scipy's."""

import keras
import numpy as np
import pytest
from scipy.fft import dctn, idctn

from keras_forensics.ops import block_dct, inverse_block_dct

numpy = keras.ops.convert_to_numpy
# The first of the 64 places in figure 5 of T.81.
ZIGZAG = [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1)]


def scipy_blocks(maps, function, offset=(0, 0)):
    """`(batch, block rows, block columns, channels, 8, 8)`."""
    batch, height, width, channels = maps.shape
    rows, columns = (height - offset[0]) // 8, (width - offset[1]) // 8
    blocks = maps[:, offset[0] :, offset[1] :][:, : 8 * rows, : 8 * columns]
    blocks = blocks.reshape(batch, rows, 8, columns, 8, channels)
    return function(blocks.transpose(0, 1, 3, 5, 2, 4), axes=(-2, -1), norm="ortho")


@pytest.mark.parametrize("offset", [(0, 0), (3, 7), (5, 0)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_coefficients_equal_scipys(offset, data_format):
    maps = np.random.default_rng(0).uniform(0, 255, (2, 29, 24, 3)).astype("float32")
    expected = scipy_blocks(maps.astype("float64"), dctn, offset)
    expected = expected.reshape(*expected.shape[:3], -1)
    if data_format == "channels_first":
        maps, expected = np.moveaxis(maps, -1, 1), np.moveaxis(expected, -1, 1)
    maps = keras.ops.convert_to_tensor(maps)
    actual = numpy(block_dct(maps, offset, "square", data_format))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("order", ["zigzag", "square"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_inverse_gives_the_pixels_back(order, data_format):
    shape = (2, 16, 24, 3) if data_format == "channels_last" else (2, 3, 16, 24)
    maps = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    tensor = keras.ops.convert_to_tensor(maps)
    coefficients = block_dct(tensor, order=order, data_format=data_format)
    inverse = inverse_block_dct(coefficients, order, data_format)
    np.testing.assert_allclose(numpy(inverse), maps, rtol=0, atol=1e-3)


def test_inverse_equals_scipys():
    coefficients = np.random.default_rng(0).normal(0, 50, (2, 1, 2, 64))
    blocks = idctn(coefficients.reshape(2, 1, 2, 8, 8), axes=(-2, -1), norm="ortho")
    expected = blocks.transpose(0, 1, 3, 2, 4).reshape(2, 8, 16, 1)
    tensor = keras.ops.convert_to_tensor(coefficients.astype("float32"))
    actual = numpy(inverse_block_dct(tensor, "square"))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3)


def test_zigzag_is_that_of_the_standard():
    maps = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 1)).astype("float32")
    tensor = keras.ops.convert_to_tensor(maps)
    square = numpy(block_dct(tensor, order="square")).reshape(8, 8)
    zigzag = numpy(block_dct(tensor, order="zigzag")).ravel()
    np.testing.assert_array_equal(zigzag[:9], [square[place] for place in ZIGZAG])
    assert zigzag[-1] == square[7, 7]
    np.testing.assert_array_equal(np.sort(zigzag), np.sort(square.ravel()))
