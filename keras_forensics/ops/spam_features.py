"""Subtractive pixel adjacency: triples of neighbouring differences."""

import numpy as np
from keras import ops

from keras_forensics.ops.cooccurrence import count_codes, tuple_codes

DIRECTIONS = {
    "straight": ((0, 1), (1, 0)),
    "diagonal": ((1, 1), (-1, 1)),
}
"""Of each submodel, `(row step, column step)` to the next neighbour."""

ORDER = 3
"""Differences in a tuple: the second order of the Markov chain."""


def spam_features(images, submodels, truncation: int, dtype="float32"):
    """Joint frequencies of three consecutive differences.

    Args:
        images: Float tensor of whole grey levels, shape `(batch, height, width)`.
        submodels: Some of `DIRECTIONS`.
        truncation: Largest difference kept apart.
        dtype: Of the features, `"float32"` or `"float64"`.

    Returns:
        Tensor of shape `(batch, len(submodels) * (2 * truncation + 1)**3)`.
    """
    base = 2 * truncation + 1
    # Seen from its other end, a tuple is negated and reads backwards.
    turned = np.flip(np.arange(base**ORDER).reshape((base,) * ORDER)).T.ravel()
    images = ops.cast(images, "int16")  # half the memory to pass through
    features = []
    for submodel in submodels:
        mean = 0
        for rows, columns in DIRECTIONS[submodel]:
            counts, tuples = _count(images, rows, columns, truncation, base)
            both = counts + ops.take(counts, turned, axis=-1)
            ways = 2 * len(DIRECTIONS[submodel])
            mean += ops.cast(both, dtype) / ops.cast(ways * tuples, dtype)
        features.append(mean)
    return ops.concatenate(features, axis=-1)


def _count(images, rows, columns, truncation, base):
    """Counts `(batch, bins)` in one direction, and the number of tuples."""
    index, following = [slice(None)] * 3, [slice(None)] * 3
    for axis, step in ((1, rows), (2, columns)):
        if step:
            index[axis] = slice(None, -1) if step > 0 else slice(1, None)
            following[axis] = slice(1, None) if step > 0 else slice(None, -1)
    differences = images[tuple(index)] - images[tuple(following)]
    # Whole differences need no rounding.
    levels = ops.clip(differences, -truncation, truncation) + truncation
    levels = ops.cast(levels, "uint8")
    batch = ops.shape(images)[0]
    histogram = ops.reshape(ops.arange(batch, dtype="int32"), (-1, 1, 1))
    direction = {axis: step for axis, step in ((1, rows), (2, columns)) if step}
    codes = tuple_codes(levels, direction, ORDER, base, histogram)
    _, height, width = ops.shape(codes)
    return count_codes(codes, batch, ORDER, base), height * width
