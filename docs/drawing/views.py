"""What layers see of a picture, as images.

A view is an array of shape `(height, width, 3)` in [0, 1]: magnitudes of residuals,
black where there is none, white where all three reach the threshold. Where a layer has
one map for each colour, the view has that colour.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np

from docs.drawing import pictures
from keras_forensics import (
    BayarConv2D,
    ForensicStream,
    ForensicStreamV3,
    SRMFilterBank,
    SRMLayerV3,
)
from keras_forensics.filters import V3

V3_NAMES = [entry.name for entry in V3]
THRESHOLD = 3.0
# Summed over three colours, and not truncated in RGB-N: white starts here.
RGBN_WHITE = 10.0

# On so small a part and in so few steps the error comes as low as it gets.
PREDICTOR_SIDE = 128
PREDICTOR_STEPS = 100


def as_it_is(picture: np.ndarray) -> np.ndarray:
    """What people see."""
    return picture / 255


def srm(picture: np.ndarray, name: str = "KV") -> np.ndarray:
    """One of the five V3 filters, in each colour."""
    maps = run(SRMLayerV3(threshold=THRESHOLD), picture)
    maps = maps.reshape(*maps.shape[:2], 3, len(V3_NAMES))
    return abs(maps[..., V3_NAMES.index(name)]) / THRESHOLD


def rgbn(picture: np.ndarray) -> np.ndarray:
    """The three maps of RGB-N, as red, green and blue."""
    layer = SRMFilterBank("rgbn", threshold=RGBN_WHITE, sum_channels=True)
    return abs(run(layer, picture)) / RGBN_WHITE


def bayar(picture: np.ndarray) -> np.ndarray:
    """The error of a predictor that has learned from the photograph."""
    colours = np.moveaxis(picture, -1, 0)[..., None].astype("float32")
    errors = keras.ops.convert_to_numpy(trained_predictor()(colours))[..., 0]
    return (abs(np.moveaxis(errors, 0, -1)) / THRESHOLD).clip(0, 1)


def stream(picture: np.ndarray) -> np.ndarray:
    """The mean magnitude of all residuals of a stream, every second pixel."""
    residuals = stream_residuals(stream_v3, picture)
    mean = abs(residuals).mean(-1, keepdims=True) / THRESHOLD
    return np.repeat(np.kron(mean, np.ones((2, 2, 1))), 3, axis=-1)


VIEWS = {
    "as_it_is": as_it_is,
    "srm": srm,
    "rgbn": rgbn,
    "bayar": bayar,
    "stream": stream,
}


def run(layer: keras.layers.Layer, picture: np.ndarray) -> np.ndarray:
    """The layer's output for one picture, without the batch axis."""
    return keras.ops.convert_to_numpy(layer(picture[None]))[0]


def stream_v3() -> ForensicStream:
    return ForensicStreamV3(gate_dim=8)


def chosen_stream() -> ForensicStream:
    """The three filters of RGB-N, summed over the colours, and three Bayar filters."""
    front = [
        SRMFilterBank("rgbn", sum_channels=True),
        BayarConv2D(3, 7, padding="reflect"),
    ]
    return ForensicStream(front, gate_dim=8)


def stream_residuals(
    make: Callable[[], ForensicStream], picture: np.ndarray
) -> np.ndarray:
    """The residuals that an untrained stream computes its features from."""
    keras.utils.set_random_seed(0)
    layer = make()
    layer.build((None, *picture.shape))
    return keras.ops.convert_to_numpy(layer.residuals(picture[None]))[0]


@functools.cache
def trained_predictor() -> BayarConv2D:
    """A Bayar convolution that has learned to predict the photograph's pixels.

    Its output is the error of the prediction, so training means to make it small. The
    colours are three images of one channel.
    """
    keras.utils.set_random_seed(0)
    layer = BayarConv2D(1, 5, padding="reflect")
    corner = pictures.photograph()[:PREDICTOR_SIDE, :PREDICTOR_SIDE]
    colours = np.moveaxis(corner, -1, 0)[..., None].astype("float32")
    model = keras.Sequential([keras.Input((None, None, 1)), layer])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    # One epoch of many steps: epochs cost more than such small steps.
    every_step = np.tile(colours, (PREDICTOR_STEPS, 1, 1, 1))
    model.fit(every_step, np.zeros_like(every_step), batch_size=3, verbose=0)
    return layer
