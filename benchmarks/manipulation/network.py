"""The network of Bayar & Stamm (2018) behind one of several first layers."""

from collections.abc import Callable

import keras

from benchmarks.manipulation.edits import CLASSES
from benchmarks.manipulation.patches import SIZE
from keras_forensics.layers import BayarConv2D, SRMFilterBank, SRMLayerV3

FIRST_LAYERS: dict[str, Callable[[], keras.layers.Layer | None]] = {
    "free": lambda: keras.layers.Conv2D(3, 5, use_bias=False),
    "constrained": lambda: BayarConv2D(3, 5),
    "SRM, 5 filters": lambda: SRMLayerV3(padding="valid"),
    "SRM, 30 filters": lambda: SRMFilterBank("srm30", padding="valid"),
    "none": lambda: None,
}
"""First layers by name; the others are compared with the first."""


def build_network(first_layer: str) -> keras.Model:
    """The network, with fresh weights.

    All first layers stand before the same body. With the same seed it starts from the
    same weights, where the number of maps that it is given allows.

    Args:
        first_layer: One of `FIRST_LAYERS`.

    Returns:
        Model from patches in grey levels 0..255 to a probability for each class.

    References:
        - Bayar, B. & Stamm, M. C. (2018). Constrained convolutional neural networks:
          a new approach towards general purpose image manipulation detection.
    """
    layers = keras.layers
    body: list[keras.layers.Layer] = []
    for filters, kernel_size, strides, pool in (
        (96, 7, 2, layers.MaxPooling2D),
        (64, 5, 1, layers.MaxPooling2D),
        (64, 5, 1, layers.MaxPooling2D),
        (128, 1, 1, layers.AveragePooling2D),
    ):
        body += [
            layers.Conv2D(filters, kernel_size, strides, padding="same"),
            # The mean of the last tens of steps, since runs may be short.
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("tanh"),
            pool(3, 2, padding="same"),
        ]
    body += [
        layers.Flatten(),
        layers.Dense(200, activation="tanh"),
        layers.Dense(200, activation="tanh"),
        layers.Dense(len(CLASSES), activation="softmax"),
    ]
    # Made after the body, which so draws the same seeds whatever stands before it.
    front = FIRST_LAYERS[first_layer]()
    return keras.Sequential(
        [keras.Input((SIZE, SIZE, 1)), *([] if front is None else [front]), *body]
    )
