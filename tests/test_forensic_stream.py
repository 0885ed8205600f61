"""A stream whose front is any list of residual layers."""

import keras
import numpy as np
import pytest

from keras_forensics import (
    ForensicStream,
    HaarPyramid2D,
    MedianResidual,
    NPRResidual,
    SpectralProfile,
    SRMFilterBank,
)
from tests.backend import random_images

numpy = keras.ops.convert_to_numpy
IMAGES = random_images()


def front():
    """Fixed ones, with and without a threshold, and a learnable one of Keras's own."""
    return [
        MedianResidual((3, 1), threshold=20.0),
        NPRResidual(),
        HaarPyramid2D(),
        SRMFilterBank("rgbn", sum_channels=True),
        keras.layers.Conv2D(2, 3, padding="same", name="free"),
    ]


def stream(layers, **options):
    return ForensicStream(layers, gate_dim=8, features=(4,), **options)


def test_residuals_are_those_of_every_layer_truncated_once():
    layers = front()
    layer = stream(layers)
    layer.build(IMAGES.shape)
    maps = numpy(layer.residuals(IMAGES))
    grey = IMAGES.astype("float32")
    expected = [numpy(each(grey)) for each in layers]
    for k, each in enumerate(layers):
        if getattr(each, "threshold", None) is None:
            expected[k] = expected[k].clip(-3, 3)
    np.testing.assert_array_equal(maps, np.concatenate(expected, -1))
    assert abs(maps[..., :3]).max() == 20  # its own threshold
    assert abs(maps[..., 3:]).max() == 3  # the stream's


def test_saved_stream_has_the_same_front_and_gate(tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, stream(front())(inputs))
    expected = model.predict(IMAGES, verbose=0)
    model.save(tmp_path / "stream.keras")
    loaded = keras.saving.load_model(tmp_path / "stream.keras")
    layers = loaded.layers[-1].residual_layers
    assert [type(each) for each in layers] == [type(each) for each in front()]
    assert layers[0].threshold == 20.0
    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), expected)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], r"`residual_layers` must be a list of one layer or more.*\[\]"),
        ("srm30", r"`residual_layers` must be a list .*'srm30'"),
        ([NPRResidual], r"`residual_layers` must be a list "),
        ([NPRResidual(data_format="channels_first")], r"`data_format` must be that of"),
        ([NPRResidual(value_range=(0, 1))], r"get grey levels 0\.\.255.*\(0, 1\)"),
    ],
)
def test_wrong_fronts_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        stream(layers)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([SpectralProfile(8)], r"must give maps of 4 axes.*\(2, 12\) from 'spectral_"),
        ([NPRResidual(), MedianResidual(padding="valid")], "one height and width"),
    ],
)
def test_fronts_whose_outputs_do_not_fit_together_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        stream(layers).build(IMAGES.shape)
