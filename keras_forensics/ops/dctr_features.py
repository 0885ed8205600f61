"""Histograms of the undecimated DCT: the DCT of 8x8 blocks at every offset."""

import numpy as np
from keras import ops

from keras_forensics.ops.cooccurrence import count_codes
from keras_forensics.ops.dct import dct_matrix

MODES: tuple[tuple[int, int], ...] = tuple(np.ndindex(8, 8))
"""Frequencies down and across, in the published order."""

PHASES = 25
"""Places in the grid of blocks, of which those in mirrored places are one."""

TIE = 5.01e-6
"""So much below a half is still rounded up, as published: rounding errors of the
decompression would else decide ties."""


def dctr_features(pixels, modes, step: float, truncation: int, dtype="float32"):
    """Frequencies of quantised magnitudes, for each mode and each place in the grid.

    Args:
        pixels: Float tensor of unrounded pixels around 0, shape
            `(batch, height, width)`. Ties need float64.
        modes: Some of `MODES`.
        step: Quantisation step, positive.
        truncation: Largest multiple of the step kept apart.
        dtype: Of the features, `"float32"` or `"float64"`.

    Returns:
        Tensor of shape `(batch, len(modes) * PHASES * (truncation + 1))`.
    """
    matrix = dct_matrix()
    columns = sorted({column for _, column in modes})
    across = _convolve(pixels, matrix[columns], axis=2)
    phases = _phases(across)
    features: dict = {}
    for index, column in enumerate(columns):
        rows = [row for row, other in modes if other == column]
        residuals = ops.abs(_convolve(across[index], matrix[rows], axis=1))
        counts = _count(residuals, phases, step, truncation)
        frequencies = ops.cast(counts, dtype) / ops.cast(
            ops.sum(counts, axis=-1, keepdims=True), dtype
        )
        size = PHASES * (truncation + 1)
        frequencies = ops.reshape(frequencies, (len(rows), -1, size))
        features |= {(row, column): frequencies[k] for k, row in enumerate(rows)}
    return ops.concatenate([features[mode] for mode in modes], axis=-1)


def _convolve(maps, kernels: np.ndarray, axis: int):
    """Correlates maps with kernels of 8 taps, along rows or columns.

    Mirrored, a kernel of the DCT is itself or its negative: magnitudes are those of a
    convolution.

    Args:
        maps: Tensor of shape `(batch, height, width)`.
        kernels: Array of shape `(kernels, 8)`.
        axis: 1 or 2.

    Returns:
        Tensor of shape `(kernels, batch, height, width)`, 7 smaller along `axis`.
    """
    before = (slice(None),) * axis
    taps = ops.stack([maps[(*before, slice(k, k - 7 or None))] for k in range(8)])
    # `@`, since `keras.ops.matmul` rounds float64 to float32 on JAX and torch.
    products = ops.convert_to_tensor(kernels, maps.dtype) @ ops.reshape(taps, (8, -1))
    return ops.reshape(products, (len(kernels), *ops.shape(taps)[1:]))


def _phases(across):
    """Which of the `PHASES` each place `(height, width)` of the residuals has."""
    _, _, height, width = ops.shape(across)
    rows, columns = (
        ops.arange(size, dtype="int32") % 8 for size in (height - 7, width)
    )
    rows, columns = ops.minimum(rows, 8 - rows), ops.minimum(columns, 8 - columns)
    return 5 * ops.expand_dims(rows, 1) + columns


def _count(magnitudes, phases, step, truncation):
    """Counts `(modes, batch, PHASES, levels)` of magnitudes `(modes, batch, ...)`."""
    levels = None
    for level in range(1, truncation + 1):
        reached = ops.cast(magnitudes >= (level - 0.5 - TIE) * step, "uint8")
        levels = reached if levels is None else levels + reached
    modes, batch, _, _ = ops.shape(magnitudes)
    images = ops.reshape(ops.arange(modes * batch, dtype="int32"), (modes, batch, 1, 1))
    codes = (truncation + 1) * (PHASES * images + phases)
    codes = codes + ops.cast(levels, "int32")
    counts = count_codes(codes, modes * batch * PHASES, 1, truncation + 1)
    return ops.reshape(counts, (modes, batch, PHASES, truncation + 1))
