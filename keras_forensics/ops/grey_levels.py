"""Pixels as grey levels 0..255, where a threshold has a meaning."""

from keras import ops


def exact_dtype(compute_dtype: str) -> str:
    """The dtype of filter arithmetic: float32 also where a policy has 16 bits."""
    return "float64" if compute_dtype == "float64" else "float32"


def to_grey_levels(inputs, value_range, dtype: str):
    """Maps `value_range` to grey levels 0..255, without rounding.

    Args:
        inputs: Tensor of any shape and dtype.
        value_range: `(low, high)`, the input values of black and white.
        dtype: Float dtype of the result, which inputs are cast to first.

    Returns:
        Tensor of the same shape.
    """
    inputs = ops.cast(inputs, dtype)
    low, high = value_range
    if (low, high) == (0, 255):
        return inputs
    return (inputs - low) * (255 / (high - low))
