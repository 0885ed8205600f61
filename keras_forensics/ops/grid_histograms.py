"""Histograms of residuals by their place in the grid of 8x8 blocks."""

import keras
from keras import ops

from keras_forensics.ops.cooccurrence import count_codes

PHASES = 25
"""Places in the grid of blocks, of which those in mirrored places are one."""

TIE = 5.01e-6
"""So much below a half is still rounded up, as published: rounding errors of the
decompression would else decide ties."""


def count_levels(magnitudes, step: float, truncation: int):
    """Counts quantised and truncated magnitudes, for each place in the grid.

    Args:
        magnitudes: Float tensor of shape `(maps, batch, height, width)`, not negative.
            The grid begins at its first place.
        step: Quantisation step, positive.
        truncation: Largest multiple of the step kept apart, at most 9.

    Returns:
        int32 tensor of shape `(maps, batch, PHASES, truncation + 1)`.
    """
    maps, batch, height, width = ops.shape(magnitudes)
    base = truncation + 1
    codes = ops.cast(base * _phases(height, width), "uint8")
    for level in range(1, base):
        codes = codes + ops.cast(magnitudes >= (level - 0.5 - TIE) * step, "uint8")
    codes = ops.cast(ops.reshape(codes, (maps * batch, -1)), "int32")
    if keras.backend.backend() == "jax":
        images = ops.expand_dims(ops.arange(maps * batch, dtype="int32"), 1)
        codes = codes + PHASES * base * images
        counts = count_codes(codes, maps * batch * PHASES, 1, base)
    else:  # image by image: their bins stay in the cache
        counts = ops.bincount(codes, minlength=PHASES * base)
    return ops.reshape(counts, (maps, batch, PHASES, base))


def _phases(height, width):
    """Which of the `PHASES` each place has."""
    rows, columns = (ops.arange(size, dtype="int32") % 8 for size in (height, width))
    rows, columns = ops.minimum(rows, 8 - rows), ops.minimum(columns, 8 - columns)
    return 5 * ops.expand_dims(rows, 1) + columns
