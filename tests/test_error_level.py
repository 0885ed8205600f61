"""Residuals of one's own compression, against Pillow's."""

import keras
import numpy as np
import pytest

from keras_forensics import ErrorLevel
from test_support import pillow_jpeg
from tests.backend import as_one_function, random_images

numpy = keras.ops.convert_to_numpy
IMAGES = random_images((2, 12, 14, 3))


def errors_of(images, *arguments, **options):
    layer = ErrorLevel(*arguments, **options)
    layer.build(images.shape)
    return numpy(as_one_function(layer)(images))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_maps_are_what_pillow_changes_channel_by_channel(data_format):
    qualities = (50, 95, 70)
    expected = np.empty((2, 12, 14, 3, 3))
    for index, quality in enumerate(qualities):
        compressed = pillow_jpeg.round_trip(IMAGES, quality, "4:2:0")
        expected[..., index] = IMAGES.astype(int) - compressed
    expected = expected.reshape(2, 12, 14, 9)
    inputs = IMAGES
    if data_format == "channels_first":
        inputs, expected = np.moveaxis(IMAGES, -1, 1), np.moveaxis(expected, -1, 1)
    actual = errors_of(inputs, qualities, "4:2:0", data_format=data_format)
    np.testing.assert_array_equal(actual, expected)


def test_grey_images_give_one_map_a_quality():
    grey = IMAGES[..., :1]
    expected = [grey.astype(int) - pillow_jpeg.round_trip(grey, q) for q in (40, 80)]
    actual = errors_of(grey, (40, 80))
    np.testing.assert_array_equal(actual, np.concatenate(expected, -1))


def test_energy_is_least_at_the_quality_of_the_first_compression():
    waves = np.add.outer(np.sin(np.arange(12) / 3), np.cos(np.arange(14) / 2))
    images = 128 + 25 * waves[..., None] + np.random.default_rng(0).normal(0, 9, (3,))
    once = pillow_jpeg.round_trip(IMAGES // 4 + images[None].astype("uint8") // 2, 70)
    qualities = tuple(range(60, 81, 5))
    errors = errors_of(once, qualities, "4:2:0").reshape(2, 12, 14, 3, -1)
    energies = (errors**2).mean((0, 1, 2, 3))
    assert qualities[energies.argmin()] == 70


@pytest.mark.parametrize("qualities", [(), (0,), (50, 101), 50, (75.5,)])
def test_wrong_qualities_are_named(qualities):
    with pytest.raises(ValueError, match=r"`qualities` must .*Received: "):
        ErrorLevel(qualities)
