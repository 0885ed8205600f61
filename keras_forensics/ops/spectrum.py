"""Power spectra of tiles, and what is read off them.

A power spectrum here is a tensor of shape `(batch, channels, size, size // 2 + 1)`:
vertical frequencies 0, 1, ..., -1 and horizontal frequencies 0 to `size / 2`, in cycles
a tile. The rest of the plane is its mirror image, as inputs are real.
"""

import math

import numpy as np
from keras import ops

# Powers below, in squared grey levels, are rounding: -60 decibels.
FLOOR = 1e-6
DIRECTIONS = ("horizontal", "vertical", "diagonal")


def power_spectrum(maps, size: int = 64, data_format="channels_last"):
    """The mean power spectrum of overlapping tiles, each less its mean and windowed.

    Args:
        maps: float tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` for `"channels_first"`.
        size: Even integer, height and width of the tiles. They begin at every
            `size // 2`-th pixel; incomplete ones are left out.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Tensor of shape `(batch, channels, size, size // 2 + 1)`. White noise of
        variance 1 has a power of 1 at every frequency but the lowest.
    """
    if data_format == "channels_last":
        maps = ops.transpose(maps, (0, 3, 1, 2))
    tiles = _tiles(maps, size)
    # Sums, since `keras.ops.mean` rounds float64 to float32 on JAX and torch.
    tiles = tiles - ops.sum(tiles, (4, 5), keepdims=True) * (1 / size**2)
    # Hann's, periodic: the tiles' windows sum to the same everywhere.
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    window = np.outer(window, window)
    window /= np.sqrt((window**2).sum())
    tiles = tiles * ops.convert_to_tensor(window, tiles.dtype)
    real, imaginary = _fourier_transform(tiles, size)
    power = ops.sum(real * real + imaginary * imaginary, (2, 3))
    rows, columns = ops.shape(tiles)[2:4]
    return ops.swapaxes(power, 2, 3) / ops.cast(rows * columns, power.dtype)


def _fourier_transform(tiles, size):
    """Real and imaginary part over the last axes, horizontal frequencies first.

    By products of matrices, which every runtime of exported files has, where few have
    an FFT. On processors that would take a third to four fifths of the time.
    """
    frequency = np.arange(size // 2 + 1)
    angle = 2 * np.pi / size * (np.outer(np.arange(size), np.arange(size)) % size)
    cosine, sine = np.cos(angle), np.sin(angle)
    along_rows = np.concatenate([cosine[:, frequency], sine[:, frequency]], 1)
    along_columns = np.concatenate([cosine, sine], 1)
    # `@`, since `keras.ops.matmul` rounds float64 to float32 on JAX and torch.
    products = tiles @ ops.convert_to_tensor(along_rows, tiles.dtype)
    products = ops.swapaxes(products, 4, 5)
    products = products @ ops.convert_to_tensor(along_columns, tiles.dtype)
    half = size // 2 + 1
    cosines, sines = products[..., :half, :], products[..., half:, :]
    return (
        cosines[..., :size] - sines[..., size:],
        cosines[..., size:] + sines[..., :size],
    )


def to_decibels(power):
    """Ten times the decimal logarithm of a power, of at least -60."""
    return ops.log(power + FLOOR) * (10 / math.log(10))


def log_spectrum(power, size: int):
    """A power spectrum in decibels, whole, with frequency 0 in the middle.

    Args:
        power: Tensor as `power_spectrum` returns it.
        size: That of the tiles.

    Returns:
        Tensor of shape `(batch, channels, size, size)`: frequencies from `-size / 2` to
        `size / 2 - 1` cycles a tile, vertical ones first.
    """
    decibels, half = to_decibels(power), size // 2
    known = ops.concatenate([decibels[:, :, half:], decibels[:, :, :half]], 2)
    mirrored = ops.concatenate(
        [decibels[:, :, half + 1 :], decibels[:, :, : half + 1]], 2
    )
    mirrored = ops.flip(ops.flip(mirrored[..., 1:], 2), 3)
    return ops.concatenate([mirrored, known[..., :half]], 3)


def radial_profile(power, size: int, bins: int):
    """The mean power over all directions, in decibels, over the frequency.

    Args:
        power: Tensor as `power_spectrum` returns it.
        size: That of the tiles.
        bins: Number of bins, at most `size / 2`.

    Returns:
        Tensor of shape `(batch, channels, bins)`. Bin `k` holds frequencies above
        `k / (2 * bins)` and up to `(k + 1) / (2 * bins)` cycles a pixel.
    """
    vertical = np.minimum(np.arange(size), size - np.arange(size))[:, None]
    horizontal = np.arange(size // 2 + 1)
    radius = np.hypot(vertical, horizontal) * (2 * bins / size)
    place = np.ceil(radius - 1e-9) - 1
    weights = (place.reshape(-1, 1) == np.arange(bins)).astype("float64")
    # All but the outer columns stand for their mirror images, too.
    weights *= np.tile(np.where(horizontal % (size // 2), 2, 1), size)[:, None]
    weights /= weights.sum(0)
    return to_decibels(_flat(power, size) @ ops.convert_to_tensor(weights, power.dtype))


def peak_heights(power, size: int, periods):
    """How far the frequencies of upsampling rise above those around them, in decibels.

    Args:
        power: Tensor as `power_spectrum` returns it.
        size: That of the tiles.
        periods: Tuple of integers $p$ that divide `size`, in pixels.

    Returns:
        Tensor of shape `(batch, channels, 3 * len(periods))`. For each period, the
        power at $1/p$ cycles a pixel horizontally, vertically and in both (the mean of
        the two diagonals), less the mean of the 40 frequencies that are 2 or 3 steps
        away, all in decibels.
    """
    rows, columns = np.mgrid[-3:4, -3:4].reshape(2, -1)
    ring = np.maximum(abs(rows), abs(columns)) >= 2
    weights = np.zeros((size * (size // 2 + 1), 3 * len(periods)))
    for k, period in enumerate(periods):
        step = size // period
        for direction, peaks in enumerate(
            ([(0, step)], [(step, 0)], [(step, step), (step, -step)])
        ):
            column = weights[:, 3 * k + direction]
            for vertical, horizontal in peaks:
                index = _index(vertical, np.array([horizontal]), size)
                np.add.at(column, index, 1 / len(peaks))
                around = _index(vertical + rows[ring], horizontal + columns[ring], size)
                np.add.at(column, around, -1 / len(peaks) / ring.sum())
    decibels = to_decibels(_flat(power, size))
    return decibels @ ops.convert_to_tensor(weights, power.dtype)


def _tiles(maps, size):
    """Tiles from every half size on, shape `(batch, channels, ..., size, size)`."""
    half = size // 2
    batch, channels, height, width = ops.shape(maps)
    rows, columns = height // half, width // half
    quarters = ops.reshape(
        maps[:, :, : rows * half, : columns * half],
        (batch, channels, rows, half, columns, half),
    )
    quarters = ops.transpose(quarters, (0, 1, 2, 4, 3, 5))
    halves = ops.concatenate([quarters[:, :, :-1], quarters[:, :, 1:]], 4)
    return ops.concatenate([halves[:, :, :, :-1], halves[:, :, :, 1:]], 5)


def _flat(power, size):
    return ops.reshape(power, (*ops.shape(power)[:2], size * (size // 2 + 1)))


def _index(vertical, horizontal, size):
    """Where frequencies, of any sign, are in a flat power spectrum."""
    mirrored = horizontal % size > size // 2
    vertical = np.where(mirrored, -vertical, vertical) % size
    horizontal = np.where(mirrored, -horizontal, horizontal) % size
    return vertical * (size // 2 + 1) + horizontal
