"""Histograms of Gabor filters' residuals, by their place in the grid of 8x8 blocks."""

import math

import keras
import numpy as np
from keras import ops

from keras_forensics.ops.grid_histograms import PHASES, count_pairs_of_levels

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
        some = [each for each in filters if each[0] == wave]
        kernels = [gabor_kernel(*each) / steps[SCALES.index(each[1])] for each in some]
        counts = _count(pixels, wave, np.stack(kernels), truncation)
        counted |= {each: counts[index] for index, each in enumerate(some)}
    counts = ops.stack([counted[each] for each in filters], 1)
    frequencies = ops.cast(counts, dtype) / ops.cast(
        ops.sum(counts, axis=-1, keepdims=True), dtype
    )
    return ops.reshape(frequencies, (-1, len(filters) * PHASES * (truncation + 1)))


def _count(pixels, wave: str, kernels: np.ndarray, truncation: int):
    """Counts of each filter and its mirror image, `(filters, batch, PHASES, levels)`.

    Filters are taken some at a time, one part after the other: in a loop of the graph,
    since TensorFlow would have the maps of all of them in memory at once.
    """
    # Turned by half a turn, a cosine is itself and a sine its negative. So a part that
    # is symmetric left and right is so above and below, or the contrary.
    sign = 1 if wave == "cos" else -1
    folded = _fold(pixels, sign, 1), _fold(pixels, -sign, -1)
    parts = -(-len(kernels) // _at_once(pixels))
    at_once = -(-len(kernels) // parts)
    missing = parts * at_once - len(kernels)
    weights = _weights(np.concatenate([kernels, kernels[:missing]]))
    weights = np.reshape(weights, (2, parts, at_once, -1)).swapaxes(0, 1)

    def count(_, weights):
        even, odd = (
            _correlate(quarters, weights[k]) for k, quarters in enumerate(folded)
        )
        # In the mirrored filter's, the odd part is the other way round.
        counts = count_pairs_of_levels(even + odd, even - odd, truncation)
        return counts, counts

    levels = truncation + 1
    batch = ops.shape(pixels)[0]
    none = ops.zeros((at_once, batch, PHASES, levels), "int32")
    weights = ops.convert_to_tensor(weights, pixels.dtype)
    _, counts = ops.scan(count, none, weights)
    counts = ops.reshape(counts, (parts * at_once, -1, PHASES, levels))
    return counts[: len(kernels)]


def _at_once(pixels) -> int:
    """How many filters have their maps in memory together: on torch, in the cache."""
    if keras.backend.backend() != "torch":
        return DIRECTIONS
    return max(1, VALUES_AT_ONCE // math.prod(pixels.shape))


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


def _weights(kernels: np.ndarray) -> np.ndarray:
    """Quarters of what is even and odd, left and right, `(2, kernels, 16)`."""
    half = SIDE // 2
    mirrored = kernels[..., ::-1]
    parts = np.stack([kernels + mirrored, kernels - mirrored]) / 2
    return np.reshape(parts[..., :half, :half], (2, len(kernels), half**2))


def _correlate(quarters, weights):
    """Sums of folded windows.

    Args:
        quarters: Tensor of `_fold`.
        weights: Tensor of shape `(filters, 16)`.

    Returns:
        Tensor of shape `(filters, batch, height, width)`.
    """
    # `@`, since `keras.ops.matmul` rounds float64 to float32 on JAX and torch.
    maps = weights @ ops.reshape(quarters, (quarters.shape[0], -1))
    return ops.reshape(maps, (weights.shape[0], *ops.shape(quarters)[1:]))
