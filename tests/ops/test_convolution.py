"""Convolution with mirrored borders equals plain numpy; its shape is computed."""

import keras
import numpy as np
import pytest

from keras_forensics.ops import residual_conv, residual_conv_shape
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding": "full"}, r"`padding` must be one of .*padding='full'"),
        ({"strides": 0}, r"`strides` must be .*strides=0"),
        ({"dilation_rate": (1, 2, 3)}, r"`dilation_rate` must be .*\(1, 2, 3\)"),
        ({"data_format": "NHWC"}, r"`data_format` must be .*data_format='NHWC'"),
        ({"dilation_rate": 8}, r"needs images of at least 9 pixels"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        residual_conv(np.zeros((1, 8, 8, 1)), np.ones((3, 3, 1, 1)), **arguments)
    with pytest.raises(ValueError, match=message):
        residual_conv_shape((1, 8, 8, 1), 1, (3, 3), **arguments)
