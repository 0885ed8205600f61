"""Histograms of Gabor filters' residuals, by their place in the grid of 8x8 blocks."""

import math

import keras
import numpy as np
from keras import ops

from keras_forensics.ops.grid_histograms import PHASES, count_levels

SCALES = (0.5, 0.75, 1.0, 1.25)
"""Standard deviations of the Gaussian envelope across its wave, in pixels."""

WAVES = {"cos": 0.0, "sin": np.pi / 2}
"""Phases of the wave at the middle of the filter."""

ROTATIONS = 32
"""Directions of the wave in half a turn."""

DIRECTIONS = ROTATIONS // 2 + 1
"""Directions of which those mirrored left and right are one."""

SIDE = 8  # of the filters, as large as a block

VALUES_AT_ONCE = 2**20
"""Residuals of float64 that stay in a processor's cache."""

_ASPECT = 0.5  # of the envelope
_WAVELENGTH = 1 / 0.56  # in standard deviations


def gabor_kernel(wave: str, scale: float, rotation: int) -> np.ndarray:
    r"""A Gabor filter whose taps sum to 0.

    $$
    g = e^{-(x'^2 + y'^2 / 4) / 2 \sigma^2} \cos(2 \pi x' / \lambda + \varphi), \quad
    \lambda = \sigma / 0.56, \quad k = g - \frac{\sum g}{\sum |g|} |g|
    $$

    Args:
        wave: `"cos"` or `"sin"`.
        scale: Standard deviation $\sigma$, in pixels.
        rotation: Direction of the wave, in 32nds of half a turn, from the right up.

    Returns:
        float64 array of shape `(8, 8)`.
    """
    places = np.arange(SIDE) - (SIDE - 1) / 2
    x, y = np.meshgrid(places, -places)
    angle = rotation * np.pi / ROTATIONS
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    envelope = np.exp(-(along**2 + (_ASPECT * across) ** 2) / (2 * scale**2))
    kernel = envelope * np.cos(2 * np.pi * along / (_WAVELENGTH * scale) + WAVES[wave])
    return kernel - kernel.sum() / abs(kernel).sum() * abs(kernel)


def gfr_features(pixels, filters, steps, truncation: int, dtype="float32"):
    """Frequencies of quantised magnitudes, for each filter and each place in the grid.

    Those of a filter and of its mirror image are averaged.

    Args:
        pixels: Float tensor of unrounded pixels around 0, shape
            `(batch, height, width)`.
        filters: Wave, scale and direction, 0..16, of each.
        steps: Quantisation step of each scale, positive.
        truncation: Largest multiple of the step kept apart.
        dtype: Of the features, `"float32"` or `"float64"`.

    Returns:
        Tensor of shape `(batch, len(filters) * PHASES * (truncation + 1))`.
    """
    counted: dict = {}
    for wave in dict.fromkeys(wave for wave, _, _ in filters):
        # Turned by half a turn, a cosine is itself and a sine its negative. So a part
        # that is symmetric left and right is so above and below, or the contrary.
        sign = 1 if wave == "cos" else -1
        folded = _fold(pixels, sign, 1), _fold(pixels, -sign, -1)
        for scale in dict.fromkeys(scale for each, scale, _ in filters if each == wave):
            step = steps[SCALES.index(scale)]
            directions = [each[2] for each in filters if each[:2] == (wave, scale)]
            for some in _parts(directions, pixels):
                kernels = np.stack([gabor_kernel(wave, scale, each) for each in some])
                even, odd = (
                    _correlate(quarters, kernels + way * kernels[..., ::-1])
                    for quarters, way in zip(folded, (1, -1), strict=True)
                )
                counts = count_levels(ops.abs(even + odd), step, truncation)
                # The mirrored filter's: there the odd part is the other way round.
                counts = counts + count_levels(ops.abs(even - odd), step, truncation)
                for index, direction in enumerate(some):
                    counted[wave, scale, direction] = counts[index]
    counts = ops.stack([counted[each] for each in filters], 1)
    frequencies = ops.cast(counts, dtype) / ops.cast(
        ops.sum(counts, axis=-1, keepdims=True), dtype
    )
    return ops.reshape(frequencies, (-1, len(filters) * PHASES * (truncation + 1)))


def _parts(directions: list[int], pixels) -> list[list[int]]:
    """Directions whose maps stay in the cache together; others than torch fuse."""
    at_once = len(directions)
    if keras.backend.backend() == "torch":
        at_once = max(1, VALUES_AT_ONCE // math.prod(pixels.shape))
    return [
        directions[start : start + at_once]
        for start in range(0, len(directions), at_once)
    ]


def _fold(pixels, down: int, across: int):
    """Windows of 8x8 pixels, folded to a quarter.

    Args:
        pixels: Tensor of shape `(batch, height, width)`.
        down: 1 to add rows mirrored in the window, -1 to subtract them.
        across: The same for columns.

    Returns:
        Tensor of shape `(16, batch, height - 7, width - 7)`: the pixels of the quarter
        above left, row by row.
    """
    half = SIDE // 2
    rows = [
        _shift(pixels, 1, k) + down * _shift(pixels, 1, SIDE - 1 - k)
        for k in range(half)
    ]
    return ops.stack(
        [
            _shift(row, 2, k) + across * _shift(row, 2, SIDE - 1 - k)
            for row in rows
            for k in range(half)
        ]
    )


def _shift(maps, axis: int, start: int):
    """The `start`th pixel of every window along an axis."""
    return maps[(slice(None),) * axis + (slice(start, start + 1 - SIDE or None),)]


def _correlate(quarters, kernels: np.ndarray):
    """Sums of folded windows, weighted with the mean of both sides of a filter.

    Args:
        quarters: Tensor of `_fold`.
        kernels: A filter and its mirror image, added or subtracted, `(filters, 8, 8)`.

    Returns:
        Tensor of shape `(filters, batch, height, width)`.
    """
    half = SIDE // 2
    weights = np.reshape(kernels[:, :half, :half] / 2, (len(kernels), half**2))
    # `@`, since `keras.ops.matmul` rounds float64 to float32 on JAX and torch.
    maps = ops.convert_to_tensor(weights, quarters.dtype) @ ops.reshape(
        quarters, (half**2, -1)
    )
    return ops.reshape(maps, (len(kernels), *ops.shape(quarters)[1:]))
