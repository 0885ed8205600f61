"""The detector, and what is left of it without one of its parts."""

import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from examples.deepfake_v3.model import (
    build_model_v3,
    fake_probability,
    visual_features,
)
from keras_forensics.layers import (
    BayarConv2D,
    ForensicStreamV3,
    GatedFusion,
    SRMFilterBank,
)

STREAM = ForensicStreamV3()  # for its defaults
RANDOM_SEED = 0  # of the random fixed filters, which are the same in every run


class Truncated(keras.layers.Layer):
    """Residuals of several layers, truncated and side by side."""

    def __init__(self, fronts, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.fronts = fronts

    def call(self, images):
        grey = ops.cast(images, "float32")
        maps = ops.concatenate([front(grey) for front in self.fronts], axis=-1)
        return ops.clip(maps, -STREAM.threshold, STREAM.threshold)


def srm(bank) -> keras.layers.Layer:
    """Fixed residuals, sampled as in the stream."""
    return SRMFilterBank(bank, strides=STREAM.strides, padding="reflect", name="srm")


def bayar() -> keras.layers.Layer:
    """Learnable residuals, sampled as in the stream."""
    return BayarConv2D(
        STREAM.bayar_filters,
        5,
        strides=STREAM.strides,
        padding="reflect",
        name="bayar",
    )


def random_bank() -> np.ndarray:
    """Five fixed filters of random integer taps, which sum to 0 as residuals do."""
    rng = np.random.default_rng(RANDOM_SEED)
    taps = rng.integers(-6, 7, (5, 5, 5))
    taps[:, 2, 2] -= taps.sum(axis=(1, 2))
    return taps


def gate_from(fronts: Callable[[], list[keras.layers.Layer]]) -> Callable:
    """A stream with other residuals: the layers of `ForensicStreamV3` after them."""

    def gate(images, units):
        x = Truncated(fronts(), name="residuals")(images)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        for channels in STREAM.features:
            x = keras.layers.Conv2D(
                channels, 3, strides=2, padding="same", use_bias=False
            )(x)
            x = keras.layers.BatchNormalization(momentum=0.9)(x)
            x = keras.layers.ReLU()(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.layers.Dense(units, activation="sigmoid", name="forensic_stream")(
            x
        )

    return gate


def whole_stream(images, units):
    """The stream as it is."""
    return ForensicStreamV3(gate_dim=units, name="forensic_stream")(images)


def constant_gate(images, units):
    """A gate that lets half of every feature through, whatever the image."""
    return ops.zeros_like(images[:, 0, 0, :1]) + ops.full((1, units), 0.5)


def detector(
    images, weights, visual_size, *, gate=whole_stream, attention=True, evidence=False
):
    """`build_model_v3` with other parts; `evidence` hands the head the gate, too."""
    visual = visual_features(
        images, weights, visual_size=visual_size, attention=attention
    )
    opened = gate(images, visual.shape[-1])
    x = GatedFusion(name="gated_fusion")([visual, opened])
    if evidence:
        x = keras.layers.Concatenate(name="evidence")([x, opened])
    return fake_probability(x)


def plain_backbone(images, weights, visual_size):
    """What everybody fine-tunes: MobileNetV2, dropout and one dense layer."""
    x = visual_features(images, weights, visual_size=visual_size, attention=False)
    x = keras.layers.Dropout(0.3)(x)
    return keras.layers.Dense(1, activation="sigmoid", dtype="float32")(x)


def without_stream(images, weights, visual_size):
    """The visual stream and the head."""
    return fake_probability(visual_features(images, weights, visual_size=visual_size))


def stream_alone(images, weights, visual_size):
    """The forensic stream and the head."""
    return fake_probability(whole_stream(images, 1280))


VARIANTS: dict[str, Callable] = {
    "detector": detector,
    "plain backbone": plain_backbone,
    "no forensic stream": without_stream,
    "forensic stream alone": stream_alone,
    "gate given to the head, too": functools.partial(detector, evidence=True),
    "gate fixed at 1/2": functools.partial(detector, gate=constant_gate),
    "no channel attention": functools.partial(detector, attention=False),
    "SRM only": functools.partial(detector, gate=gate_from(lambda: [srm("v3")])),
    "Bayar only": functools.partial(detector, gate=gate_from(lambda: [bayar()])),
    "random fixed filters": functools.partial(
        detector, gate=gate_from(lambda: [srm(random_bank()), bayar()])
    ),
    "bank of 30": functools.partial(
        detector, gate=gate_from(lambda: [srm("srm30"), bayar()])
    ),
}
"""`{name: function of images, weights and visual_size, to the probability}`."""


def build(
    variant: str, weights: str | None, image_size: int, visual_size: int | None
) -> keras.Model:
    """A model as `build_model_v3` builds it, but for what the variant changes."""
    if variant == "detector":
        return build_model_v3(weights, image_size, visual_size=visual_size)
    images = keras.Input((image_size, image_size, 3), name="image")
    return keras.Model(images, VARIANTS[variant](images, weights, visual_size))
