"""Spectra against numpy's FFT of each tile, and of noise and waves that are known."""

import functools
import itertools

import keras
import numpy as np
import pytest

from keras_forensics import SpectralProfile
from tests.backend import as_one_function, random_images
from tests.tolerances import assert_close

numpy = keras.ops.convert_to_numpy
SIZE = 16
IMAGES = random_images((2, 33, 24, 2))


@functools.cache
def profile(**arguments):
    """The layer as one function, which JAX compiles at once."""
    layer = SpectralProfile(**{"size": SIZE, **arguments})
    layer.build((None, None, None, IMAGES.shape[-1]))
    return as_one_function(layer)


def profile_of(images, **arguments):
    return numpy(profile(**arguments)(images.astype("float32")))


def power(plane):
    """The mean periodogram of the tiles of one channel, frequency 0 in the middle."""
    window = np.hanning(SIZE + 1)[:-1]
    window = window[:, None] * window
    spectra = []
    for row in range(0, plane.shape[0] - SIZE + 1, SIZE // 2):
        for column in range(0, plane.shape[1] - SIZE + 1, SIZE // 2):
            tile = plane[row : row + SIZE, column : column + SIZE].astype("float64")
            transformed = np.fft.fft2((tile - tile.mean()) * window)
            spectra.append(abs(transformed) ** 2 / (window**2).sum())
    return np.fft.fftshift(np.mean(spectra, 0))


POWERS = np.array([[power(image[..., c]) for c in (0, 1)] for image in IMAGES])
FREQUENCIES = np.fft.fftshift(np.fft.fftfreq(SIZE))


def at(plane, vertical, horizontal):
    """The value at two frequencies in cycles a tile, which wrap round."""
    return plane[(vertical + SIZE // 2) % SIZE, (horizontal + SIZE // 2) % SIZE]


def decibels(values):
    return 10 * np.log10(values)


def test_spectrum_is_that_of_numpy():
    expected = np.moveaxis(decibels(POWERS), 1, -1)
    assert_close(profile_of(IMAGES, output="spectrum"), expected)


@pytest.mark.parametrize("bins", [8, 3])
def test_radial_profile_is_the_mean_over_rings(bins):
    radius = np.hypot(FREQUENCIES[:, None], FREQUENCIES)
    edges = np.arange(bins + 1) / (2 * bins)
    rings = [
        (radius > low) & (radius <= high) for low, high in itertools.pairwise(edges)
    ]
    expected = [[[plane[ring].mean() for ring in rings] for plane in p] for p in POWERS]
    expected = decibels(np.array(expected)).reshape(2, -1)
    assert_close(profile_of(IMAGES, bins=bins), expected)


def test_peaks_are_heights_above_the_frequencies_around():
    def height(plane, vertical, horizontal):
        around = [
            at(plane, vertical + i, horizontal + j)
            for i in range(-3, 4)
            for j in range(-3, 4)
            if max(abs(i), abs(j)) > 1
        ]
        assert len(around) == 40
        return at(plane, vertical, horizontal) - np.mean(around)

    half = SIZE // 2
    expected = [
        [
            height(plane, *place)
            for plane in decibels(powers)
            for place in ((0, half), (half, 0), (half, half))
        ]
        for powers in POWERS
    ]
    actual = profile_of(IMAGES, output="peaks", periods=(2,))
    # Differences of decibels, which are some 40.
    np.testing.assert_allclose(actual, expected, atol=1e-3)


def test_white_noise_has_its_variance_at_every_frequency():
    # More images of the same shape, which are compiled only once.
    noise = np.random.default_rng(0).normal(128, 10, (200, *IMAGES.shape[1:]))
    values = profile_of(noise, bins=8).reshape(200, 2, 8)[..., 1:]
    np.testing.assert_allclose((10 ** (values / 10)).mean((0, 1)), 100, rtol=0.05)


def test_waves_are_peaks_of_their_period_and_direction():
    noise = np.random.default_rng(0).normal(0, 1, (64, 64))
    images = []
    for period in (2, 4, 8):
        wave = np.cos(2 * np.pi * np.arange(64) / period)
        for each in (wave[None], wave[:, None], wave[:, None] * wave):
            images.append(np.stack([noise + 2 * each, noise], -1))
    heights = profile_of(np.stack(images), size=64, output="peaks", periods=(2, 4, 8))
    heights = heights.reshape(9, 2, 9)
    np.testing.assert_array_equal(heights[:, 0].argmax(1), np.arange(9))
    assert np.diag(heights[:, 0]).min() > heights[:, 1].max() + 10


def test_range_of_the_input_does_not_change_the_decibels():
    expected = profile_of(IMAGES, bins=8).astype("float64")
    assert_close(profile_of(IMAGES / 255, bins=8, value_range=(0, 1)), expected)


def test_flat_image_has_the_lowest_power():
    flat = np.full(IMAGES.shape, 200)
    np.testing.assert_allclose(profile_of(flat, bins=8), -60, atol=0.01)


@pytest.mark.parametrize("size", [7, 6, 9])
def test_wrong_size_is_named(size):
    with pytest.raises(ValueError, match=rf"`size` must be an even .*size={size}"):
        SpectralProfile(size)


def test_wrong_output_is_named():
    with pytest.raises(ValueError, match=r"`output` must be one of .*'phase'"):
        SpectralProfile(output="phase")


def test_more_bins_than_frequencies_are_refused():
    with pytest.raises(ValueError, match=r"`bins` must be at most .*bins=9, size=16"):
        SpectralProfile(16, bins=9)


@pytest.mark.parametrize("periods", [(1,), (3,), (2, 4), ()])
def test_periods_without_frequencies_around_are_refused(periods):
    with pytest.raises(ValueError, match=r"`periods` must be .*size=16"):
        SpectralProfile(16, "peaks", periods=periods)


def test_image_smaller_than_a_tile_is_refused():
    with pytest.raises(ValueError, match=r"at least 16 pixels.*\(1, 16, 15, 1\)"):
        SpectralProfile(16)(np.zeros((1, 16, 15, 1), "float32"))
