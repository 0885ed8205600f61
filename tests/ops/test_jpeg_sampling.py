"""Smaller and larger chroma, by hand."""

import keras
import numpy as np

from keras_forensics.ops.jpeg_sampling import downsample, upsample

numpy = keras.ops.convert_to_numpy


def planes(values):
    return keras.ops.convert_to_tensor(np.array(values, "int32")[None, None])


def test_halves_round_down_and_up_in_turn():
    row = [[0, 1] * 8]
    smaller = numpy(downsample(planes(row), (1, 2), keras.ops))
    np.testing.assert_array_equal(smaller[0, 0], [[0, 1] * 4] * 8)


def test_quarters_are_rounded_up_in_every_second_column():
    rows = [[0, 1] * 8, [0, 1] * 8]
    smaller = numpy(downsample(planes(rows), (2, 2), keras.ops))
    np.testing.assert_array_equal(smaller[0, 0], [[0, 1] * 4] * 8)


def test_columns_repeat_pixels_and_rows_repeat_means():
    rows = [[4, 7], [4, 8], [0, 2]]
    smaller = numpy(downsample(planes(rows), (2, 2), keras.ops))[0, 0]
    # Means of 4, 7, 4, 8, and of 7, 7, 8, 8, whose half is rounded up and down.
    np.testing.assert_array_equal(smaller[0], [6, 8, 7, 8, 7, 8, 7, 8])
    # The odd row is repeated as pixels.
    np.testing.assert_array_equal(smaller[1], [1, 2, 2, 2, 2, 2, 2, 2])
    np.testing.assert_array_equal(smaller[2:], np.tile(smaller[1], (6, 1)))


def test_triangle_filter_weighs_three_to_one():
    larger = numpy(upsample(planes([[0, 40, 80]]), (1, 2), keras.ops))
    np.testing.assert_array_equal(larger[0, 0], [[0, 10, 30, 50, 70, 80]])
    column = [[0] * 3, [160] * 3]
    larger = numpy(upsample(planes(column), (2, 2), keras.ops))
    np.testing.assert_array_equal(larger[0, 0, :, 2], [0, 40, 120, 160])


def test_pixels_of_a_plane_two_wide_are_repeated():
    larger = numpy(upsample(planes([[0, 40], [80, 120]]), (2, 2), keras.ops))
    expected = np.repeat(np.repeat([[0, 40], [80, 120]], 2, 0), 2, 1)
    np.testing.assert_array_equal(larger[0, 0], expected)
