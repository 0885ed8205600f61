"""Medians of neighbours against scipy's rank filter, and as FerretNet takes them."""

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import rank_filter

from keras_forensics import MedianResidual
from tests.backend import random_images

numpy = keras.ops.convert_to_numpy
IMAGES = random_images((2, 9, 11, 3))
# scipy's names for the same borders.
MODES = {"reflect": "mirror", "symmetric": "reflect", "same": "constant"}


def expected(window_size, median, mode):
    """Exact residuals, one image and channel at a time."""
    footprint = np.ones(window_size, bool)
    footprint[window_size[0] // 2, window_size[1] // 2] = False
    middle = footprint.sum() // 2
    residuals = np.empty(IMAGES.shape)
    for image in range(len(IMAGES)):
        for channel in range(IMAGES.shape[-1]):
            plane = IMAGES[image, ..., channel].astype("int64")
            lower, upper = (
                rank_filter(plane, rank, footprint=footprint, mode=mode)
                for rank in (middle - 1, middle)
            )
            value = lower if median == "lower" else (lower + upper) / 2
            residuals[image, ..., channel] = plane - value
    return residuals


@pytest.mark.parametrize(
    ("window_size", "median", "padding"),
    [
        ((3, 3), "lower", "reflect"),
        ((3, 3), "mean", "symmetric"),
        ((3, 3), "lower", "valid"),
        ((5, 3), "mean", "reflect"),
        ((1, 5), "lower", "same"),
    ],
)
def test_residuals_are_exact(window_size, median, padding):
    layer = MedianResidual(window_size, median, padding=padding)
    exact = expected(window_size, median, MODES.get(padding, "mirror"))
    if padding == "valid":
        exact = exact[:, 1:-1, 1:-1]
    np.testing.assert_array_equal(numpy(layer(IMAGES)), exact)


def zero_masked_medians(images):
    """FerretNet's: of 9 values, of which the one at the centre is set to 0."""
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = sliding_window_view(padded, (3, 3), (1, 2)).copy()
    windows[..., 1, 1] = 0
    return np.median(windows, (-2, -1))


def test_lower_median_is_that_of_ferretnet_in_grey_levels():
    images = IMAGES.astype("float64")
    residuals = images - zero_masked_medians(images)
    actual = numpy(MedianResidual(padding="same")(IMAGES))
    np.testing.assert_array_equal(actual, residuals)


def test_after_a_mean_colour_is_subtracted_ferretnet_takes_the_middle_one_of_three():
    shifted = IMAGES.astype("float64") - 123
    residuals = shifted - zero_masked_medians(shifted)
    lower, mean = (
        numpy(MedianResidual(median=median)(IMAGES))[:, 1:-1, 1:-1]
        for median in ("lower", "mean")
    )
    upper = 2 * mean - lower  # residuals of the upper of the two in the middle
    at_mean = shifted[:, 1:-1, 1:-1]
    between = np.clip(at_mean, upper, lower)
    np.testing.assert_array_equal(residuals[:, 1:-1, 1:-1], between)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_integers_are_exact_in_16_bits(policy):
    residuals = MedianResidual(dtype=policy)(IMAGES)
    np.testing.assert_array_equal(
        numpy(keras.ops.cast(residuals, "float32")), expected((3, 3), "lower", "mirror")
    )


def test_threshold_is_in_grey_levels_whatever_the_range():
    exact = expected((3, 3), "lower", "mirror").clip(-40, 40)
    layer = MedianResidual(threshold=40, value_range=(-1, 1))
    scaled = (IMAGES / 127.5 - 1).astype("float32")
    np.testing.assert_allclose(numpy(layer(scaled)), exact, atol=1e-3)


@pytest.mark.parametrize("padding", ["reflect", "symmetric"])
def test_flat_image_has_no_residual(padding):
    flat = np.full((1, 6, 6, 1), 77, "uint8")
    np.testing.assert_array_equal(numpy(MedianResidual(padding=padding)(flat)), 0)


@pytest.mark.parametrize("window_size", [2, (3, 4), 1])
def test_window_without_a_centre_or_neighbours_is_named(window_size):
    with pytest.raises(ValueError, match=r"`window_size` must be odd .*Received: "):
        MedianResidual(window_size)


def test_wrong_median_is_named():
    with pytest.raises(ValueError, match=r"`median` must be one of .*'upper'"):
        MedianResidual(median="upper")


def test_image_too_small_for_the_window_is_refused():
    with pytest.raises(ValueError, match=r"at least 3 pixels.*\(1, 2, 8, 1\)"):
        MedianResidual(5)(np.zeros((1, 2, 8, 1), "float32"))
