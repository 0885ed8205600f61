"""Checks of arguments that several layers and operations share.

Every check returns the argument in its one form, or raises a `ValueError` that names
it. Nothing of the package is imported here.
"""

import math
from numbers import Real

import keras

PADDINGS = ("valid", "same", "reflect", "symmetric")
NORMALIZATIONS = ("project", "divide")
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
FREQUENCY_ORDERS = ("zigzag", "square")
MEDIANS = ("lower", "mean")
SPECTRAL_OUTPUTS = ("radial", "spectrum", "peaks")


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


def check_factor(factor) -> int:
    """Returns the factor of an enlargement as a Python integer."""
    if isinstance(factor, bool) or not hasattr(factor, "__index__") or factor < 2:
        raise ValueError(
            f"`factor` must be an integer of at least 2. Received: factor={factor!r}"
        )
    return factor.__index__()


def check_kernel_size(kernel_size, name: str = "kernel_size") -> tuple[int, int]:
    """Returns `(height, width)` of a kernel that has a centre and neighbours."""
    height, width = kernel_size
    if height % 2 == 0 or width % 2 == 0 or height * width == 1:
        raise ValueError(
            f"`{name}` must be odd on both sides, to have a centre, and larger "
            f"than 1x1, to have neighbours. Received: {name}={(height, width)}"
        )
    return height, width


def check_spectral_output(output) -> str:
    """Returns what is read off a power spectrum."""
    return _check_choice("output", output, SPECTRAL_OUTPUTS)


def check_tile_size(size) -> int:
    """Returns the side of the tiles of a spectrum."""
    size = check_positive_integer(size, "size")
    if size < 8 or size % 2:
        raise ValueError(
            f"`size` must be an even integer of at least 8. Received: size={size}"
        )
    return size


def check_median(median) -> str:
    """Returns which median of an even number of values is meant."""
    return _check_choice("median", median, MEDIANS)


def check_normalization(normalization) -> str:
    """Returns `normalization`, one of those of the Bayar constraint."""
    return _check_choice("normalization", normalization, NORMALIZATIONS)


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


def check_subsampling(subsampling) -> str:
    """Returns the name of a chroma subsampling."""
    return _check_choice("subsampling", subsampling, SUBSAMPLINGS)


def check_subsamplings(subsampling) -> tuple[str, ...]:
    """Returns the name of one subsampling, or of several, as a tuple."""
    names = (subsampling,) if isinstance(subsampling, str) else subsampling
    if not (
        isinstance(names, (list, tuple))
        and len(names) > 0
        and all(name in SUBSAMPLINGS for name in names)
    ):
        raise ValueError(
            f"`subsampling` must be one of {SUBSAMPLINGS}, or a tuple of some of them. "
            f"Received: subsampling={subsampling!r}"
        )
    return tuple(names)


def check_quality_range(quality) -> tuple[int, int]:
    """Returns one quality, or the lowest and the highest, as a pair."""
    pair = quality if isinstance(quality, (list, tuple)) else (quality, quality)
    if len(pair) != 2 or not all(map(_is_whole_quality, pair)) or pair[0] > pair[1]:
        raise ValueError(
            "`quality` must be an integer from 1 to 100, or a tuple (lowest, highest) "
            f"of them. Received: quality={quality!r}"
        )
    return pair[0].__index__(), pair[1].__index__()


def check_qualities(qualities) -> tuple[int, ...]:
    """Returns one or more qualities as a tuple of Python integers."""
    if not (
        isinstance(qualities, (list, tuple))
        and len(qualities) > 0
        and all(map(_is_whole_quality, qualities))
    ):
        raise ValueError(
            "`qualities` must be a tuple of integers from 1 to 100. "
            f"Received: qualities={qualities!r}"
        )
    return tuple(quality.__index__() for quality in qualities)


def check_probability(probability) -> float:
    """Returns a number from 0 to 1."""
    if not (_is_finite(probability) and 0 <= probability <= 1):
        raise ValueError(
            "`probability` must be a number from 0 to 1. "
            f"Received: probability={probability!r}"
        )
    return probability


def check_grey_or_rgb(channels: int, input_shape) -> None:
    """Checks for 1 or 3 channels, the images that JPEG knows."""
    if channels not in (1, 3):
        raise ValueError(
            "Images must have 1 channel (grey) or 3 (RGB). "
            f"Received: input_shape={tuple(input_shape)}"
        )


def check_grid_offset(offset) -> tuple[int, int]:
    """Returns the row and column where an 8x8 grid begins."""
    pair = tuple(offset) if isinstance(offset, (list, tuple)) else ()
    if len(pair) != 2 or not all(
        hasattr(place, "__index__") and place in range(8) for place in pair
    ):
        raise ValueError(
            f"`offset` must be a tuple of 2 integers 0..7. Received: offset={offset!r}"
        )
    return pair[0].__index__(), pair[1].__index__()


def check_frequency_order(order) -> str:
    """Returns the name of an order of DCT coefficients."""
    return _check_choice("order", order, FREQUENCY_ORDERS)


def _check_choice(name: str, value, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {choices}. Received: {name}={value!r}"
        )
    return value


def _is_whole_quality(value) -> bool:
    return hasattr(value, "__index__") and 1 <= value <= 100


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
