"""A bank as one kernel: which tap meets which channel."""

import numpy as np
import pytest

from keras_forensics.ops import bank_kernel

TAPS = np.random.default_rng(0).integers(-9, 9, (2, 3, 5))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_few_channels_make_one_dense_kernel(channels):
    kernel = bank_kernel(TAPS, channels)
    assert kernel.shape == (3, 5, channels, 2 * channels) and kernel.dtype == TAPS.dtype
    for c in range(channels):
        for k in range(2 * channels):
            expected = TAPS[k % 2] if k // 2 == c else 0 * TAPS[0]
            np.testing.assert_array_equal(kernel[:, :, c, k], expected)


def test_more_channels_are_grouped():
    kernel = bank_kernel(TAPS, 5)
    assert kernel.shape == (3, 5, 1, 10)
    for k in range(10):
        np.testing.assert_array_equal(kernel[:, :, 0, k], TAPS[k % 2])


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_summed_channels_meet_the_same_taps(channels):
    kernel = bank_kernel(TAPS, channels, sum_channels=True)
    assert kernel.shape == (3, 5, channels, 2)
    for c in range(channels):
        for k in range(2):
            np.testing.assert_array_equal(kernel[:, :, c, k], TAPS[k])
