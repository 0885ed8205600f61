"""Planes of pixels as 8x8 blocks, and back."""


def pad_to_multiple(x, axis: int, multiple: int, ops):
    """Repeats the last slice along `axis` until its length is a multiple.

    Args:
        x: Tensor.
        axis: Axis, counted from the front.
        multiple: Positive integer.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        `x` itself where its length is known to be a multiple.
    """
    length = ops.shape(x)[axis]
    missing = -length % multiple
    if isinstance(missing, int) and missing == 0:
        return x
    before = (slice(None),) * axis
    last = x[(*before, slice(-1, None))]
    if isinstance(missing, int):
        return ops.concatenate([x, *[last] * missing], axis)
    # Only the run knows the length: as much as may be missing, then cut.
    padded = ops.concatenate([x, *[last] * (multiple - 1)], axis)
    return padded[(*before, slice(None, length + missing))]


def to_blocks(planes, ops):
    """Cuts planes into 8x8 blocks.

    Args:
        planes: Tensor of shape `(components, batch, height, width)`, sides multiples
            of 8.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        Tensor of shape `(8, 8, components, batch, height // 8, width // 8)`. With row
        and column in the block first, the same pixel of all blocks is one piece of
        memory.
    """
    components, batch, height, width = ops.shape(planes)
    blocks = ops.reshape(planes, (components, batch, height // 8, 8, width // 8, 8))
    return ops.transpose(blocks, (3, 5, 0, 1, 2, 4))


def from_blocks(blocks, ops):
    """Puts blocks together: the inverse of `to_blocks`."""
    _, _, components, batch, rows, columns = ops.shape(blocks)
    planes = ops.transpose(blocks, (2, 3, 4, 0, 5, 1))
    return ops.reshape(planes, (components, batch, 8 * rows, 8 * columns))
