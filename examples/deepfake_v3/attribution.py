"""What a detector's score depends on: places in the image, and channels of its gate.

All of it is measured in logits by leaving something out and scoring again: no gradients,
so it runs on every backend. Nothing is painted over. Both streams end in a mean over
the image, and a mean over the rest of the image is what the detector computes for an
image without that place, where a grey or blurred patch would be a forgery itself.
"""

import dataclasses

import keras
import numpy as np
from keras import ops

from examples.deepfake_v3.precision import with_policy
from keras_forensics.layers import ChannelAttention, ForensicStreamV3

BATCH = 64  # images without a place that are scored at once
POOLING = keras.layers.GlobalAveragePooling2D


class Streams:
    """A detector, cut where its two streams end.

    Args:
        detector: A model with a `ForensicStreamV3` and, as `visual_features`, a global
            average pooling, that ends in the layer `fake_probability`.

    Raises:
        ValueError: If a layer is missing.
    """

    def __init__(self, detector: keras.Model):
        # 16 bits have no room for the small difference that one place makes.
        model = with_policy(detector, "float32")
        stream = _only(model, ForensicStreamV3)
        pooling = _named(model, "visual_features", POOLING)
        attention = [x for x in model.layers if isinstance(x, ChannelAttention)]
        # Attention weighs channels by their mean, so a place is left out before it.
        maps = attention[0].input if attention else pooling.input
        last = _named(model, "fake_probability", keras.layers.Dense)
        self.stream = stream
        self.image_size = model.input_shape[1]
        self._visual = keras.Model(model.input, maps)
        self._head = keras.Model([maps, stream.output], last.input)
        self._last = last

    def visual_maps(self, images) -> np.ndarray:
        """`(batch, height, width, channels)`: what the visual stream pools."""
        return _run(self._visual, images)

    def forensic_maps(self, images) -> np.ndarray:
        """`(batch, height, width, channels)`: what the forensic stream pools."""
        before, _ = self._forensic_layers()
        return _numpy(_through(before, self.stream.residuals(_tensor(images))))

    def gate(self, forensic_maps) -> np.ndarray:
        """`(batch, channels)` in [0, 1] from forensic maps."""
        _, after = self._forensic_layers()
        return _numpy(_through([*after, self.stream.gate], _tensor(forensic_maps)))

    def logits(self, visual_maps, gates) -> np.ndarray:
        """`(batch,)`: logits of the probability of fake."""
        features = self._head([_tensor(visual_maps), _tensor(gates)], training=False)
        # The layer itself ends in a sigmoid, which saturates.
        logits = ops.matmul(features, self._last.kernel) + self._last.bias
        return _numpy(logits)[:, 0]

    def _forensic_layers(self):
        layers = self.stream.feature_layers
        pooled = next(i for i, x in enumerate(layers) if isinstance(x, POOLING))
        return layers[:pooled], layers[pooled:]


def leave_out(maps: np.ndarray, score) -> np.ndarray:
    """What each place of pooled maps adds to a score.

    Args:
        maps: Array of shape `(height, width, channels)` with several places.
        score: Function of `(batch, height, width, channels)` that depends on means
            over places alone; gives `(batch,)`.

    Returns:
        `(height, width)`: the score less that without the place.
    """
    height, width, _ = maps.shape
    places = height * width
    # The mean over all, of maps so weighted, is the mean over the others.
    weights = (1 - np.eye(places, dtype="float32")) * places / (places - 1)
    weights = weights.reshape(places, height, width, 1)
    without = [
        score(maps * weights[start : start + BATCH])
        for start in range(0, places, BATCH)
    ]
    return (score(maps[None]) - np.concatenate(without)).reshape(height, width)


def _only(model, kind):
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    if len(found) != 1:
        raise ValueError(
            f"A detector to explain must have one layer of type {kind.__name__}. "
            f"Received: {[layer.name for layer in found]}"
        )
    return found[0]


def _named(model, name, kind):
    for layer in model.layers:
        if layer.name == name and isinstance(layer, kind):
            return layer
    raise ValueError(
        f"A detector to explain must have a {kind.__name__} layer called {name!r}, as "
        f"build_model_v3 makes it. Received: {[layer.name for layer in model.layers]}"
    )


def _through(layers, x):
    for layer in layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            x = layer(x, training=False)
        else:
            x = layer(x)
    return x


def _run(model, images):
    return _numpy(model(_tensor(images), training=False))


def _tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def _numpy(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)
