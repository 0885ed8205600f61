"""Mirrored borders and shapes, on their own."""

import keras
import numpy as np
import pytest

from keras_forensics.ops import (
    residual_conv,
    residual_conv_shape,
    to_grey_levels,
)
from tests import oracle
from tests.backend import random_images


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["reflect", "symmetric"])
@pytest.mark.parametrize("kernel_size", [(1, 5), (5, 1), (3, 3), (7, 5)])
def test_borders_are_mirrored_like_numpy_does(kernel_size, padding, data_format):
    images = random_images((2, 9, 11, 1)).astype("float32")
    expected = oracle.pad(images, kernel_size, padding)
    # A kernel with one tap at its far corner copies the padded image from there.
    kernel = np.zeros((*kernel_size, 1, 1), "float32")
    kernel[-1, -1] = 1
    if data_format == "channels_first":
        images = np.moveaxis(images, -1, 1)
    actual = residual_conv(
        keras.ops.convert_to_tensor(images),
        keras.ops.convert_to_tensor(kernel),
        strides=(1, 1),
        padding=padding,
        data_format=data_format,
    )
    actual = keras.ops.convert_to_numpy(actual)
    if data_format == "channels_first":
        actual = np.moveaxis(actual, 1, -1)
    height, width = kernel_size
    np.testing.assert_array_equal(actual, expected[:, height - 1 :, width - 1 :])


@pytest.mark.parametrize("padding", ["reflect", "symmetric"])
def test_smallest_allowed_image_is_mirrored_like_numpy_does(padding):
    side = {"reflect": 3, "symmetric": 2}[padding]
    images = random_images((1, side, side, 1)).astype("float32")
    kernel = np.ones((5, 5, 1, 1), "float32")
    actual = residual_conv(
        keras.ops.convert_to_tensor(images),
        keras.ops.convert_to_tensor(kernel),
        strides=(1, 1),
        padding=padding,
        data_format="channels_last",
    )
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(actual),
        oracle.conv2d(images, kernel, (1, 1), padding),
    )


def test_unknown_sizes_stay_unknown():
    assert residual_conv_shape(
        (None, None, 9, 3),
        7,
        (3, 3),
        strides=(2, 2),
        padding="valid",
        data_format="channels_last",
    ) == (None, None, 4, 7)


def test_grey_levels_are_cast_and_not_rounded():
    pixels = keras.ops.convert_to_tensor([0.0, 0.5, 1.0], "float16")
    grey = to_grey_levels(pixels, (0, 1), "float32")
    assert keras.ops.convert_to_numpy(grey).tolist() == [0.0, 127.5, 255.0]
