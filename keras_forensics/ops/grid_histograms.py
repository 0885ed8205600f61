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
    base = truncation + 1
    _, _, height, width = ops.shape(magnitudes)
    codes = ops.cast(base * _phases(height, width), "uint8")
    for level in range(1, base):
        codes = codes + ops.cast(magnitudes >= (level - 0.5 - TIE) * step, "uint8")
    return _count_codes(ops.cast(codes, "int32"), base)


def count_pairs_of_levels(first, second, truncation: int):
    """The sum of the counts of two residuals, which takes one count of their pairs.

    Args:
        first: Float tensor of shape `(maps, batch, height, width)`, in quantisation
            steps. The grid begins at its first place.
        second: The same.
        truncation: Largest magnitude kept apart.

    Returns:
        int32 tensor of shape `(maps, batch, PHASES, truncation + 1)`.
    """
    base = truncation + 1
    _, _, height, width = ops.shape(first)
    codes = base**2 * _phases(height, width)
    codes = codes + base * _levels(first, truncation) + _levels(second, truncation)
    counts = _count_codes(codes, base**2)
    maps, batch, _, _ = ops.shape(counts)
    counts = ops.reshape(counts, (maps, batch, PHASES, base, base))
    # JAX in 64 bits would add in them.
    return ops.cast(ops.sum(counts, 4) + ops.sum(counts, 3), "int32")


def _levels(residuals, truncation: int):
    """Rounded and truncated magnitudes, as int32."""
    levels = ops.cast(ops.abs(residuals) + (0.5 + TIE), "int32")
    return ops.minimum(levels, truncation)


def _count_codes(codes, base: int):
    """Counts int32 codes below `PHASES * base`, `(maps, batch, PHASES, base)`."""
    maps, batch, _, _ = ops.shape(codes)
    codes = ops.reshape(codes, (maps * batch, -1))
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
