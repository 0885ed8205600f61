"""Squeeze-and-excitation against the oracle."""

import keras
import numpy as np
import pytest

from keras_forensics import ChannelAttention
from tests import oracle
from tests.tolerances import assert_close


@pytest.mark.parametrize(("channels", "ratio"), [(8, 2), (32, 16), (3, 16)])
def test_attention_equals_the_oracle(channels, ratio):
    features = np.random.default_rng(0).uniform(-1, 1, (2, 5, 6, channels))
    layer = ChannelAttention(ratio)
    outputs = layer(features.astype("float32"))
    weights = [w.astype("float64") for w in layer.get_weights()]
    assert weights[0].shape == (channels, max(1, channels // ratio))
    assert_close(outputs, oracle.channel_attention(features, *weights))


def test_scale_is_one_number_between_0_and_1_per_image_and_channel():
    features = np.random.default_rng(0).uniform(1, 2, (2, 5, 6, 8)).astype("float32")
    scale = keras.ops.convert_to_numpy(ChannelAttention(2)(features)) / features
    assert (scale > 0).all() and (scale < 1).all()
    np.testing.assert_allclose(scale, scale[:, :1, :1] + 0 * scale, rtol=1e-5)
    assert abs(scale[0] - scale[1]).max() > 1e-4


@pytest.mark.parametrize("ratio", [0, -1, 1.5, "16", True, None])
def test_wrong_ratio_is_named(ratio):
    with pytest.raises(
        ValueError, match=rf"`reduction_ratio` must be .*reduction_ratio={ratio!r}"
    ):
        ChannelAttention(ratio)
