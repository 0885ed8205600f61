"""The detector, and which of its layers are trained."""

from pathlib import Path

import keras

from examples.deepfake_v3.errors import DownloadError, InputError, NotThereError
from keras_forensics.layers import (
    ChannelAttention,
    ForensicStreamV3,
    GatedFusion,
    StatisticsPooling2D,
)

# Layers of the backbone whose maps are pooled: the last ones at a quarter, an eighth, a
# sixteenth and a thirty-second of its input's side.
LEVELS = (
    "block_3_expand_relu",
    "block_6_expand_relu",
    "block_13_expand_relu",
    "out_relu",
)

HEAD_UNITS = (512, 256)

# Of the backbone in fine-tuning. Its own, .999, would need some thousand steps.
BATCH_NORM_MOMENTUM = 0.9


def build_model_v3(
    weights: str | Path | None = "imagenet",
    image_size: int = 224,
    alpha: float = 1.0,
    dropout: float = 0.3,
    visual_size: int | None = None,
) -> keras.Model:
    """Builds the dual-stream detector.

    The visual stream is MobileNetV2 with channel attention, of which maps of four
    depths are pooled to means and standard deviations; the forensic stream is a gate
    over these features. The fusion keeps the ungated features beside the gated ones,
    and the head is 512-256-1.

    Args:
        weights: Backbone weights: `"imagenet"` (downloaded), a `.h5` file made for
            `keras.applications.MobileNetV2(include_top=False)`, or `None` for random
            ones.
        image_size: Side of the square input in pixels, at least 32.
        alpha: Width of MobileNetV2.
        dropout: Rate of the dropout before each of the three dense layers of the head.
        visual_size: Side in pixels to which the visual stream scales its input, with
            interpolation; `image_size` by default. Larger, for images that are small
            by nature; smaller, to save time. The forensic stream sees the pixels as
            they are: of small images every one, otherwise every second.

    Returns:
        Uncompiled model: `(batch, image_size, image_size, 3)` in grey levels 0..255 →
        `(batch, 1)`, the probability that the image is fake, float32.

    Raises:
        FileNotFoundError: If `weights` names a file that does not exist.
        ConnectionError: If the ImageNet weights cannot be downloaded.
    """
    images = keras.Input((image_size, image_size, 3), name="image")
    visual = visual_features(images, weights, alpha, visual_size)
    gate = ForensicStreamV3(
        gate_dim=visual.shape[-1],
        strides=residual_strides(image_size, visual_size),
        name="forensic_stream",
    )(images)
    fused = GatedFusion(name="gated_fusion")([visual, gate])
    return keras.Model(
        images, fake_probability(fused, dropout), name="deepfake_detector_v3"
    )


def residual_strides(image_size: int, visual_size: int | None) -> int:
    """How far apart residuals are sampled: a small image has none to spare."""
    return 1 if visual_size is not None and visual_size > image_size else 2


def visual_features(images, weights, alpha=1.0, visual_size=None, attention=True):
    """The visual stream: `(batch, features)` from images in grey levels.

    Traces of editing and synthesis are textures, which the shallow layers of a backbone
    tell apart better than the deep ones, so that features are taken from both.
    """
    maps = visual_maps(images, weights, alpha, visual_size, attention)
    pooled = [
        StatisticsPooling2D(name=f"statistics_{level}")(x)
        for level, x in zip(LEVELS, maps, strict=True)
    ]
    return keras.layers.Concatenate(name="visual_features")(pooled)


def visual_maps(images, weights, alpha=1.0, visual_size=None, attention=True):
    """The maps of `LEVELS`, the deepest attended to, from images in grey levels."""
    size = visual_size or images.shape[1]
    x = images
    if size != images.shape[1]:
        # Its default is training=True, which all layers after it would take over.
        x = keras.layers.Resizing(size, size, name="scaling")(x, training=False)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(x)
    maps = _build_backbone(weights, size, alpha)(x)
    if attention:
        maps[-1] = ChannelAttention(name="channel_attention")(maps[-1])
    return maps


def fake_probability(features, dropout=0.3):
    """The head: `(batch, 1)` from features.

    Without batch normalisation, whose running statistics lag behind a backbone that
    moves fast.
    """
    x = keras.layers.Dropout(dropout, name="dropout_features")(features)
    for units in HEAD_UNITS:
        x = keras.layers.Dense(units, activation="relu", name=f"dense_{units}")(x)
        x = keras.layers.Dropout(dropout, name=f"dropout_{units}")(x)
    # float32: 16 bits cannot tell probabilities near 0 and 1 apart.
    return keras.layers.Dense(
        1, activation="sigmoid", dtype="float32", name="fake_probability"
    )(x)


def _build_backbone(weights, image_size, alpha) -> keras.Model:
    if weights not in ("imagenet", None) and not Path(weights).is_file():
        raise NotThereError(
            "`weights` must be 'imagenet', None or a .h5 file. "
            f"Received: weights={str(weights)!r}, which does not exist"
        )
    try:
        backbone = keras.applications.MobileNetV2(
            input_shape=(image_size, image_size, 3),
            alpha=alpha,
            include_top=False,
            weights=None if weights is None else str(weights),
        )
    except Exception as error:
        if weights is None:
            raise
        if weights == "imagenet" and "URL fetch failure" in str(error):
            raise DownloadError(
                f"The ImageNet weights could not be downloaded: {error}. Where there "
                "is no network, fetch that file elsewhere and pass it: weights="
                "'FILE.h5' (on the command line, --weights FILE.h5)."
            ) from error
        raise InputError(
            f"`weights` does not fit MobileNetV2 of width `alpha` without its top. "
            f"Received: weights={str(weights)!r}, alpha={alpha}. Keras says: {error}"
        ) from error
    maps = [backbone.get_layer(level).output for level in LEVELS]
    return keras.Model(backbone.input, maps, name="backbone")


def freeze_backbone(model: keras.Model) -> None:
    """Trains the forensic stream, the attention and the head only."""
    model.get_layer("backbone").trainable = False


def measure_backbone_statistics(model: keras.Model, images) -> None:
    """Sets the BatchNorm statistics of a backbone with random weights.

    Untouched statistics (mean 0, variance 1) let the signal fade from layer to layer,
    until a frozen backbone gives the same features for every image.

    Args:
        model: The detector.
        images: A batch of training images in grey levels 0..255.
    """
    backbone = model.get_layer("backbone")
    norms = [
        layer
        for layer in backbone.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0  # the statistics of this batch alone
    rescaled = keras.Model(model.input, model.get_layer("rescaling").output)
    backbone(rescaled(images), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


def unfreeze_backbone(
    model: keras.Model, last: int | None = None, freeze_batch_norm: bool = False
) -> None:
    """Trains the last layers of the backbone too, or all for `None`.

    Their BatchNormalization learns with them. Held to the statistics of the images
    that the backbone was trained on before, it slows all other layers down.

    Args:
        model: The detector.
        last: How many of the backbone's last layers are trained.
        freeze_batch_norm: Hold the BatchNormalization nevertheless: in inference mode,
            with the weights that it has.
    """
    backbone = model.get_layer("backbone")
    backbone.trainable = True
    count = len(backbone.layers)
    for index, layer in enumerate(backbone.layers):
        layer.trainable = last is None or index >= count - last
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = layer.trainable and not freeze_batch_norm
            layer.momentum = BATCH_NORM_MOMENTUM


def rate_multipliers(model: keras.Model, first_layer_rate: float) -> dict[str, float]:
    """Layer-wise learning rates of the backbone, relative to those of the head.

    Args:
        model: The detector.
        first_layer_rate: Multiplier of the first layer; it grows geometrically with
            depth, to 1 at the last.

    Returns:
        `{variable path: multiplier}` for the backbone's trainable variables.
    """
    layers = model.get_layer("backbone").layers
    return {
        variable.path: first_layer_rate ** (1 - index / (len(layers) - 1))
        for index, layer in enumerate(layers)
        for variable in layer.trainable_variables
    }
