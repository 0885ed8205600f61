"""The picture of `explain`, of a small detector that is trained here in seconds."""

import functools
import io

import keras
import numpy as np
from PIL import Image

from docs.drawing import pictures
from examples.deepfake_v3.detector import Detector
from examples.deepfake_v3.evaluation.metrics import find_optimal_threshold
from examples.deepfake_v3.explanation.explanation import Explanation
from examples.deepfake_v3.explanation.figure import draw_explanation
from examples.deepfake_v3.model_files.metadata import Metadata
from keras_forensics import ForensicStreamV3, GatedFusion, __version__

SIDE = 64  # of what the detector sees, in pixels
CHANNELS = 16
STEPS, BATCH = 30, 32

# Of the splice: half of the detector's square is eye, half is wood.
PART = (slice(112, 240), slice(40, 168))


def explanation() -> np.ndarray:
    """The picture as an array `(height, width, 3)` in [0, 1]."""
    figure = draw_explanation(explained())
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255  # type: ignore[attr-defined]  # Agg


@functools.cache
def explained() -> Explanation:
    """What the small detector says of the splice."""
    return small_detector().explain(np.ascontiguousarray(pictures.splice()[PART]))


@functools.cache
def small_detector() -> Detector:
    """Tells the photograph from an enlarged and compressed copy of it, by squares.

    It has never seen the eye, which was enlarged and compressed in the same way.
    """
    keras.utils.set_random_seed(0)
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    for filters in (8, CHANNELS):
        x = keras.layers.Conv2D(filters, 3, strides=2, activation="relu")(x)
    visual = keras.layers.GlobalAveragePooling2D(name="visual_features")(x)
    gate = ForensicStreamV3(CHANNELS, bayar_filters=6, features=(8, 16))(images)
    fused = GatedFusion()([visual, gate])
    # So little training leaves the gate near one half: its deviations, normalised.
    deviations = keras.layers.BatchNormalization(momentum=0.9)(gate)
    features = keras.layers.Concatenate()([fused, deviations])
    model = keras.Model(images, keras.layers.Dense(1, "sigmoid")(features))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    rng = np.random.default_rng(0)
    squares, labels = _squares(rng, STEPS * BATCH)
    model.fit(squares, labels, batch_size=BATCH, verbose=0)
    val_squares, val_labels = _squares(rng, 100)
    scores = model.predict(val_squares, verbose=0)[:, 0]
    gates = keras.Model(images, gate).predict(val_squares, verbose=0)
    metadata = Metadata(
        package_version=__version__,
        keras_version=keras.__version__,
        image_size=SIDE,
        training_data=None,
        threshold=find_optimal_threshold(val_labels, scores),
        threshold_criterion="youden",
        temperature=1.0,  # hardly any score is wrong, so none can be fitted
        val_images=len(val_labels),
        usual_gate=tuple(gates.mean(axis=0).tolist()),
    )
    return Detector(model, metadata)


def _squares(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares of the photograph and of its copy, and which they are of."""
    photograph = pictures.photograph()
    larger = round(pictures.SIZE * pictures.EYE_ENLARGED)
    enlarged = Image.fromarray(photograph).resize(
        (larger, larger), Image.Resampling.BICUBIC
    )
    content = io.BytesIO()
    enlarged.save(content, "JPEG", quality=pictures.EYE_JPEG_QUALITY)
    sources = photograph, np.asarray(Image.open(content))
    labels = rng.integers(2, size=count)
    squares = np.empty((count, SIDE, SIDE, 3), "uint8")
    for square, label in zip(squares, labels, strict=True):
        source = sources[label]
        top, left = rng.integers(len(source) - SIDE, size=2)
        square[:] = source[top : top + SIDE, left : left + SIDE]
    return squares, labels
