"""Hypothesis strategies: images, kernels, filter banks."""

import numpy as np
from hypothesis import strategies as st

_SEEDS = st.integers(0, 2**32 - 1)


def shapes(min_side=5, max_side=16, channels=None, max_batch=3):
    """Shapes of image batches, `(batch, height, width, channels)`.

    Args:
        min_side: Smallest height and width.
        max_side: Largest height and width.
        channels: Number of channels; drawn from 1 to 4 if `None`.
        max_batch: Largest number of images.
    """
    side = st.integers(min_side, max_side)
    return st.tuples(
        st.integers(1, max_batch), side, side, _fixed_or_drawn(channels, 1, 4)
    )


def uint8_images(shape=None):
    """Batches of images with grey levels 0..255: flat, two-valued, noise.

    Args:
        shape: Shape of the batch, or a strategy for it; `shapes()` if `None`.
    """
    if shape is None:
        shape = shapes()
    elif not isinstance(shape, st.SearchStrategy):
        shape = st.just(shape)
    grey_level = st.sampled_from((0, 255)) | st.integers(0, 255)
    extremes = st.tuples(grey_level, grey_level).map(sorted)
    # Hypothesis prints an example as a call of the function that made it. Those of this
    # module are public, so that it can be pasted.
    return st.builds(make_images, shape, extremes, st.booleans(), _SEEDS)


def make_images(shape, grey_levels, two_valued, seed):
    """One example of `uint8_images`, as hypothesis prints it.

    Args:
        shape: Shape of the batch.
        grey_levels: `(lowest, highest)`, integers 0..255.
        two_valued: If `True`, pixels are one or the other, and nothing between.
        seed: Integer seed of the noise.
    """
    random = np.random.default_rng(seed)
    if two_valued:  # the largest residuals there are
        return random.choice(grey_levels, shape).astype("uint8")
    low, high = grey_levels
    return random.integers(low, high, shape, "uint8", endpoint=True)


def kernels(kernel_size=None, channels=None, filters=None, max_exponent=6):
    """Convolution kernels of any scale, float32, `(height, width, channels, filters)`.

    Args:
        kernel_size: Odd `(height, width)`; drawn up to 7x7, without 1x1, if `None`.
        channels: Number of inputs; drawn from 1 to 3 if `None`.
        filters: Number of outputs; drawn from 1 to 3 if `None`.
        max_exponent: Weights reach up to 10 to this power, at most 38.
    """
    if kernel_size is None:
        sides = [(h, w) for h in (1, 3, 5, 7) for w in (1, 3, 5, 7) if (h, w) != (1, 1)]
        kernel_size = st.sampled_from(sides)
    else:
        kernel_size = st.just(kernel_size)
    return st.builds(
        make_kernel,
        kernel_size,
        _fixed_or_drawn(channels, 1, 3),
        _fixed_or_drawn(filters, 1, 3),
        st.integers(-max_exponent, max_exponent),
        st.sampled_from([0.0, 0.5, -0.5]),
        st.sampled_from([0.0, 1e-3, 0.5]),
        _SEEDS,
    )


def make_kernel(kernel_size, channels, filters, exponent, common, spread, seed):
    """One example of `kernels`, as hypothesis prints it.

    Args:
        kernel_size: `(height, width)`.
        channels: Number of inputs.
        filters: Number of outputs.
        exponent: Power of 10 that scales all weights.
        common: Part that all weights share, before they are scaled.
        spread: Largest magnitude of the noise on it, before it is scaled.
        seed: Integer seed of the noise.
    """
    noise = np.random.default_rng(seed).uniform(
        -spread, spread, (*kernel_size, channels, filters)
    )
    return (10.0**exponent * (common + noise)).astype("float32")


# Those that `SRMFilterBank` divides by exactly.
_DIVISORS = sorted({odd << power for odd in range(1, 15) for power in range(5)})


def filter_banks(max_filters=4, max_tap=12):
    """Arguments of `SRMFilterBank` for banks of integer high-pass filters.

    Draws dicts with `bank`, nested lists `(filters, height, width)` with odd sides, and
    `divisors`.

    Args:
        max_filters: Largest number of filters.
        max_tap: Largest magnitude of an off-centre tap.
    """
    return st.builds(
        make_filter_bank,
        st.lists(st.sampled_from(_DIVISORS), min_size=1, max_size=max_filters),
        st.sampled_from([(3, 3), (5, 5), (1, 3), (3, 1), (3, 5)]),
        st.just(max_tap),
        _SEEDS,
    )


def make_filter_bank(divisors, kernel_size, max_tap, seed):
    """One example of `filter_banks`, as hypothesis prints it.

    Args:
        divisors: List of integers, one a filter.
        kernel_size: Odd `(height, width)`.
        max_tap: Largest magnitude of an off-centre tap.
        seed: Integer seed of the taps.
    """
    height, width = kernel_size
    bank = np.random.default_rng(seed).integers(
        -max_tap, max_tap, (len(divisors), height, width), endpoint=True
    )
    bank[:, 0, 0] = max_tap  # no filter is 0
    bank[:, height // 2, width // 2] = 0
    bank[:, height // 2, width // 2] = -bank.sum((1, 2))
    return {"bank": bank.tolist(), "divisors": divisors}


def _fixed_or_drawn(value, smallest, largest):
    return st.integers(smallest, largest) if value is None else st.just(value)
