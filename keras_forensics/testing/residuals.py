"""Assertions about residuals and the kernels that make them."""

import keras
import numpy as np
from keras import ops

from keras_forensics import filters
from keras_forensics.constraints import BayarConstraint
from keras_forensics.layers.srm_filter_bank import SRMFilterBank
from keras_forensics.testing.values import read_values


def assert_bayar_constraint(layer_or_kernel):
    """Asserts that every kernel slice has centre -1 and other taps that sum to 1.

    The centre is compared exactly, the sum to 8 units in the last place of the sum of
    magnitudes. Of a layer, `layer.kernel` is read: it must be what the layer convolves
    with, as it is in `BayarConv2D`. Of a layer that constrains free weights inside its
    call, pass the constrained kernel.

    Args:
        layer_or_kernel: A built layer with a `kernel`, such as `BayarConv2D`, or a
            kernel of shape `(height, width, inputs, outputs)`.

    Raises:
        ValueError: If the layer has no kernel, or none yet, or the kernel is of another
            shape.
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
    if kernel.ndim != 4 or not kernel.shape[0] % 2 or not kernel.shape[1] % 2:
        raise ValueError(
            "A kernel must have shape (height, width, inputs, outputs), with odd "
            "height and width; torch's own order is (outputs, inputs, height, width), "
            "which permute(2, 3, 1, 0) puts right. "
            f"Received: a kernel of shape {kernel.shape}"
        )
    assert np.isfinite(kernel).all(), "The kernel has taps that are not finite."
    centre = kernel[kernel.shape[0] // 2, kernel.shape[1] // 2]
    if (centre != -1).any():
        place = _largest(abs(centre + 1))
        if not remedy and (centre == 1).all():
            remedy = "The sign is the other one: the centre is -1, its neighbours 1. "
        elif not remedy and isinstance(layer_or_kernel, keras.layers.Layer):
            remedy = (
                "`kernel` of the layer was read: if it holds free weights, which the "
                "layer constrains inside its call, pass the constrained kernel. "
            )
        raise AssertionError(
            f"Centre taps must be -1. {remedy}Received: {centre[place]:.7g} in slice "
            f"[:, :, {place[0]}, {place[1]}], in all {(centre != -1).sum()} of "
            f"{centre.size} wrong"
        )
    total = kernel.sum((0, 1)) - centre
    error = abs(total - 1)
    rounding = 8 * epsilon * abs(kernel).sum((0, 1))
    if (error > rounding).any():
        place = _largest(error - rounding)
        if not remedy and (error <= 1e4 * rounding).all():
            remedy = (
                "So little is rounding: projecting once leaves it where large weights "
                "cancel, and a second time removes it, as BayarConstraint does. "
            )
        elif not remedy and np.allclose(total, 0, atol=1e-5):
            remedy = "They sum to 0: the centre must stay out of the sum. "
        elif not remedy and np.allclose(total.sum(0), 1, atol=1e-5):
            remedy = (
                "They sum to 1 over all inputs together: it must be so for each input. "
            )
        raise AssertionError(
            "Off-centre taps must sum to 1 in every slice. "
            f"{remedy}Received: {total[place]:.9g} in slice [:, :, {place[0]}, "
            f"{place[1]}], off by {error[place]:.2g}, where {rounding[place]:.2g} is "
            f"allowed; in all {(error > rounding).sum()} of {error.size} wrong"
        )


def assert_high_pass(kernel):
    """Asserts that every filter gives 0 on a flat image, and is not 0 itself.

    The sum of its taps may be off by 8 units in the last place of their magnitudes.

    Args:
        kernel: One filter of shape `(height, width)`, or the kernel of a convolution,
            `(height, width, inputs, outputs)`.
    """
    kernel, epsilon = read_values(kernel)
    kernel = kernel.reshape(*kernel.shape[:2], -1)
    total, size = kernel.sum((0, 1)), abs(kernel).sum((0, 1))
    assert (size > 0).all(), "A filter has no tap but 0."
    rounding = 8 * epsilon * size
    wrong = abs(total) > rounding
    if wrong.any():
        (place,) = _largest(abs(total) - rounding)
        remedy = ""
        if (abs(total) <= 1e4 * rounding).all() and epsilon:
            remedy = (
                "So little is rounding: keep the taps integers, and divide the "
                "residual. "
            )
        raise AssertionError(
            f"The taps of every filter must sum to 0. {remedy}Received: a sum of "
            f"{total[place]:.3g} in filter {place}, where {rounding[place]:.2g} is "
            f"allowed; in all {wrong.sum()} of {wrong.size} wrong"
        )


def _largest(values: np.ndarray) -> tuple[int, ...]:
    """Where the largest value is."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(values), values.shape))


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
        ValueError: If `layer` is another one, or `image` holds other values.
    """
    if not isinstance(layer, SRMFilterBank):
        raise ValueError(
            "`layer` must be an SRMFilterBank, such as SRMLayerV3: of fixed integer "
            "taps alone is known what is exact. Learnable ones are checked by "
            f"assert_bayar_constraint and assert_high_pass. Received: layer={layer}"
        )
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
    expected = _as_computed(layer, residuals, layer.threshold)
    actual, _ = read_values(layer(image))
    assert actual.shape == expected.shape, (
        f"Residuals must have shape {expected.shape}. Received: {actual.shape}"
    )
    wrong = actual != expected
    if not wrong.any():
        return
    difference = abs(actual - expected)
    place = _largest(np.where(wrong, np.nan_to_num(difference, nan=np.inf), -1))
    raise AssertionError(
        f"{wrong.sum()} of {wrong.size} residuals are not exact, by up to "
        f"{difference.max():.3g} grey levels: {actual[place]:.7g} instead of "
        f"{expected[place]:.7g} at {list(place)}. "
        + _likely_cause(layer, residuals, actual, expected)
    )


def _as_computed(layer, residuals, threshold) -> np.ndarray:
    """Quotients `(batch, height, width, channels, filters)` as the layer gives them."""
    if threshold is not None:
        residuals = residuals.clip(-threshold, threshold)
    residuals = residuals.reshape(*residuals.shape[:3], -1)
    if layer.data_format == "channels_first":
        residuals = np.moveaxis(residuals, -1, 1)
    if layer.compute_dtype != "float64":
        residuals = residuals.astype("float32")
    return read_values(ops.cast(residuals, layer.compute_dtype))[0]


def _likely_cause(layer, residuals, actual, expected) -> str:
    """Why values may differ, from how they do."""
    if not np.isfinite(actual).all():
        return "Some are not finite: 16 bits may be too few for the sums."
    if layer.threshold is not None and np.array_equal(
        actual, _as_computed(layer, residuals, None)
    ):
        return f"They are not truncated at threshold={layer.threshold}."
    if np.array_equal(actual, -expected):
        return "They have the other sign: taps are correlated, not flipped or negated."
    if np.array_equal(np.sort(actual, axis=None), np.sort(expected, axis=None)):
        return "The values are right, and in another order."
    for factor in (255, 1 / 255):
        if np.allclose(actual, expected * factor, rtol=1e-2, atol=1e-6):
            return f"They are {factor:.3g} times as large: the pixels were rescaled."
    inner = [slice(None)] * 4
    for axis in (1, 2) if layer.data_format == "channels_last" else (2, 3):
        quarter = actual.shape[axis] // 4
        inner[axis] = slice(quarter, actual.shape[axis] - quarter)
    if np.array_equal(actual[tuple(inner)], expected[tuple(inner)]):
        return (
            "Only values near the border differ: the image is not padded as "
            f"padding={layer.padding!r} says."
        )
    if np.allclose(actual, expected, rtol=0.05, atol=0.05):
        return (
            "So little is rounding: convolve with integer taps, in float32 or more, "
            "and divide last."
        )
    return "Other taps, divisors, strides or channels than the layer's were used."


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
