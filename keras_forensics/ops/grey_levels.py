"""From the values of an input to grey levels."""

from keras import ops

from keras_forensics import arguments


def to_grey_levels(inputs, value_range, dtype: str = "float32"):
    """Maps `value_range` to grey levels 0..255, without rounding or clipping.

    Args:
        inputs: Tensor or array of any shape and integer or float dtype.
        value_range: `(low, high)`, the values that mean black and white.
        dtype: Float dtype of the result.

    Returns:
        Tensor of the same shape, of `dtype`, in grey levels.

    Raises:
        ValueError: If `value_range` is no pair of finite numbers in ascending order.
    """
    low, high = arguments.check_value_range(value_range)
    inputs = ops.cast(inputs, dtype)
    if (low, high) == (0, 255):
        return inputs
    return (inputs - low) * (255 / (high - low))


def from_grey_levels(grey_levels, value_range):
    """Maps grey levels 0..255 to `value_range`: the inverse of `to_grey_levels`.

    Args:
        grey_levels: Float tensor of any shape.
        value_range: `(low, high)`, the values that mean black and white.

    Returns:
        Tensor of the same shape and dtype.
    """
    low, high = arguments.check_value_range(value_range)
    if (low, high) == (0, 255):
        return grey_levels
    return grey_levels * ((high - low) / 255) + low
