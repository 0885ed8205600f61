"""Channels move to where a format has them, and back."""

import keras
import numpy as np
import pytest

from keras_forensics.ops import change_data_format, runnable_data_format


@pytest.mark.parametrize("other", ["channels_first", "channels_last"])
def test_channels_move_to_where_the_other_format_has_them(other):
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    source, target = (-1, 1) if other == "channels_first" else (1, -1)
    own = {"channels_first": "channels_last", "channels_last": "channels_first"}[other]
    moved = keras.ops.convert_to_numpy(
        change_data_format(keras.ops.convert_to_tensor(images), own, other)
    )
    np.testing.assert_array_equal(moved, np.moveaxis(images, source, target))


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_backend_convolves_in_the_runnable_format(data_format):
    runs_in = runnable_data_format(data_format)
    images = keras.ops.ones((1, 4, 4, 4))
    kernel = keras.ops.ones((1, 1, 4, 2))
    outputs = keras.ops.conv(images, kernel, data_format=runs_in)
    assert outputs.shape[-1 if runs_in == "channels_last" else 1] == 2
