"""Planes of pixels as 8x8 blocks, and back."""

import keras


def pad_to_multiple(x, axis: int, multiple: int, ops=keras.ops):
    """Repeats the last slice along `axis` until its length is a multiple.

    Args:
        x: Tensor.
        axis: Axis, counted from the front.
        multiple: Positive integer.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        `x` itself where its length is known and a multiple already.
    """
    length = ops.shape(x)[axis]
    missing = -length % multiple
    if isinstance(missing, int) and missing == 0:
        return x
    before = (slice(None),) * axis
    last = x[(*before, slice(-1, None))]
    # A length that only the run knows: all that can be needed, then cut.
    repeats = missing if isinstance(missing, int) else multiple - 1
    padded = ops.concatenate([x, *[last] * repeats], axis)
    if repeats is missing:
        return padded
    return padded[(*before, slice(None, length + missing))]


def to_blocks(planes, ops=keras.ops):
    """Cuts planes into 8x8 blocks.

    Args:
        planes: Tensor of shape `(planes, height, width)`, sides multiples of 8.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        Tensor of shape `(8, 8, planes, height // 8, width // 8)`: row and column in the
        block come first, so that a row of all blocks is one piece of memory.
    """
    count, height, width = ops.shape(planes)
    blocks = ops.reshape(planes, (count, height // 8, 8, width // 8, 8))
    return ops.transpose(blocks, (2, 4, 0, 1, 3))


def from_blocks(blocks, ops=keras.ops):
    """Puts blocks together: the inverse of `to_blocks`."""
    _, _, count, rows, columns = ops.shape(blocks)
    planes = ops.transpose(blocks, (2, 3, 0, 4, 1))
    return ops.reshape(planes, (count, 8 * rows, 8 * columns))
