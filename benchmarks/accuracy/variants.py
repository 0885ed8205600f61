"""The detector, and what is left of it without one of its parts."""

import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from examples.deepfake_v3.model import (
    build_model_v3,
    fake_probability,
    residual_strides,
    visual_features,
    visual_maps,
)
from keras_forensics.layers import (
    BayarConv2D,
    ForensicStreamV3,
    GatedFusion,
    SRMFilterBank,
)

STREAM = ForensicStreamV3()  # for its defaults
RANDOM_SEED = 0  # of the random fixed filters, which are the same in every run


@keras.saving.register_keras_serializable(package="benchmarks")
class Truncated(keras.layers.Layer):
    """Residuals of several layers, truncated and side by side."""

    def __init__(self, fronts, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.fronts = fronts

    def call(self, images):
        grey = ops.cast(images, "float32")
        maps = ops.concatenate([front(grey) for front in self.fronts], axis=-1)
        return ops.clip(maps, -STREAM.threshold, STREAM.threshold)

    def get_config(self):
        fronts = [keras.saving.serialize_keras_object(front) for front in self.fronts]
        return {**super().get_config(), "fronts": fronts}

    @classmethod
    def from_config(cls, config):
        fronts = map(keras.saving.deserialize_keras_object, config.pop("fronts"))
        return cls(list(fronts), **config)


def srm(bank, strides) -> keras.layers.Layer:
    """Fixed residuals, sampled as in the stream."""
    return SRMFilterBank(bank, strides=strides, padding="reflect", name="srm")


def bayar(strides) -> keras.layers.Layer:
    """Learnable residuals, sampled as in the stream."""
    return BayarConv2D(
        STREAM.bayar_filters, 5, strides=strides, padding="reflect", name="bayar"
    )


def random_bank() -> np.ndarray:
    """Five fixed filters of random integer taps, which sum to 0 as residuals do."""
    rng = np.random.default_rng(RANDOM_SEED)
    taps = rng.integers(-6, 7, (5, 5, 5))
    taps[:, 2, 2] -= taps.sum(axis=(1, 2))
    return taps


def stream_of(*fronts: Callable) -> Callable:
    """A stream with other residuals: the layers of `ForensicStreamV3` after them."""

    def stream(images, units, strides):
        x = Truncated([front(strides) for front in fronts], name="residuals")(images)
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

    return stream


def whole_stream(images, units, strides):
    """The stream as it is."""
    return ForensicStreamV3(gate_dim=units, strides=strides, name="forensic_stream")(
        images
    )


def detector(
    images,
    weights,
    visual_size,
    *,
    stream=whole_stream,
    attention=True,
    statistics=True,
    gating=True,
    evidence=False,
):
    """`build_model_v3` with other parts, or without them.

    Args:
        images: Input of the model.
        weights: Backbone weights.
        visual_size: As in `build_model_v3`.
        stream: Gives the gate from images, its length and the strides.
        attention: Whether the visual stream has channel attention.
        statistics: Whether maps of four depths are pooled to means and deviations;
            otherwise the last maps to means.
        gating: Whether the gate scales features; otherwise one half scales them all.
        evidence: Whether the head sees the gate itself, too.
    """
    if statistics:
        visual = visual_features(
            images, weights, visual_size=visual_size, attention=attention
        )
    else:
        visual = last_features(images, weights, visual_size, attention)
    strides = residual_strides(images.shape[1], visual_size)
    gate = stream(images, visual.shape[-1], strides)
    scales = gate if gating else ops.full_like(gate, 0.5)
    x = GatedFusion(name="gated_fusion")([visual, scales])
    if evidence:
        x = keras.layers.Concatenate(name="evidence")([x, normalised(gate)])
    return fake_probability(x)


def normalised(gate):
    """The gate nearer to the scale of the other features: it hardly leaves one half.

    It stays the smallest of them: its variance over images, some 5e-5, is below Keras's
    epsilon.
    """
    return keras.layers.BatchNormalization(momentum=0.9, name="evidence_norm")(gate)


def last_features(images, weights, visual_size, attention=False):
    """The last maps of the backbone, averaged: `(batch, 1280)`."""
    maps = visual_maps(images, weights, visual_size=visual_size, attention=attention)
    return keras.layers.GlobalAveragePooling2D(name="last_features")(maps[-1])


def plain_backbone(images, weights, visual_size):
    """What everybody fine-tunes: MobileNetV2, dropout and one dense layer."""
    x = last_features(images, weights, visual_size)
    x = keras.layers.Dropout(0.3)(x)
    return keras.layers.Dense(1, activation="sigmoid", dtype="float32")(x)


def without_stream(images, weights, visual_size):
    """The visual stream and the head."""
    return fake_probability(visual_features(images, weights, visual_size=visual_size))


def stream_alone(images, weights, visual_size):
    """The forensic stream and the head."""
    strides = residual_strides(images.shape[1], visual_size)
    return fake_probability(normalised(whole_stream(images, 1280, strides)))


def enlarged_first(images, weights, visual_size):
    """The detector on images that are enlarged before both streams."""
    return detector(
        keras.layers.Resizing(visual_size, visual_size)(images), weights, None
    )


VARIANTS: dict[str, Callable] = {
    "detector": detector,
    "plain backbone": plain_backbone,
    "no forensic stream": without_stream,
    "forensic stream alone": stream_alone,
    "gate also given to the head": functools.partial(detector, evidence=True),
    "gate given to the head only": functools.partial(
        detector, gating=False, evidence=True
    ),
    "means of the last maps only": functools.partial(detector, statistics=False),
    "no channel attention": functools.partial(detector, attention=False),
    "SRM only": functools.partial(
        detector, stream=stream_of(functools.partial(srm, "v3"))
    ),
    "Bayar only": functools.partial(detector, stream=stream_of(bayar)),
    "random fixed filters": functools.partial(
        detector, stream=stream_of(functools.partial(srm, random_bank()), bayar)
    ),
    "bank of 30": functools.partial(
        detector, stream=stream_of(functools.partial(srm, "srm30"), bayar)
    ),
    "enlarged before both streams": enlarged_first,
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
