"""Convolution whose borders are no evidence.

Zero padding draws a frame of residuals around every image. `"reflect"` and
`"symmetric"` mirror the image instead, so that a flat image stays flat.
"""

from keras import ops

from keras_forensics import arguments
from keras_forensics.ops.data_format import change_data_format, runnable_data_format
from keras_forensics.ops.mirroring import mirror


def residual_conv(
    inputs, kernel, *, strides=1, padding="reflect", data_format=None, dilation_rate=1
):
    """`keras.ops.conv` that also takes `padding="reflect"` and `"symmetric"`.

    Args:
        inputs: Tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` for `"channels_first"`.
        kernel: Tensor of shape `(height, width, channels // groups, filters)` with
            odd height and width.
        strides: Integer or tuple of 2 integers.
        padding: `"valid"`, `"same"` (zeros), `"reflect"` or `"symmetric"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        dilation_rate: Integer or tuple of 2 integers.

    Returns:
        Tensor of the shape that `residual_conv_shape` gives, in the units of the input
        times those of the taps.

    Raises:
        ValueError: If an argument is outside the values above, or the images are too
            small for the kernel and the padding.
    """
    padding = arguments.check_padding(padding)
    data_format = arguments.check_data_format(data_format)
    strides = arguments.check_pair(strides, "strides")
    dilation_rate = arguments.check_pair(dilation_rate, "dilation_rate")
    borders = _borders(kernel.shape, dilation_rate, data_format)
    _check_size(inputs.shape, borders, padding)
    if padding in ("reflect", "symmetric"):
        for axis, pixels in borders.items():
            inputs = mirror(inputs, axis, pixels, skip=int(padding == "reflect"))
    runs_in = runnable_data_format(data_format)
    outputs = ops.conv(
        change_data_format(inputs, data_format, runs_in),
        kernel,
        strides=strides,
        padding="same" if padding == "same" else "valid",
        data_format=runs_in,
        dilation_rate=dilation_rate,
    )
    return change_data_format(outputs, runs_in, data_format)


def residual_conv_shape(
    input_shape,
    filters: int,
    kernel_size,
    *,
    strides=1,
    padding="reflect",
    data_format=None,
    dilation_rate=1,
) -> tuple[int | None, ...]:
    """Output shape of `residual_conv`; unknown sizes stay `None`.

    Args:
        input_shape: Shape of the images, with the batch.
        filters: Number of filters, the channels of the output.
        kernel_size: Odd `(height, width)`.
        strides: As in `residual_conv`.
        padding: As in `residual_conv`.
        data_format: As in `residual_conv`.
        dilation_rate: As in `residual_conv`.

    Returns:
        Height and width are `ceil(size / stride)`, less the border for `"valid"`.

    Raises:
        ValueError: As `residual_conv`.
    """
    padding = arguments.check_padding(padding)
    data_format = arguments.check_data_format(data_format)
    strides = arguments.check_pair(strides, "strides")
    dilation_rate = arguments.check_pair(dilation_rate, "dilation_rate")
    output_shape = list(input_shape)
    output_shape[arguments.channel_axis(data_format)] = filters
    borders = _borders(kernel_size, dilation_rate, data_format)
    _check_size(input_shape, borders, padding)
    for (axis, pixels), stride in zip(borders.items(), strides, strict=True):
        size = input_shape[axis]
        if size is not None:
            if padding == "valid":
                size -= 2 * pixels
            output_shape[axis] = -(-size // stride)
    return tuple(output_shape)


def _borders(kernel_size, dilation_rate, data_format) -> dict[int, int]:
    """`{spatial axis: pixels that an odd kernel reaches beyond its centre}`."""
    return {
        axis: (size - 1) // 2 * dilation
        for axis, size, dilation in zip(
            arguments.spatial_axes(data_format),
            kernel_size[:2],
            dilation_rate,
            strict=True,
        )
    }


def _check_size(input_shape, borders, padding):
    """Raises a `ValueError` if a side that is known is too small.

    Backends do not: they repeat the mirror image, return less, or name no argument.
    """
    for axis, pixels in borders.items():
        smallest = {
            "valid": 2 * pixels + 1,
            "same": 1,
            "reflect": pixels + 1,
            "symmetric": max(pixels, 1),
        }[padding]
        # Unknown sizes are None, or symbols while a graph is exported.
        size = input_shape[axis]
        if isinstance(size, int) and size < smallest:
            raise ValueError(
                f"`padding={padding!r}` with a kernel that reaches {pixels} pixels "
                f"beyond its centre needs images of at least {smallest} pixels on "
                f"that side. Received: input_shape={tuple(input_shape)}"
            )
