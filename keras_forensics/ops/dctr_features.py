"""Histograms of the undecimated DCT: the DCT of 8x8 blocks at every offset."""

import numpy as np
from keras import ops

from keras_forensics.ops.dct import dct_matrix
from keras_forensics.ops.grid_histograms import PHASES, count_levels

MODES: tuple[tuple[int, int], ...] = tuple(np.ndindex(8, 8))
"""Frequencies down and across, in the published order."""


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
    features: dict = {}
    for index, column in enumerate(columns):
        rows = [row for row, other in modes if other == column]
        residuals = ops.abs(_convolve(across[index], matrix[rows], axis=1))
        counts = count_levels(residuals, step, truncation)
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
