"""Assertions about residuals and the kernels that make them."""

import keras
import numpy as np
from keras import ops

from keras_forensics import filters
from keras_forensics.constraints import BayarConstraint
from keras_forensics.testing.values import read_values


def assert_bayar_constraint(layer_or_kernel):
    """Asserts that every kernel slice has centre -1 and other taps that sum to 1.

    The centre is compared exactly, the sum to 8 units in the last place of the sum of
    magnitudes.

    Args:
        layer_or_kernel: A built layer with a `kernel`, such as `BayarConv2D`, or a
            kernel of shape `(height, width, inputs, outputs)`.

    Raises:
        ValueError: If the layer has no kernel, or none yet.
    """
    kernel = layer_or_kernel
    if isinstance(kernel, keras.layers.Layer):
        kernel = getattr(kernel, "kernel", None)
    if kernel is None:
        remedy = "pass the layer that has one, or a kernel"
        if not layer_or_kernel.built:
            remedy = "build it, or call it once, so that it has one"
        raise ValueError(
            f"`layer_or_kernel` has no `kernel`: {remedy}. "
            f"Received: layer_or_kernel={layer_or_kernel}"
        )
    remedy = ""
    if isinstance(getattr(kernel, "constraint", None), BayarConstraint):
        remedy = (
            "Keras applies a constraint only after a step of training: train the layer "
            "first, or use BayarConv2D, whose kernel always holds it. "
        )
    kernel, epsilon = read_values(kernel)
    assert np.isfinite(kernel).all(), "The kernel has taps that are not finite."
    centre = kernel[kernel.shape[0] // 2, kernel.shape[1] // 2]
    assert (centre == -1).all(), f"Centre taps must be -1. {remedy}Received: {centre}"
    error = abs(kernel.sum((0, 1)) - centre - 1)
    rounding = 8 * epsilon * abs(kernel).sum((0, 1))
    assert (error <= rounding).all(), (
        f"Off-centre taps must sum to 1 in every slice. {remedy}Received sums: "
        f"{1 + (kernel.sum((0, 1)) - centre - 1)}"
    )


def assert_high_pass(kernel):
    """Asserts that every filter gives 0 on a flat image, and is not 0 itself.

    Args:
        kernel: One filter of shape `(height, width)`, or the kernel of a convolution,
            `(height, width, inputs, outputs)`.
    """
    kernel, epsilon = read_values(kernel)
    total, size = kernel.sum((0, 1)), abs(kernel).sum((0, 1))
    assert (size > 0).all(), "A filter has no tap but 0."
    assert (abs(total) <= 8 * epsilon * size).all(), (
        f"The taps of every filter must sum to 0. Received sums: {total}"
    )


def assert_exact_residual(layer, image):
    """Asserts that residuals are bit-identical to integer arithmetic.

    They are compared with the integer residuals, divided in float64, truncated, and
    rounded once to the layer's compute dtype.

    Args:
        layer: An `SRMFilterBank` or `SRMLayerV3` with `value_range=(0, 255)` and
            integer taps, of any dtype policy.
        image: Batch of integer grey levels 0..255, of any dtype, in the layer's data
            format.

    Raises:
        ValueError: If `image` holds other values.
    """
    taps, divisors = _taps(layer)
    fractions = taps[taps != np.round(taps)]
    assert not fractions.size, (
        "Residuals are exact for integer taps. Give `bank` integers, and what they are "
        "divided by as `divisors`. "
        f"Received: bank with {fractions.size} of {taps.size} taps not integers, such "
        f"as {float(fractions[0])}"
    )
    assert tuple(layer.value_range) == (0, 255), (
        "Residuals are exact for value_range=(0, 255). "
        f"Received: value_range={layer.value_range}"
    )
    pixels, _ = read_values(image)
    others = pixels[~((pixels == np.round(pixels)) & (0 <= pixels) & (pixels <= 255))]
    if others.size:
        raise ValueError(
            "`image` must hold whole grey levels, integers 0..255: pass it as it is "
            "before it is rescaled. "
            f"Received: image with {others.size} of {pixels.size} values that are not, "
            f"such as {float(others[0])}"
        )
    pixels = pixels.astype("int64")
    if layer.data_format == "channels_first":
        pixels = np.moveaxis(pixels, 1, -1)
    residuals = _integer_residuals(pixels, taps, layer.padding, layer.strides)
    if layer.sum_channels:
        residuals = residuals.sum(3, keepdims=True)
    residuals = residuals / divisors
    if layer.threshold is not None:
        residuals = residuals.clip(-layer.threshold, layer.threshold)
    residuals = residuals.reshape(*residuals.shape[:3], -1)
    if layer.data_format == "channels_first":
        residuals = np.moveaxis(residuals, -1, 1)
    if layer.compute_dtype != "float64":
        residuals = residuals.astype("float32")
    expected, _ = read_values(ops.cast(residuals, layer.compute_dtype))
    actual, _ = read_values(layer(image))
    assert actual.shape == expected.shape, (
        f"Residuals must have shape {expected.shape}. Received: {actual.shape}"
    )
    wrong = actual != expected
    assert not wrong.any(), (
        f"{wrong.sum()} of {wrong.size} residuals are not exact, by up to "
        f"{abs(actual - expected).max():.3g} grey levels."
    )


def _taps(layer) -> tuple[np.ndarray, np.ndarray]:
    """The taps `(filters, height, width)` and divisors of an `SRMFilterBank`."""
    if isinstance(layer.bank, str):
        bank = filters.get(layer.bank)
        return np.array([f.taps for f in bank]), np.array([f.divisor for f in bank])
    return np.array(layer.bank), np.array(layer.divisors)


def _integer_residuals(pixels, taps, padding, strides) -> np.ndarray:
    """Residuals `(batch, height, width, channels, filters)` in integer arithmetic."""
    pad_width = [(0, 0)] * 4
    for side in (0, 1):
        size, reach = pixels.shape[1 + side], taps.shape[1 + side] // 2
        if padding == "same":
            # Keras samples so that both borders get the same number of zeros, or the
            # far one one more.
            last = (size - 1) // strides[side] * strides[side]
            zeros = max(last + 2 * reach + 1 - size, 0)
            pad_width[1 + side] = (zeros // 2, zeros - zeros // 2)
        elif padding != "valid":
            pad_width[1 + side] = (reach, reach)
    mode = {"valid": "constant", "same": "constant"}.get(padding, padding)
    pixels = np.pad(pixels, pad_width, mode=mode)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, taps.shape[1:], (1, 2))
    windows = windows[:, :: strides[0], :: strides[1]]
    return np.einsum("bhwcij,kij->bhwck", windows, taps)
