"""Bands against the formula in numpy's integers, PyWavelets, and the way back."""

import keras
import numpy as np
import pytest

from keras_forensics import HaarPyramid2D
from tests.backend import as_one_function, random_images
from tests.tolerances import assert_close

numpy = keras.ops.convert_to_numpy


def transform(inputs, *args, **kwargs):
    layer = HaarPyramid2D(*args, **kwargs)
    layer.build(inputs.shape)
    return as_one_function(layer)(keras.ops.convert_to_tensor(inputs))


def split(x):
    """The S transform along the last axis, in integers."""
    pairs = x.shape[-1] // 2
    first, second = x[..., : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
    means, differences = (first + second) // 2, first - second
    return np.concatenate([means, x[..., 2 * pairs :], differences], -1)


def pyramid(x, levels):
    """Of images whose last axes are rows and columns."""
    x = split(x.astype("int64"))
    x = split(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    if levels > 1:
        low = np.s_[..., : -(-x.shape[-2] // 2), : -(-x.shape[-1] // 2)]
        x[low] = pyramid(x[low], levels - 1)
    return x


@pytest.mark.parametrize(
    ("size", "levels"), [((8, 16), 3), ((13, 11), 1), ((13, 11), 3)]
)
def test_bands_are_exact_and_so_is_the_way_back(size, levels):
    images = random_images((2, *size, 3))
    images[1] = 255 * (images[1] > 127)  # the largest differences there are
    bands = transform(images, levels)
    exact = np.moveaxis(pyramid(np.moveaxis(images, -1, 1), levels), 1, -1)
    np.testing.assert_array_equal(numpy(bands), exact)
    assert abs(exact).max() <= 510
    back = transform(bands, levels, inverse=True)
    np.testing.assert_array_equal(numpy(back), images)


def test_both_ways_are_exact_in_float16():
    images = random_images((2, 13, 11, 3))
    bands = transform(images, 2, dtype="mixed_float16")
    back = transform(bands, 2, inverse=True, dtype="mixed_float16")
    np.testing.assert_array_equal(numpy(back), images)


def test_orthonormal_bands_are_those_of_pywavelets():
    pywt = pytest.importorskip("pywt", reason="PyWavelets is not installed")
    images = random_images((2, 8, 16, 3)).astype("float32")
    coefficients = pywt.wavedec2(images, "haar", level=2, axes=(1, 2))
    expected, _ = pywt.coeffs_to_array(coefficients, axes=(1, 2))
    assert_close(transform(images, 2, orthonormal=True), expected)


@pytest.mark.parametrize("size", [(8, 16), (13, 11)])
def test_orthonormal_transform_keeps_the_energy_and_the_way_back(size):
    images = random_images((2, *size, 3)).astype("float32")
    bands = transform(images, 2, orthonormal=True)
    energy = (numpy(bands).astype("float64") ** 2).sum()
    assert energy == pytest.approx((images.astype("float64") ** 2).sum(), rel=1e-6)
    back = transform(bands, 2, orthonormal=True, inverse=True)
    assert_close(back, images)


@pytest.mark.parametrize("levels", [0, 1.5, None])
def test_wrong_levels_are_named(levels):
    with pytest.raises(ValueError, match=rf"`levels` must be .*levels={levels!r}"):
        HaarPyramid2D(levels)


def test_image_too_small_for_the_levels_is_refused():
    with pytest.raises(ValueError, match=r"at least 8 pixels.*\(1, 8, 7, 1\)"):
        HaarPyramid2D(3)(np.zeros((1, 8, 7, 1), "float32"))
