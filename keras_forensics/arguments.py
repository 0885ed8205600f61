"""Checks of arguments that several layers and operations share.

Every check returns the argument in its one form, or raises a `ValueError` that names
it. Nothing of the package is imported here.
"""

import math
from numbers import Real

import keras

PADDINGS = ("valid", "same", "reflect", "symmetric")
NORMALIZATIONS = ("project", "divide")


def check_padding(padding) -> str:
    """Returns `padding` in lower case."""
    if not isinstance(padding, str) or padding.lower() not in PADDINGS:
        raise ValueError(
            f"`padding` must be one of {PADDINGS}. Received: padding={padding!r}"
        )
    return padding.lower()


def check_data_format(data_format) -> str:
    """Returns `data_format`, or Keras's default for `None`."""
    if data_format is None:
        return keras.config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            '`data_format` must be "channels_last" or "channels_first". '
            f"Received: data_format={data_format!r}"
        )
    return data_format


def check_positive_integer(value, name: str) -> int:
    """Returns `value` as a Python integer."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}"
        )
    return value.__index__()


def check_positive_integers(values, name: str) -> tuple[int, ...]:
    """Returns a list or tuple of any length as a tuple of Python integers."""
    if not isinstance(values, (list, tuple)):
        raise ValueError(
            f"`{name}` must be a tuple of positive integers. "
            f"Received: {name}={values!r}"
        )
    return tuple(check_positive_integer(value, name) for value in values)


def check_pair(value, name: str) -> tuple[int, int]:
    """Returns a positive integer, or a pair of them, as a pair."""
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    if len(pair) != 2:
        raise ValueError(
            f"`{name}` must be a positive integer or a tuple of 2. "
            f"Received: {name}={value!r}"
        )
    first, second = check_positive_integers(pair, name)
    return first, second


def check_positive_number(value, name: str) -> float:
    """Returns `value`, a finite number above 0."""
    if not (_is_finite(value) and value > 0):
        raise ValueError(
            f"`{name}` must be a positive number. Received: {name}={value!r}"
        )
    return value


def check_kernel_size(kernel_size) -> tuple[int, int]:
    """Returns `(height, width)` of a kernel that has a centre and neighbours."""
    height, width = kernel_size
    if height % 2 == 0 or width % 2 == 0 or height * width == 1:
        raise ValueError(
            "`kernel_size` must be odd on both sides, to have a centre, and larger "
            "than 1x1, to have neighbours. Received: "
            f"kernel_size={(height, width)}"
        )
    return height, width


def check_normalization(normalization) -> str:
    """Returns `normalization`, one of those of the Bayar constraint."""
    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"`normalization` must be one of {NORMALIZATIONS}. "
            f"Received: normalization={normalization!r}"
        )
    return normalization


def check_threshold(threshold) -> float | None:
    """Returns a positive number of grey levels, or `None`."""
    if threshold is not None and not (_is_finite(threshold) and threshold > 0):
        raise ValueError(
            "`threshold` must be a positive number of grey levels, or None for no "
            f"truncation. Received: threshold={threshold!r}"
        )
    return threshold


def check_value_range(value_range) -> tuple[float, float]:
    """Returns `(low, high)`, two finite numbers."""
    pair = tuple(value_range) if isinstance(value_range, (list, tuple)) else ()
    if not (len(pair) == 2 and all(map(_is_finite, pair)) and pair[0] < pair[1]):
        raise ValueError(
            "`value_range` must be a tuple (low, high) with low < high, the input "
            f"values of black and white. Received: value_range={value_range!r}"
        )
    return pair


def _is_finite(value) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def count_channels(input_shape, data_format: str) -> int:
    """Returns the number of channels, which has to be known when a layer is built."""
    channels = input_shape[channel_axis(data_format)]
    if channels is None:
        raise ValueError(
            f"The channel dimension of {data_format} inputs must be known. "
            f"Received: input_shape={tuple(input_shape)}"
        )
    return channels


def channel_axis(data_format: str) -> int:
    """Returns the axis of the channels in a batch of images."""
    return -1 if data_format == "channels_last" else 1


def spatial_axes(data_format: str) -> tuple[int, int]:
    """Returns the axes of height and width in a batch of images."""
    return (1, 2) if data_format == "channels_last" else (2, 3)


def check_side(input_shape, axis: int, smallest: int) -> None:
    """Raises a `ValueError` if a side of an image is known and too small."""
    size = input_shape[axis]
    if isinstance(size, int) and size < smallest:
        raise ValueError(
            f"Images must have at least {smallest} pixels along axis {axis}. "
            f"Received: input_shape={tuple(input_shape)}"
        )


def check_truncation(truncation) -> int:
    """Returns the largest level of quantised residuals, whose levels fit 8 bits."""
    truncation = check_positive_integer(truncation, "truncation")
    if truncation > 127:
        raise ValueError(
            f"`truncation` must be at most 127. Received: truncation={truncation}"
        )
    return truncation


def check_quality(quality) -> float:
    """Returns a JPEG quality on libjpeg's scale, not only a whole one."""
    if not (_is_finite(quality) and 1 <= quality <= 100):
        raise ValueError(
            f"`quality` must be a number from 1 to 100. Received: quality={quality!r}"
        )
    return quality
