"""The layer around the codec: ranges, rounding, gradients, refusals."""

import keras
import numpy as np
import pytest

from keras_forensics import JPEGCompression
from test_support import pillow_jpeg
from tests.backend import gradients, random_images

numpy = keras.ops.convert_to_numpy
IMAGES = random_images((2, 12, 14, 3))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_layer_equals_pillow_in_every_policy(data_format, policy):
    layer = JPEGCompression(70, "4:4:4", data_format=data_format, dtype=policy)
    expected = pillow_jpeg.round_trip(IMAGES, 70, "4:4:4")
    inputs = IMAGES
    if data_format == "channels_first":
        inputs, expected = np.moveaxis(IMAGES, -1, 1), np.moveaxis(expected, -1, 1)
    outputs = layer(inputs)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    actual = numpy(keras.ops.cast(outputs, "float32"))
    np.testing.assert_array_equal(actual, expected)


def test_grey_images_are_luma_alone():
    grey = IMAGES[..., :1]
    actual = numpy(JPEGCompression(30)(grey))
    np.testing.assert_array_equal(actual, pillow_jpeg.round_trip(grey, 30))


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1)])
def test_range_of_the_input_is_that_of_the_output(value_range):
    low, high = value_range
    scaled = (low + IMAGES / 255 * (high - low)).astype("float32")
    actual = numpy(JPEGCompression(70, value_range=value_range)(scaled))
    expected = low + pillow_jpeg.round_trip(IMAGES, 70) / 255 * (high - low)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


def test_inputs_are_clipped_and_rounded():
    exact = numpy(JPEGCompression(70)(IMAGES))
    noise = np.random.default_rng(0).uniform(-0.49, 0.49, IMAGES.shape)
    noisy = np.where(IMAGES == 0, -9, np.where(IMAGES == 255, 300, IMAGES + noise))
    np.testing.assert_array_equal(
        numpy(JPEGCompression(70)(noisy.astype("float32"))), exact
    )


def test_gradients_pass_straight_through_but_not_where_inputs_are_clipped():
    inputs = IMAGES.astype("float32")
    inputs[0, 0, :2] = [[-5, 300, 7]] * 2
    weights = np.random.default_rng(0).normal(size=inputs.shape).astype("float32")
    _, (gradient,), _ = gradients(JPEGCompression(70), [inputs], weights)
    inside = (inputs > 0) & (inputs < 255)
    np.testing.assert_array_equal(gradient[inside], weights[inside])
    outside = (inputs < 0) | (inputs > 255)
    np.testing.assert_array_equal(gradient[outside], 0)


@pytest.mark.parametrize("quality", [0, 101, 75.0, "75", None])
def test_wrong_quality_is_named(quality):
    with pytest.raises(ValueError, match=f"`quality` must be an .*{quality!r}"):
        JPEGCompression(quality)


@pytest.mark.parametrize("subsampling", ["4:1:1", 2, None])
def test_wrong_subsampling_is_named(subsampling):
    with pytest.raises(ValueError, match=f"`subsampling` must be .*{subsampling!r}"):
        JPEGCompression(75, subsampling)


def test_other_channels_than_grey_or_rgb_are_refused():
    with pytest.raises(ValueError, match=r"1 channel .*Received: .*\(2, 12, 14, 4\)"):
        JPEGCompression(75)(np.zeros((2, 12, 14, 4), "float32"))
