"""Division that is exact: by one multiplication."""

import math
from fractions import Fraction

import numpy as np


def exact_denominators(
    taps: np.ndarray,
    divisors: np.ndarray,
    channels: int = 1,
    dtype: str = "float32",
) -> np.ndarray:
    """Multiples of the divisors by which one multiplication divides exactly.

    The convolution with `taps * denominator / divisor` is an integer, and times the
    rounded `1 / denominator` it is the residual, correctly rounded. A plain division is
    not, since compilers multiply by the rounded `1 / divisor` instead (XLA,
    TensorFlow's Grappler), which is off by one unit in the last place for a third of
    all residuals over 12, say, but right for those over 72.

    Args:
        taps: Array of shape `(filters, height, width)`.
        divisors: Array of shape `(filters,)`.
        channels: Number of channels that are summed.
        dtype: `"float32"` or `"float64"`, what is computed in.

    Returns:
        Array of shape `(filters,)`: the same denominator for all where there is one,
        which is faster; the divisors themselves where there is none, or where taps or
        divisors are not integers.
    """
    if (taps % 1).any() or (divisors % 1).any():
        return divisors
    largest = 255 * channels * np.abs(taps).sum((1, 2)) / divisors

    def search(chosen) -> int | None:
        """The smallest denominator for some of the filters together."""
        common = math.lcm(*(int(divisor) for divisor in divisors[chosen]))
        odd = max(_odd_part(int(divisor)) for divisor in divisors[chosen])
        bits = np.finfo(dtype).nmant + 1
        # Beyond these, sums of products are no longer exact.
        stop = int(min(2**bits / max(largest[chosen].max(), 1), 1000 * common))
        for denominator in range(common, stop + 1, common):
            reciprocal = Fraction(float(np.dtype(dtype).type(1 / denominator)))
            # Residuals are this far from where rounding turns, relatively.
            if abs(reciprocal * denominator - 1) < Fraction(1, odd * 2 ** (bits + 1)):
                return denominator
        return None

    every = np.arange(len(divisors))
    if common := search(every):
        return np.full(len(divisors), common)
    return np.array([search([k]) or divisors[k] for k in every])


def _odd_part(number: int) -> int:
    return number // (number & -number)
