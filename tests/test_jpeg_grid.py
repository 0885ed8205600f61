"""Scores of the layer, where the grid is known."""

import functools

import keras
import numpy as np
import pytest

from keras_forensics import JPEGGrid
from test_support import pillow_jpeg
from tests.backend import as_one_function

numpy = keras.ops.convert_to_numpy
CROPS = [(0, 0), (3, 6), (7, 1)]


@functools.cache
def grid_layer(value_range=(0, 255)):
    layer = JPEGGrid(value_range=value_range)
    layer.build((None, None, None, 3))
    return as_one_function(layer)


def scores_of(images, **options):
    return numpy(grid_layer(**options)(images.astype("float32")))


def noise(quality=None):
    images = np.random.default_rng(0).integers(70, 180, (3, 72, 72, 3), "uint8")
    if quality is not None:
        images = pillow_jpeg.round_trip(images, quality)
    crops = [
        image[row : row + 64, column : column + 64]
        for image, (row, column) in zip(images, CROPS, strict=True)
    ]
    return np.stack(crops)


@pytest.mark.parametrize("quality", [50, 80, 95])
def test_largest_score_is_where_the_grid_begins(quality):
    scores = scores_of(noise(quality))
    for one, (row, column) in zip(scores, CROPS, strict=True):
        begins = np.unravel_index(one.argmax(), (8, 8))
        assert begins == (-row % 8, -column % 8)
        assert one.max() > 1.5 * np.sort(one.ravel())[-2]


def test_scores_of_images_that_were_never_compressed_are_around_one():
    scores = scores_of(noise())
    assert scores.shape == (3, 8, 8)
    assert 0.5 < scores.min() < scores.max() < 1.5
    np.testing.assert_allclose(scores.mean((1, 2)), 1, rtol=1e-5)


def test_range_of_the_input_does_not_change_the_scores():
    images = noise(80)
    expected = scores_of(images)
    scaled = scores_of(images / 255, value_range=(0, 1))
    np.testing.assert_allclose(scaled, expected, rtol=1e-3)


@pytest.mark.parametrize("threshold", [0, -1, None])
def test_wrong_threshold_is_named(threshold):
    with pytest.raises(ValueError, match=f"`threshold` must .*{threshold!r}"):
        JPEGGrid(threshold)


def test_image_too_small_for_every_grid_is_refused():
    with pytest.raises(ValueError, match=r"at least 15 pixels.*\(1, 16, 14, 1\)"):
        JPEGGrid()(np.zeros((1, 16, 14, 1), "float32"))
