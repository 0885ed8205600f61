"""Medians of neighbourhoods, by comparing whole images."""

import functools

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.ops.convolution import residual_conv_shape
from keras_forensics.ops.mirroring import mirror


def median_residual(
    inputs, window_size=3, median="lower", *, padding="reflect", data_format=None
):
    """Each pixel less the median of its neighbours, in each channel.

    Args:
        inputs: float tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` for `"channels_first"`.
        window_size: Odd integer or tuple of 2: height and width of the window, whose
            centre is no neighbour.
        median: Of the two middle neighbours, `"lower"` or their `"mean"`.
        padding: `"valid"`, `"same"` (zeros), `"reflect"` or `"symmetric"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.

    Returns:
        Tensor of the same shape, less the border for `"valid"`.

    Raises:
        ValueError: If an argument is outside the values above, or the images are too
            small for the window and the padding.
    """
    data_format = arguments.check_data_format(data_format)
    padding = arguments.check_padding(padding)
    median = arguments.check_median(median)
    window_size = arguments.check_kernel_size(
        arguments.check_pair(window_size, "window_size"), "window_size"
    )
    axes = arguments.spatial_axes(data_format)
    # Refuses images that are too small, and names the padding.
    residual_conv_shape(
        inputs.shape, 1, window_size, padding=padding, data_format=data_format
    )
    for axis, size in zip(axes, window_size, strict=True):
        if padding == "same":
            widths = [(0, 0)] * 4
            widths[axis] = (size // 2, size // 2)
            inputs = ops.pad(inputs, widths)
        elif padding != "valid":
            inputs = mirror(inputs, axis, size // 2, skip=int(padding == "reflect"))
    window = [
        pixels
        for rows in _shifted(inputs, axes[0], window_size[0])
        for pixels in _shifted(rows, axes[1], window_size[1])
    ]
    centre = window.pop(len(window) // 2)
    middle = len(window) // 2
    if median == "lower":
        (value,) = order_statistics(window, (middle - 1,))
    else:
        lower, upper = order_statistics(window, (middle - 1, middle))
        value = (lower + upper) * 0.5
    return centre - value


def _shifted(inputs, axis, size):
    """The pixels at each place of windows along an axis."""
    before = (slice(None),) * axis
    return [
        inputs[(*before, slice(start, (start - size + 1) or None))]
        for start in range(size)
    ]


def order_statistics(tensors, ranks):
    """The values of some ranks among tensors, place by place.

    By a network of comparators, each a minimum and a maximum of two whole tensors,
    which is many times faster than sorting each pixel's few neighbours, and exact.

    Args:
        tensors: List of tensors of one shape.
        ranks: Tuple of integers, 0 for the smallest value.

    Returns:
        List of tensors, one a rank.
    """
    tensors = list(tensors)
    for low, high, low_is_needed, high_is_needed in _comparators(len(tensors), ranks):
        pair = tensors[low], tensors[high]
        if low_is_needed:
            tensors[low] = _minimum(*pair)
        if high_is_needed:
            tensors[high] = _maximum(*pair)
    return [tensors[rank] for rank in ranks]


# `keras.ops.minimum` and `maximum` round float64 to float32 on torch; choosing one of
# two does not, but takes up to nine times as long.


def _minimum(one, other):
    if keras.backend.standardize_dtype(one.dtype) == "float64":
        return ops.where(one < other, one, other)
    return ops.minimum(one, other)


def _maximum(one, other):
    if keras.backend.standardize_dtype(one.dtype) == "float64":
        return ops.where(one < other, other, one)
    return ops.maximum(one, other)


@functools.cache
def _comparators(
    count: int, ranks: tuple[int, ...]
) -> list[tuple[int, int, bool, bool]]:
    """Batcher's odd-even merge sort (1968), less what no rank depends on."""
    network = []
    merged = 1
    while merged < count:
        step = merged
        while step:
            for start in range(step % merged, count - step, 2 * step):
                for low in range(start, start + min(step, count - step - start)):
                    high = low + step
                    if low // (2 * merged) == high // (2 * merged):
                        network.append((low, high))
            step //= 2
        merged *= 2
    needed, kept = set(ranks), []
    for low, high in reversed(network):
        if low in needed or high in needed:
            kept.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return kept[::-1]
