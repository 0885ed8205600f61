"""The Haar wavelet transform by lifting, exactly reversible on integers."""

import math

from keras import ops

from keras_forensics import arguments
from keras_forensics.ops.pixels import straight_through


def haar_pyramid(maps, levels=1, orthonormal=False, data_format="channels_last"):
    """Sums and differences of pairs of pixels, of their sums again, and so on.

    Args:
        maps: float tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` for `"channels_first"`.
        levels: Positive integer, how often the lowest band is split.
        orthonormal: If `True`, the orthonormal transform, which does not round.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Tensor of the same shape. Each level leaves the low band of height and width at
        the top and left, `ceil(size / 2)` of it, where the next level finds it.
    """
    rows, columns = arguments.spatial_axes(data_format)
    for axis in (columns, rows):
        maps = _split(maps, axis, orthonormal)
    if levels == 1:
        return maps
    parts, low = _quarters(maps, rows, columns)
    parts[0][0] = haar_pyramid(low, levels - 1, orthonormal, data_format)
    return _joined(parts, rows, columns)


def inverse_haar_pyramid(
    maps, levels=1, orthonormal=False, data_format="channels_last"
):
    """The inverse of `haar_pyramid`.

    Args:
        maps: float tensor, as `haar_pyramid` returns it.
        levels: As in `haar_pyramid`.
        orthonormal: The same.
        data_format: The same.

    Returns:
        Tensor of the same shape.
    """
    rows, columns = arguments.spatial_axes(data_format)
    if levels > 1:
        parts, low = _quarters(maps, rows, columns)
        parts[0][0] = inverse_haar_pyramid(low, levels - 1, orthonormal, data_format)
        maps = _joined(parts, rows, columns)
    for axis in (rows, columns):
        maps = _merge(maps, axis, orthonormal)
    return maps


def _split(maps, axis, orthonormal):
    before = (slice(None),) * axis
    even, odd = (maps[(*before, slice(start, None, 2))] for start in (0, 1))
    pairs = ops.shape(odd)[axis]
    # A last pixel without a neighbour goes to the low band as it is.
    single = even[(*before, slice(pairs, None))]
    even = even[(*before, slice(None, pairs))]
    difference = even - odd
    if orthonormal:
        mean, difference = (even + odd) * math.sqrt(0.5), difference * math.sqrt(0.5)
    else:
        mean = odd + _half(difference)
    return ops.concatenate([mean, single, difference], axis)


def _merge(maps, axis, orthonormal):
    before = (slice(None),) * axis
    pairs = ops.shape(maps)[axis] // 2
    mean = maps[(*before, slice(None, pairs))]
    length = ops.shape(maps)[axis] - pairs
    single = maps[(*before, slice(pairs, length))]
    difference = maps[(*before, slice(length, None))]
    if orthonormal:
        even, odd = mean + difference, mean - difference
        even, odd = even * math.sqrt(0.5), odd * math.sqrt(0.5)
    else:
        odd = mean - _half(difference)
        even = odd + difference
    shape = list(ops.shape(even))
    shape[axis] = 2 * pairs
    both = ops.reshape(ops.stack([even, odd], axis + 1), shape)
    return ops.concatenate([both, single], axis)


def _half(difference):
    """Half of it, rounded down; the gradient is that of half of it."""
    half = difference * 0.5
    return straight_through(ops.floor(half), half, ops)


def _quarters(maps, rows, columns):
    """The four parts as a list of two rows, and the low one of them."""
    parts = []
    height, width = ops.shape(maps)[rows], ops.shape(maps)[columns]
    low_height, low_width = height - height // 2, width - width // 2
    for row in (slice(None, low_height), slice(low_height, None)):
        part = maps[(*(slice(None),) * rows, row)]
        before = (slice(None),) * columns
        parts.append(
            [
                part[(*before, column)]
                for column in (slice(None, low_width), slice(low_width, None))
            ]
        )
    return parts, parts[0][0]


def _joined(parts, rows, columns):
    return ops.concatenate([ops.concatenate(row, columns) for row in parts], rows)
