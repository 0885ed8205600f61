"""Co-occurrences: how often quantised residuals of neighbours take which values.

From residual maps to features in four steps:

1. `quantize` rounds to multiples of a step and truncates: levels `0..2T`.
2. `tuple_codes` writes the levels of consecutive neighbours as digits of one integer.
3. `count_codes` counts the integers. Counts are integers, exact beyond 2^24.
4. `merge_bins` adds the bins that a symmetry makes equal, as `symmetric_bins` lists.

`soft_counts` replaces the first three by something that has gradients.
"""

import functools
import itertools

import keras
import numpy as np
from keras import ops

EXACT_COUNTS_COMPILE = keras.backend.backend() != "tensorflow"
"""Whether XLA compiles `count_codes`: Keras's count on TensorFlow has a size that XLA
does not know."""

SYMMETRIES = ("none", "sign", "direction", "sign_and_direction")
"""Tuples that share a bin: with their negatives, read backwards, or both."""


def quantize(residuals, step, truncation: int):
    """Rounds to multiples of `step`, half away from zero, and truncates.

    Args:
        residuals: Float tensor of any shape.
        step: Quantisation step: positive number, or float tensor that broadcasts.
        truncation: Largest multiple kept apart, 1 to 127.

    Returns:
        uint8 tensor of levels `0..2 * truncation`, in which `truncation` means 0.
    """
    # Compared with the borders between levels: a division would have to be exact.
    levels = None
    for k in range(truncation):
        border = (k + 0.5) * step
        for reached in (residuals >= border, residuals > -border):
            one = ops.cast(reached, "uint8")
            levels = one if levels is None else levels + one
    return levels


def tuple_codes(
    levels, direction: dict[int, int], order: int, base: int, histogram=None
):
    """Writes the levels of `order` consecutive neighbours as digits of one integer.

    Args:
        levels: uint8 tensor of levels `0..base - 1`.
        direction: `{axis: 1 or -1}`: the way to the next neighbour.
        order: Number of neighbours, positive.
        base: Number of levels.
        histogram: int32 tensor that broadcasts with `levels`, of size 1 in the axes of
            `direction`: which histogram a position belongs to. Without it all belong
            to histogram 0.

    Returns:
        int32 tensor, `order - 1` smaller than `levels` in the axes of `direction`:
        the digits, most significant first, plus a multiple of `histogram` that
        `count_codes` knows.
    """
    if order == 1:
        codes = ops.cast(levels, "int32")
        return codes if histogram is None else codes + base * histogram
    # Two halves, of which the second is the first seen from further on.
    head = order // 2 if order % 2 == 0 else order - 1
    tail = order - head
    codes = _small_codes(levels, direction, head, base)
    others = codes if tail == head else levels
    if histogram is None:
        codes, others = ops.cast(codes, "int32"), ops.cast(others, "int32")
    elif tail == head:  # one array, with an offset that counts in both places
        codes = others = ops.add(codes, base**head * histogram)
    else:
        codes = ops.add(codes, base**head * histogram)
        others = ops.cast(others, "int32")
    return _join(codes, others, direction, head, tail, base)


def code_spacing(order: int, base: int) -> int:
    """How far the codes of one histogram lie from those of the next, in `tuple_codes`.

    At least `base**order`, the number of bins; the rest stays empty.
    """
    if order > 1 and order % 2 == 0:
        return base**order + base ** (order // 2)
    return base**order


def _small_codes(levels, direction, order, base):
    """Codes in uint8 as long as they fit, which is what takes the time."""
    if order == 1:
        return levels
    if base**order > 256:
        levels = ops.cast(levels, "int32")
    head = order // 2 if order % 2 == 0 else order - 1
    codes = _small_codes(levels, direction, head, base)
    others = codes if 2 * head == order else levels
    return _join(codes, others, direction, head, order - head, base)


def _join(codes, others, direction, head, tail, base):
    """Appends the codes of `tail` neighbours to those of the `head` before them."""
    first, second = [slice(None)] * len(codes.shape), [slice(None)] * len(codes.shape)
    for axis, step in direction.items():
        # Of the sizes n + 1 - head and n + 1 - tail, n + 1 - head - tail remain.
        before, after = (slice(None, -tail), slice(head, None))
        if step < 0:
            before, after = (slice(tail, None), slice(None, -head))
        first[axis], second[axis] = before, after
    return base**tail * codes[tuple(first)] + others[tuple(second)]


def count_codes(codes, histograms, order: int, base: int):
    """Counts the codes of `tuple_codes`.

    Args:
        codes: int32 tensor of any shape.
        histograms: Number of histograms, an integer or scalar tensor.
        order: Number of neighbours.
        base: Number of levels.

    Returns:
        int32 tensor of shape `(histograms, base**order)`.
    """
    spacing = code_spacing(order, base)
    codes = ops.reshape(codes, (-1,))
    length = histograms * spacing
    if keras.backend.backend() == "jax":
        # Keras's bincount is never compiled there; elsewhere segment_sum is slow.
        counts = ops.segment_sum(ops.ones(codes.shape, "int32"), codes, length)
    else:
        counts = ops.bincount(codes, minlength=length)
    return ops.reshape(counts, (-1, spacing))[:, : base**order]


@functools.cache
def symmetric_bins(order: int, base: int, symmetry: str) -> np.ndarray:
    """Lists the bins that a symmetry makes one.

    Args:
        order: Number of neighbours.
        base: Number of levels.
        symmetry: `"none"`, `"sign"`, `"direction"` or `"sign_and_direction"`.

    Returns:
        int32 array of shape `(merged bins, most members)`: numbers of bins, in the
        order of each one's first; missing members are `base**order`, one too far.
        With `"sign_and_direction"` the bin of zeros comes first, as in the papers.
    """
    bins = base**order
    tuples = np.array(list(itertools.product(range(base), repeat=order)))
    digits = base ** np.arange(order)[::-1]
    images = [tuples]
    if "sign" in symmetry:
        images.append(base - 1 - tuples)
    if "direction" in symmetry:
        images += [each[:, ::-1] for each in images]
    members = np.stack([each @ digits for each in images], 1)
    classes = dict.fromkeys(tuple(sorted(set(row))) for row in members.tolist())
    rows = list(classes)
    if symmetry == "sign_and_direction":
        rows.sort(key=lambda row: row != (bins // 2,))
    merged = np.full((len(rows), len(images)), bins, "int32")
    for index, row in enumerate(rows):
        merged[index, : len(row)] = row
    return merged


def merge_bins(counts, bins: np.ndarray):
    """Adds the bins that `symmetric_bins` puts together.

    Args:
        counts: Tensor of shape `(..., base**order)`.
        bins: Array of `symmetric_bins`.

    Returns:
        Tensor of shape `(..., merged bins)` and the dtype of `counts`.
    """
    empty = ops.zeros_like(counts[..., :1])
    counts = ops.concatenate([counts, empty], axis=-1)
    merged = ops.take(counts, bins[:, 0], axis=-1)
    for column in bins.T[1:]:
        merged = merged + ops.take(counts, column, axis=-1)
    return merged


def soft_counts(
    residuals, step: float, truncation: int, direction: dict[int, int], order: int
):
    r"""Counts tuples with a triangular kernel instead of rounding.

    A residual $r$ has level $k$ with weight $\max(0, 1 - |r / q - k|)$, and a truncated
    one the outermost. The weights of a residual add up to 1, those of a tuple are their
    products. For multiples of the step $q$ it is the exact count.

    Args:
        residuals: Float tensor of shape `(histograms, height, width)`.
        step: Quantisation step, positive.
        truncation: Largest multiple kept apart.
        direction: `{axis: 1 or -1}`, the way to the next neighbour in axes 1 and 2.
        order: Number of neighbours.

    Returns:
        Tensor of shape `(histograms, (2 * truncation + 1)**order)`.
    """
    multiples = ops.clip(residuals / step, -truncation, truncation)
    base = 2 * truncation + 1
    levels = ops.cast(ops.arange(base), residuals.dtype) - truncation
    weights = ops.relu(1 - ops.abs(ops.expand_dims(multiples, -1) - levels))
    half = (order + 1) // 2
    first = _soft_tuples(weights, direction, range(half), order)
    if half == order:
        return ops.sum(first, axis=1)
    second = _soft_tuples(weights, direction, range(half, order), order)
    counts = ops.einsum("hta,htb->hab", first, second)
    return ops.reshape(counts, (-1, base**order))


def _soft_tuples(weights, direction, numbers, order):
    """Weights `(histograms, tuples, bins)` of the neighbours of these numbers."""
    base = weights.shape[-1]
    products = None
    for number in numbers:
        index = [slice(None)] * 4
        for axis, step in direction.items():
            before = number if step > 0 else order - 1 - number
            index[axis] = slice(before, before + 1 - order or None)
        weight = weights[tuple(index)]
        histograms, height, width = ops.shape(weight)[:3]
        weight = ops.reshape(weight, (histograms, height * width, base))
        if products is None:
            products = weight
        else:
            products = ops.reshape(
                ops.expand_dims(products, -1) * ops.expand_dims(weight, -2),
                (histograms, height * width, base * products.shape[-1]),
            )
    return products
