"""What a detector's score depends on: places in the image, and channels of its gate.

All of it is measured in logits by leaving something out and scoring again, without
gradients, so it runs on every backend.
"""

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
            average pooling, that ends in a `Dense` layer.

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
        last = _last(model)
        self.stream = stream
        self.image_size = model.input_shape[1]
        self._visual = keras.Model(model.input, maps)
        self._head = keras.Model([maps, stream.output], last.input)
        self._last = last

    def visual_maps(self, images):
        """What the visual stream pools: `(batch, height, width, channels)`."""
        return self._visual(images, training=False)

    def forensic_maps(self, images):
        """What the forensic stream pools: `(batch, height, width, channels)`."""
        before, _ = self._forensic_layers()
        return _through(before, self.stream.residuals(images))

    def gate(self, forensic_maps):
        """The gate, `(batch, channels)` in [0, 1]."""
        _, after = self._forensic_layers()
        return _through([*after, self.stream.gate], forensic_maps)

    def logits(self, visual_maps, gates):
        """The logits of the probability of fake, `(batch,)`."""
        features = self._head([visual_maps, gates], training=False)
        # The layer itself ends in a sigmoid, which saturates.
        return (ops.matmul(features, self._last.kernel) + self._last.bias)[:, 0]

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

    def measure(weighted: np.ndarray) -> np.ndarray:
        return ops.convert_to_numpy(score(ops.convert_to_tensor(weighted, "float32")))

    without = np.concatenate(
        [measure(maps * weights[i : i + BATCH]) for i in range(0, places, BATCH)]
    )
    return (measure(maps[None]) - without).reshape(height, width)


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


def _last(model):
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and layer.output is model.outputs[0]:
            return layer
    raise ValueError(
        "A detector to explain must end in a Dense layer, whose sigmoid is the score. "
        f"Received: {[layer.name for layer in model.layers]}"
    )


def _through(layers, x):
    for layer in layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            x = layer(x, training=False)
        else:
            x = layer(x)
    return x
