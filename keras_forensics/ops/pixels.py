"""Between images of any range and layout, and planes of whole grey levels."""


def to_planes(grey_levels, data_format: str, ops):
    """Rounds a batch of images to int32 of shape `(channels, batch, height, width)`.

    Args:
        grey_levels: Tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` for `"channels_first"`.
        data_format: `"channels_last"` or `"channels_first"`.
        ops: `keras.ops`, or the operations of another backend.
    """
    order = (3, 0, 1, 2) if data_format == "channels_last" else (1, 0, 2, 3)
    return ops.transpose(ops.cast(ops.round(grey_levels), "int32"), order)


def from_planes(planes, data_format: str, ops):
    """The inverse of `to_planes`, still int32."""
    order = (1, 2, 3, 0) if data_format == "channels_last" else (1, 0, 2, 3)
    return ops.transpose(planes, order)


def straight_through(values, of, ops):
    """Returns exactly `values`, with the gradient of `of`.

    Args:
        values: Tensor without a gradient of its own.
        of: Finite tensor of that shape.
        ops: `keras.ops`, or the operations of another backend.
    """
    # Not `of + (values - of)`, which rounds.
    return values + (of - ops.stop_gradient(of))


def cut(planes, top, left, size, ops):
    """Cuts a rectangle out of each image. Pixels beyond the borders repeat them.

    Args:
        planes: Tensor of shape `(channels, batch, height, width)`.
        top: int32 tensor of shape `(batch,)`, the first row, which may be negative.
        left: The same for columns.
        size: Height and width of the rectangles.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        Tensor of shape `(channels, batch, *size)`.
    """
    channels, batch, height, width = ops.shape(planes)

    def places(start, count, length):
        steps = ops.expand_dims(ops.arange(count, dtype="int32"), 0)
        return ops.clip(steps + ops.expand_dims(start, 1), 0, length - 1)

    image = ops.expand_dims(ops.arange(batch, dtype="int32"), 1)
    row = image * height + places(top, size[0], height)
    column = places(left, size[1], width)
    places_in_all = ops.expand_dims(row * width, 2) + ops.expand_dims(column, 1)
    flat = ops.reshape(planes, (channels, -1))
    pixels = ops.take(flat, ops.reshape(places_in_all, (-1,)), 1)
    return ops.reshape(pixels, (channels, batch, *size))
