"""Images, planes and rectangles."""

import keras
import numpy as np
import pytest

from keras_forensics.ops.pixels import cut, from_planes, straight_through, to_planes
from tests.backend import gradients

numpy = keras.ops.convert_to_numpy


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_planes_hold_rounded_grey_levels_channels_first_of_all(data_format):
    images = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")
    expected = np.rint(np.moveaxis(images, -1, 0))
    if data_format == "channels_first":
        images = np.moveaxis(images, -1, 1)
    planes = to_planes(keras.ops.convert_to_tensor(images), data_format, keras.ops)
    assert keras.backend.standardize_dtype(planes.dtype) == "int32"
    np.testing.assert_array_equal(numpy(planes), expected)
    back = numpy(from_planes(planes, data_format, keras.ops))
    np.testing.assert_array_equal(back, np.rint(images))


def test_rectangles_repeat_the_borders():
    planes = np.random.default_rng(0).integers(0, 256, (3, 2, 6, 7)).astype("int32")
    actual = cut(
        keras.ops.convert_to_tensor(planes),
        keras.ops.convert_to_tensor([-2, 1], "int32"),
        keras.ops.convert_to_tensor([0, -3], "int32"),
        (9, 8),
        keras.ops,
    )
    padded = np.pad(planes, [(0, 0), (0, 0), (9, 9), (9, 9)], "edge")
    expected = [padded[:, 0, 7:16, 9:17], padded[:, 1, 10:19, 6:14]]
    np.testing.assert_array_equal(numpy(actual), np.stack(expected, 1))


def test_straight_through_is_exact_with_the_gradient_of_the_other():
    values = np.array([99.0, 0.1], "float32")
    of = np.array([1e-3, 1e6], "float32")
    layer = keras.layers.Lambda(
        lambda x: straight_through(keras.ops.convert_to_tensor(values), x, keras.ops)
    )
    np.testing.assert_array_equal(numpy(layer(of)), values)
    _, (gradient,), _ = gradients(layer, [of], np.array([2.0, 3.0], "float32"))
    np.testing.assert_array_equal(gradient, [2, 3])
