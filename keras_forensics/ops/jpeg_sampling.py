"""Halving and doubling the chroma planes, as libjpeg's jcsample.c and jdsample.c."""

from keras_forensics.ops.blocks import pad_to_multiple

FACTORS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}
"""By how much chroma is smaller than luma, vertically and horizontally."""


def downsample(planes, factors: tuple[int, int], ops):
    """Means of 1x2 or 2x2 pixels, in whole 8x8 blocks.

    Args:
        planes: int32 tensor of shape `(components, batch, height, width)`, 0..255.
        factors: A value of `FACTORS`.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of shape `(components, batch, rows, columns)`, both multiples of 8.
        What lies beyond the image is what libjpeg puts there.
    """
    vertical, horizontal = factors
    # Pixels are repeated to the right, but means below: as these are rounded, that is
    # not the same.
    planes = pad_to_multiple(planes, 3, 8 * horizontal, ops)
    if vertical == 2:
        planes = pad_to_multiple(planes, 2, 2, ops)
        planes = planes[:, :, 0::2] + planes[:, :, 1::2]
    if horizontal == 2:
        # Halves are rounded up in every second column, so that the mean does not drift.
        components, batch, rows, columns = ops.shape(planes)
        pairs = ops.reshape(planes, (components, batch, rows, columns // 4, 2, 2))
        bias = ops.convert_to_tensor([vertical - 1, vertical], "int32")
        means = ops.right_shift(pairs[..., 0] + pairs[..., 1] + bias, vertical)
        planes = ops.reshape(means, (components, batch, rows, columns // 2))
    return pad_to_multiple(planes, 2, 8, ops)


def upsample(planes, factors: tuple[int, int], ops):
    """Doubles the width, or both sides, with a triangle filter ("fancy upsampling").

    Args:
        planes: int32 tensor of shape `(components, batch, height, width)`, 0..255.
        factors: A value of `FACTORS`.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of that shape, with both sides multiplied by the factors.
    """
    vertical, horizontal = factors
    if horizontal == 1:
        return planes
    # libjpeg repeats the pixels of planes that are too narrow for its filter.
    narrow = ops.shape(planes)[3] <= 2
    if vertical == 2:
        above, below = _neighbours(planes, 2, narrow, ops)
        planes = _interleave(3 * planes + above, 3 * planes + below, 2, ops)
    left, right = _neighbours(planes, 3, narrow, ops)
    bias = (1, 2) if vertical == 1 else (8, 7)
    return _interleave(
        ops.right_shift(3 * planes + left + bias[0], 2 * vertical),
        ops.right_shift(3 * planes + right + bias[1], 2 * vertical),
        3,
        ops,
    )


def _neighbours(planes, axis: int, narrow, ops):
    """The pixels before and after each: itself at an end, or everywhere if `narrow`."""
    only_the_run_knows = ops.is_tensor(narrow)
    if not only_the_run_knows and narrow:
        return planes, planes
    before = (slice(None),) * axis
    first, last = planes[(*before, slice(1))], planes[(*before, slice(-1, None))]
    previous = ops.concatenate([first, planes[(*before, slice(-1))]], axis)
    following = ops.concatenate([planes[(*before, slice(1, None))], last], axis)
    if only_the_run_knows:
        previous = ops.where(narrow, planes, previous)
        following = ops.where(narrow, planes, following)
    return previous, following


def _interleave(first, second, axis: int, ops):
    shape = list(ops.shape(first))
    shape[axis] = 2 * shape[axis]
    return ops.reshape(ops.stack([first, second], axis + 1), shape)
