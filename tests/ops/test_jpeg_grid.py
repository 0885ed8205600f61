"""The scores of grids against counts of scipy's coefficients."""

import keras
import numpy as np
from scipy.fft import dctn

from keras_forensics.ops import jpeg_grid_scores
from test_support import pillow_jpeg
from tests.backend import NAME

numpy = keras.ops.convert_to_numpy


def grid_scores(luma, threshold=1.0):
    def compute(luma):
        return jpeg_grid_scores(luma, threshold)

    if NAME == "jax":
        import jax

        compute = jax.jit(compute)  # at once, and not operation by operation
    return numpy(compute(keras.ops.convert_to_tensor(luma.astype("float32"))))


def expected_scores(luma, threshold):
    scores = np.empty((8, 8))
    for row in range(8):
        for column in range(8):
            plane = luma[row:, column:] - 128
            height, width = (side // 8 for side in plane.shape)
            blocks = plane[: 8 * height, : 8 * width].reshape(height, 8, width, 8)
            coefficients = dctn(blocks, axes=(1, 3), norm="ortho")
            near_zero = (1 - abs(coefficients) / threshold).clip(0)
            scores[row, column] = near_zero.mean()
    return scores / scores.mean()


def test_scores_are_soft_counts_of_coefficients_near_zero():
    luma = np.random.default_rng(0).normal(128, 2, (2, 27, 33))
    scores = grid_scores(luma, threshold=1.5)
    for actual, plane in zip(scores, luma, strict=True):
        np.testing.assert_allclose(actual, expected_scores(plane, 1.5), rtol=1e-4)


def test_nothing_near_zero_scores_zero():
    luma = np.random.default_rng(0).normal(128, 100, (1, 16, 16))
    scores = grid_scores(luma, threshold=1e-9)
    np.testing.assert_array_equal(scores, np.zeros((1, 8, 8)))


def test_largest_score_is_where_the_grid_of_a_file_begins():
    images = np.random.default_rng(0).integers(90, 160, (8, 80, 80, 1), "uint8")
    places = [(row, (5 * row + 3) % 8) for row in range(8)]
    opened = pillow_jpeg.round_trip(images, 90)[..., 0]
    cropped = [
        image[row : row + 72, column : column + 72]
        for image, (row, column) in zip(opened, places, strict=True)
    ]
    scores = grid_scores(np.stack(cropped))
    for one, (row, column) in zip(scores, places, strict=True):
        begins = np.unravel_index(one.argmax(), (8, 8))
        assert begins == (-row % 8, -column % 8)
