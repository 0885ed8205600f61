"""What enlarging by repetition would lose of an image."""

from keras import ops

from keras_forensics import arguments


def npr_residual(inputs, factor: int = 2, data_format="channels_last"):
    """Each pixel less the first one of its window.

    Args:
        inputs: Tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` for `"channels_first"`.
        factor: Side of the windows, which start at the first pixel and do not overlap.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Tensor of the same shape: the image less its nearest-neighbour reduction by
        `factor`, enlarged again. Windows that end at the border are cut there.
    """
    enlarged = inputs
    for axis in arguments.spatial_axes(data_format):
        before = (slice(None),) * axis
        first = enlarged[(*before, slice(None, None, factor))]
        size = ops.shape(inputs)[axis]
        enlarged = ops.repeat(first, factor, axis)[(*before, slice(None, size))]
    return inputs - enlarged
