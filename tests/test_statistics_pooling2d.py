"""Mean and deviation against the oracle, where they are hard to compute."""

import keras
import numpy as np
import pytest

from keras_forensics import StatisticsPooling2D
from tests import oracle
from tests.backend import gradients
from tests.tolerances import assert_close


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_pooling_equals_the_oracle(data_format):
    features = np.random.default_rng(0).normal(3, 2, (2, 5, 6, 4)).astype("float32")
    expected = oracle.statistics_pooling(features.astype("float64"), epsilon=0.1)
    if data_format == "channels_first":
        features = features.transpose(0, 3, 1, 2)
    layer = StatisticsPooling2D(epsilon=0.1, data_format=data_format)
    assert_close(layer(features), expected)


def test_statistics_do_not_depend_on_the_size_of_the_image():
    tile = np.random.default_rng(0).normal(size=(1, 3, 4, 2)).astype("float32")
    layer = StatisticsPooling2D()
    pooled = keras.ops.convert_to_numpy(layer(np.tile(tile, (1, 5, 2, 1))))
    np.testing.assert_allclose(pooled, layer(tile), rtol=1e-5, atol=1e-6)


def test_gradient_of_a_flat_channel_is_zero():
    flat = np.full((1, 3, 3, 1), 2, "float32")
    _, (gradient,), _ = gradients(
        StatisticsPooling2D(), [flat], np.array([[0.0, 1.0]], "float32")
    )
    np.testing.assert_array_equal(gradient, np.zeros_like(flat))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_deviation_far_from_zero_survives_16_bits(policy):
    checkerboard = np.indices((8, 8)).sum(axis=0) % 2
    features = (1000 + checkerboard)[None, :, :, None].astype("float32")
    pooled = StatisticsPooling2D(dtype=policy)(features)
    assert keras.backend.standardize_dtype(pooled.dtype) == policy.removeprefix(
        "mixed_"
    )
    deviation = float(keras.ops.convert_to_numpy(pooled)[0, 1])
    assert deviation == pytest.approx(0.5, rel=1e-2)


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), float("inf"), "1", None])
def test_wrong_epsilon_is_named(epsilon):
    with pytest.raises(
        ValueError, match=f"`epsilon` must be a positive number.*epsilon={epsilon!r}"
    ):
        StatisticsPooling2D(epsilon)
