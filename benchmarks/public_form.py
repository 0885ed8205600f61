"""The forensic stream as it circulates in public code, to compare with.

Written from its description: 15 SRM maps by a depthwise 5x5 convolution, 8 Bayar maps
5x5, then 3x3 convolutions 23 → 32 → 64 at full resolution, batch normalisation, global
pooling and a dense gate.
"""

import keras
import numpy as np

from keras_forensics import filters
from keras_forensics.constraints import BayarConstraint


def public_srm_kernel() -> np.ndarray:
    """The five V3 filters as they are usually used: divided, `(5, 5, filters)`."""
    return np.stack([entry.kernel for entry in filters.V3], axis=-1)


def public_srm(images):
    """Truncated residuals by a depthwise convolution with divided taps."""
    kernels = public_srm_kernel()
    residuals = keras.layers.DepthwiseConv2D(
        5,
        padding="same",
        depth_multiplier=kernels.shape[-1],
        use_bias=False,
        depthwise_initializer=lambda shape, dtype: np.repeat(
            kernels[:, :, None], shape[2], axis=2
        ).astype(dtype),
        trainable=False,
    )(images)
    return keras.ops.clip(residuals, -3, 3)


def public_stream(images, gate_dim: int = 1280):
    """The whole stream, from images to the gate."""
    bayar = keras.layers.Conv2D(
        8, 5, padding="same", use_bias=False, kernel_constraint=BayarConstraint()
    )(images)
    x = keras.layers.Concatenate()([public_srm(images), bayar])
    for channels in (32, 64):
        x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Dense(gate_dim, activation="sigmoid")(x)
