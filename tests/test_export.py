"""Residuals are exact in exported files, too, whatever the options of the runtime.

The graph optimisers of exports and runtimes may not merge the scale with the integer
taps, which would be no integers any more.
"""

import keras
import numpy as np
import pytest

from keras_forensics import (
    BayarConv2D,
    HaarPyramid2D,
    MedianResidual,
    NPRResidual,
    SpectralProfile,
    SRMFilterBank,
    filters,
)
from test_support.runtimes import RUNTIMES, export, openvino_precision, run
from tests import oracle
from tests.backend import NAME, random_images

# Six divisors without a common denominator.
OWN = {"bank": [[[-1, 1, 0]]] * 6, "divisors": [7, 9, 11, 13, 5, 56]}
BANKS = [
    {"bank": "v3"},
    {"bank": "v3", "threshold": None, "data_format": "channels_first"},
    {"bank": "srm30", "strides": (1, 2), "padding": "same"},
    {"bank": "srm30", "threshold": None, "padding": "symmetric"},
    {"bank": "rgbn", "sum_channels": True, "strides": 2},
    {"bank": "rgbn", "sum_channels": True, "threshold": None},
    {**OWN, "threshold": 1 / 3, "padding": "valid", "data_format": "channels_first"},
    {**OWN, "threshold": None},
]
# Exact in Keras, as their own tests show; each has as many values as the images.
OTHERS = [MedianResidual, NPRResidual, HaarPyramid2D]
IMAGES = random_images((2, 11, 10, 3))
IMAGES[1] = 255 * (IMAGES[1] > 127)  # the largest residuals there are
HERE = [name for name, runtime in RUNTIMES.items() if NAME in runtime.needs]
WAYS = [(name, option) for name in HERE for option in RUNTIMES[name].options]


def integer_arithmetic(layer):
    """The residuals of the images, flat, rounded once."""
    if isinstance(layer.bank, str):
        bank = filters.get(layer.bank)
        taps, divisors = [f.taps for f in bank], [f.divisor for f in bank]
    else:
        taps, divisors = layer.bank, layer.divisors
    options = layer.threshold, layer.padding, layer.strides, layer.sum_channels
    maps = oracle.residuals(IMAGES, taps, divisors, *options).astype("float32")
    if layer.data_format == "channels_first":
        maps = np.moveaxis(maps, -1, 1)
    return maps.reshape(len(IMAGES), -1)


@pytest.fixture(scope="module")
def model():
    """The residuals of every bank, flat, of `OTHERS`, then what sums floats."""
    image = keras.Input(IMAGES.shape[1:], name="image")
    first = keras.layers.Permute((3, 1, 2))(image)
    layers = [SRMFilterBank(**arguments) for arguments in BANKS]
    maps = [
        layer(first if layer.data_format == "channels_first" else image)
        for layer in [
            *layers,
            *(layer_class() for layer_class in OTHERS),
            BayarConv2D(2, 5, padding="reflect"),
            SpectralProfile(8),
        ]
    ]
    flat = [keras.layers.Reshape((-1,))(each) for each in maps]
    return keras.Model(image, keras.layers.Concatenate()(flat))


@pytest.fixture(scope="module")
def expected(model):
    """Flat residuals by the configuration of each bank, and those of Keras."""
    layers = [layer for layer in model.layers if isinstance(layer, SRMFilterBank)]
    assert len(layers) == len(BANKS)
    exact = {str(layer.get_config()): integer_arithmetic(layer) for layer in layers}
    return exact, model.predict(IMAGES, verbose=0)


@pytest.fixture(scope="module")
def write(model, tmp_path_factory):
    """Writes the model for a runtime, once."""
    folders = {}

    def write(name):
        if missing := RUNTIMES[name].missing():
            pytest.skip(f"{name} needs {', '.join(missing)}")
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("exported")
            export(model, name, folders[name])
        return folders[name]

    return write


@pytest.mark.parametrize(("name", "option"), WAYS)
def test_residuals_are_exact_in_every_runtime(name, option, write, expected):
    folder, options = write(name), RUNTIMES[name].options[option]
    if name == "OpenVINO":
        precision = openvino_precision(folder, **options)
        # "dynamic" is what the file says, which is float32.
        if precision not in ("f32", "dynamic"):
            pytest.skip(f"OpenVINO says that it computes in {precision}: not promised")
    actual = run(name, folder, IMAGES.astype("float32"), **options)
    exact, by_keras = expected
    start = 0
    for configuration, residuals in exact.items():
        part = slice(start, start + residuals.shape[1])
        np.testing.assert_array_equal(actual[:, part], residuals, configuration)
        start = part.stop
    part = slice(start, start + len(OTHERS) * IMAGES[0].size)
    np.testing.assert_array_equal(actual[:, part], by_keras[:, part])
    start = part.stop
    # Learnable taps and waves are no integers: the order of their sums differs.
    assert actual.shape == by_keras.shape and actual.shape[1] > start
    np.testing.assert_allclose(actual[:, start:], by_keras[:, start:], 0, 1e-3)
