"""What a detector's score depends on: places in the image, and channels of its gate.

All of it is measured in logits, by changing something and scoring again. That takes no
gradients, so it runs on every backend, and it is more faithful to what a detector does
than they are (benchmarks/attribution.py).
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from scipy import ndimage

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.training.precision import with_policy
from keras_forensics.layers import ForensicStreamV3

BLOCKS = 8  # of a map, a side
BLUR = 1 / 16  # standard deviation, of the side of an image
BATCH = 16  # variants of an image that are scored at once
CHANNELS = 128  # variants of a gate, likewise


class Streams:
    """A detector, cut where its two streams meet, in float32.

    16 bits have no room for the difference that a small part of an image makes.

    Args:
        detector: A model with one `ForensicStreamV3` and a layer `visual_features`
            of vectors, that ends in a `Dense` layer.

    Attributes:
        image_size: Side of the images in pixels.
        stream: The forensic stream.

    Raises:
        ValueError: If a layer is missing.
    """

    def __init__(self, detector: keras.Model):
        model = with_policy(detector, "float32")
        if model is detector:
            model = keras.Model.from_config(detector.get_config())
            model.set_weights(detector.get_weights())
        # Or torch would keep all that a gradient needs.
        model.trainable = False
        self.image_size = model.input_shape[1]
        self.stream = _only_stream(model)
        features = _visual_features(model)
        self._last = _last(model)
        self._visual = keras.Model(model.input, features)
        self._head = keras.Model([features, self.stream.output], self._last.input)

    def visual(self, images):
        """Visual features, `(batch, channels)`, of images in grey levels."""
        # Said aloud: Keras runs a model within a model as in training otherwise.
        return self._visual(_tensor(images), training=False)

    def forensic(self, images):
        """The gate, `(batch, channels)` in [0, 1], of images in grey levels."""
        return self.stream(_tensor(images), training=False)

    def logits(self, features, gates):
        """The logits of the probability of fake, `(batch,)`.

        Args:
            features: Visual features, `(batch, channels)`, or `(1, channels)` for all.
            gates: Likewise.
        """
        features, gates = _tensor(features), _tensor(gates)
        count = max(features.shape[0], gates.shape[0])
        both = [
            ops.repeat(x, count, axis=0) if x.shape[0] < count else x
            for x in (features, gates)
        ]
        x = self._head(both, training=False)
        # The layer itself ends in a sigmoid, which saturates.
        return (ops.matmul(x, self._last.kernel) + self._last.bias)[:, 0]

    def residuals(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the forensic stream sees of an image, at every pixel.

        Args:
            pixels: Array of shape `(height, width, 3)` in grey levels.

        Returns:
            Magnitudes in grey levels, truncated as in the stream: `(height, width,
            filters)` of the fixed filters, the mean over the three colours, and
            `(height, width, maps)` of the learnable ones.
        """
        images = _tensor(pixels[None])
        fixed = abs(_at_every_pixel(self.stream.srm, images))
        # Channel-major: all filters of red, then of green and of blue.
        fixed = fixed.reshape(*fixed.shape[:2], 3, -1).mean(axis=2)
        learnable = abs(_at_every_pixel(self.stream.bayar, images))
        if self.stream.threshold is not None:
            learnable = learnable.clip(max=self.stream.threshold)
        return fixed, learnable


def blur(pixels: np.ndarray) -> np.ndarray:
    """An image without detail: what `occlude` puts in its place."""
    deviation = BLUR * len(pixels)
    return ndimage.gaussian_filter(
        pixels.astype("float32"), (deviation, deviation, 0), mode="nearest"
    )


def block_edges(size: int) -> np.ndarray:
    """Where the blocks of an image of `size` pixels begin, and where the last ends."""
    return np.round(np.linspace(0, size, BLOCKS + 1)).astype(int)


def occlude(
    score: Callable[[np.ndarray], np.ndarray],
    pixels: np.ndarray,
    filled: np.ndarray | None = None,
) -> np.ndarray:
    """How far a score falls when a place is blurred.

    Windows of two blocks by two are blurred, one at a time, at every block. A block
    gets the mean of the windows that it lies in.

    Args:
        score: Gives the scores, `(batch,)`, of images `(batch, height, width, 3)`.
        pixels: The image, a square `(size, size, 3)` in grey levels.
        filled: What a window is filled with, of the same shape; `blur` by default.

    Returns:
        Array of shape `(BLOCKS, BLOCKS)`, positive where the image raises the score.
    """
    filled = blur(pixels) if filled is None else filled
    edges = block_edges(len(pixels))
    windows = [
        (slice(max(row, 0), row + 2), slice(max(column, 0), column + 2))
        for row in range(-1, BLOCKS)
        for column in range(-1, BLOCKS)
    ]
    variants = np.repeat(pixels[None].astype("float32"), len(windows) + 1, axis=0)
    for variant, window in zip(variants[1:], windows, strict=True):
        place = tuple(
            slice(edges[side.start], edges[min(side.stop, BLOCKS)]) for side in window
        )
        variant[place] = filled[place]
    scores = np.concatenate(
        [
            ops.convert_to_numpy(score(variants[i : i + BATCH]))
            for i in range(0, len(variants), BATCH)
        ]
    )
    fallen, times = np.zeros((BLOCKS, BLOCKS)), np.zeros((BLOCKS, BLOCKS))
    for window, other in zip(windows, scores[1:], strict=True):
        fallen[window] += scores[0] - other
        times[window] += 1
    return fallen / times


@dataclasses.dataclass(frozen=True, kw_only=True)
class Channel:
    """One channel of the gate, for one image.

    Attributes:
        index: Which one.
        gate: Its value, in [0, 1].
        usual: Its mean over the last training images.
        logits: What the difference between both adds to the logit of the score.
    """

    index: int
    gate: float
    usual: float
    logits: float


def gate_channels(
    streams: Streams, features, gate, usual: np.ndarray
) -> tuple[float, list[Channel]]:
    """What the gate adds to the logit of an image, in all and by channel.

    A gate is near one half in every image, so its value alone says nothing. Each
    channel in turn is put back to its usual value, the others left as they are.

    Args:
        streams: The detector.
        features: Visual features of the image, `(1, channels)`.
        gate: Its gate, `(1, channels)`.
        usual: The gate to compare with, `(channels,)`.

    Returns:
        The logit less that with the usual gate, and the channels, those that add or
        take most first.
    """
    gate = ops.convert_to_numpy(gate)

    def added_against(gates: np.ndarray) -> np.ndarray:
        others = streams.logits(features, np.concatenate([gate, gates]))
        logits = ops.convert_to_numpy(others)
        return logits[0] - logits[1:]

    added = np.empty(len(usual))
    for start in range(0, len(usual), CHANNELS):
        some = np.arange(start, min(start + CHANNELS, len(usual)))
        gates = np.repeat(gate, len(some), axis=0)
        gates[np.arange(len(some)), some] = usual[some]
        added[some] = added_against(gates)
    channels = [
        Channel(
            index=int(i),
            gate=float(gate[0, i]),
            usual=float(usual[i]),
            logits=float(added[i]),
        )
        for i in np.argsort(-abs(added), kind="stable")
    ]
    return float(added_against(usual[None])[0]), channels


def _only_stream(model: keras.Model) -> ForensicStreamV3:
    found = [layer for layer in model.layers if isinstance(layer, ForensicStreamV3)]
    if len(found) != 1:
        raise InputError(
            "A detector can be explained if it has one ForensicStreamV3. Received: "
            f"{len(found)} of them, in {[layer.name for layer in model.layers]}"
        )
    return found[0]


def _visual_features(model: keras.Model):
    for layer in model.layers:
        if layer.name == "visual_features" and len(layer.output.shape) == 2:
            return layer.output
    raise InputError(
        "A detector can be explained if its visual stream ends in a layer of vectors "
        "called 'visual_features', as in build_model_v3. "
        f"Received: {[layer.name for layer in model.layers]}"
    )


def _last(model: keras.Model) -> keras.layers.Dense:
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and layer.output is model.outputs[0]:
            return layer
    raise InputError(
        "A detector can be explained if it ends in a Dense layer, whose sigmoid is the "
        f"score. Received: {[layer.name for layer in model.layers]}"
    )


def _at_every_pixel(layer: keras.layers.Layer, images) -> np.ndarray:
    """The first output of a copy of the layer that samples every pixel."""
    copy = type(layer).from_config({**layer.get_config(), "strides": (1, 1)})
    copy.build(images.shape)
    copy.set_weights(layer.get_weights())
    return ops.convert_to_numpy(copy(images))[0]


def _tensor(values):
    return ops.convert_to_tensor(values, "float32")
