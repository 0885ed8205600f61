"""The integer DCT and the quantiser. That they are libjpeg's is shown by the codec."""

import keras
import numpy as np
from scipy.fft import dctn, idctn

from keras_forensics.ops.jpeg_dct import forward_dct, inverse_dct, quantize

numpy = keras.ops.convert_to_numpy


def extreme_blocks():
    """Noise, two values, and the signs of each basis function: `(8, 8, blocks)`."""
    random = np.random.default_rng(0)
    noise = random.integers(-128, 128, (100, 8, 8))
    basis = idctn(np.eye(64).reshape(64, 8, 8), axes=(1, 2), norm="ortho")
    signs = np.where(basis > 0, 127, -128)
    blocks = np.concatenate([noise, np.where(noise > 0, 127, -128), signs, ~signs])
    return np.moveaxis(blocks, 0, -1).astype("int32")


def test_forward_dct_is_scipys_rounded():
    blocks = extreme_blocks()
    expected = 8 * dctn(blocks, axes=(0, 1), norm="ortho")
    actual = numpy(forward_dct(keras.ops.convert_to_tensor(blocks), keras.ops))
    assert abs(actual - expected).max() < 3  # of 8192


def test_inverse_dct_is_scipys_rounded():
    expected = extreme_blocks()
    coefficients = np.rint(dctn(expected, axes=(0, 1), norm="ortho")).astype("int32")
    expected = idctn(coefficients, axes=(0, 1), norm="ortho")
    actual = numpy(inverse_dct(keras.ops.convert_to_tensor(coefficients), keras.ops))
    assert abs(actual - expected).max() < 0.6


def test_quantiser_rounds_every_quotient_half_away_from_zero():
    coefficients = np.arange(-(2**14), 2**14 + 1, dtype="int64")[:, None]
    tables = np.arange(1, 256)
    actual = quantize(
        keras.ops.convert_to_tensor(coefficients.astype("int32")),
        keras.ops.convert_to_tensor(tables.astype("float32")),
        keras.ops,
    )
    magnitudes = (abs(coefficients) + 4 * tables) // (8 * tables)
    expected = np.sign(coefficients) * magnitudes
    np.testing.assert_array_equal(numpy(actual), expected)
