"""Hypothesis strategies and assertions for test suites that use these layers.

Needs `hypothesis`, so `import keras_forensics` does not import this module.

```python
from hypothesis import given

from keras_forensics import BayarConv2D, SRMLayerV3, testing


@given(testing.uint8_images())
def check_residuals(images):
    testing.assert_exact_residual(SRMLayerV3(dtype="mixed_float16"), images)


@given(testing.kernels(kernel_size=(5, 5), channels=3, filters=8))
def check_constraint(weights):
    layer = BayarConv2D(8, 5)
    layer.build((None, None, None, 3))
    layer.set_weights([weights])
    testing.assert_bayar_constraint(layer)


check_residuals()
check_constraint()
```
"""

import inspect
import json
import re
import tempfile
from pathlib import Path

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

from keras_forensics import filters
from keras_forensics.constraints import BayarConstraint

_EPSILON = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
}

_SEEDS = st.integers(0, 2**32 - 1)


def shapes(min_side=5, max_side=16, channels=None, max_batch=3):
    """Shapes of image batches, `(batch, height, width, channels)`.

    Args:
        min_side: Smallest height and width.
        max_side: Largest height and width.
        channels: Number of channels; drawn from 1 to 4 if `None`.
        max_batch: Largest number of images.
    """
    side = st.integers(min_side, max_side)
    return st.tuples(
        st.integers(1, max_batch), side, side, _fixed_or_drawn(channels, 1, 4)
    )


def uint8_images(shape=None):
    """Batches of images with grey levels 0..255: flat, two-valued, noise.

    Args:
        shape: Shape of the batch, or a strategy for it; `shapes()` if `None`.
    """
    if shape is None:
        shape = shapes()
    elif not isinstance(shape, st.SearchStrategy):
        shape = st.just(shape)
    grey_level = st.sampled_from((0, 255)) | st.integers(0, 255)
    extremes = st.tuples(grey_level, grey_level).map(sorted)
    # Hypothesis prints an example as a call of the function that made it. Those of this
    # module are public, so that it can be pasted.
    return st.builds(make_images, shape, extremes, st.booleans(), _SEEDS)


def make_images(shape, grey_levels, two_valued, seed):
    """One example of `uint8_images`, as hypothesis prints it.

    Args:
        shape: Shape of the batch.
        grey_levels: `(lowest, highest)`, integers 0..255.
        two_valued: If `True`, pixels are one or the other, and nothing between.
        seed: Integer seed of the noise.
    """
    random = np.random.default_rng(seed)
    if two_valued:  # the largest residuals there are
        return random.choice(grey_levels, shape).astype("uint8")
    low, high = grey_levels
    return random.integers(low, high, shape, "uint8", endpoint=True)


def kernels(kernel_size=None, channels=None, filters=None, max_exponent=6):
    """Convolution kernels of any scale, float32, `(height, width, channels, filters)`.

    Args:
        kernel_size: Odd `(height, width)`; drawn up to 7x7, without 1x1, if `None`.
        channels: Number of inputs; drawn from 1 to 3 if `None`.
        filters: Number of outputs; drawn from 1 to 3 if `None`.
        max_exponent: Weights reach up to 10 to this power, at most 38.
    """
    if kernel_size is None:
        sides = [(h, w) for h in (1, 3, 5, 7) for w in (1, 3, 5, 7) if (h, w) != (1, 1)]
        kernel_size = st.sampled_from(sides)
    else:
        kernel_size = st.just(kernel_size)
    return st.builds(
        make_kernel,
        kernel_size,
        _fixed_or_drawn(channels, 1, 3),
        _fixed_or_drawn(filters, 1, 3),
        st.integers(-max_exponent, max_exponent),
        st.sampled_from([0.0, 0.5, -0.5]),
        st.sampled_from([0.0, 1e-3, 0.5]),
        _SEEDS,
    )


def make_kernel(kernel_size, channels, filters, exponent, common, spread, seed):
    """One example of `kernels`, as hypothesis prints it.

    Args:
        kernel_size: `(height, width)`.
        channels: Number of inputs.
        filters: Number of outputs.
        exponent: Power of 10 that scales all weights.
        common: Part that all weights share, before they are scaled.
        spread: Largest magnitude of the noise on it, before it is scaled.
        seed: Integer seed of the noise.
    """
    noise = np.random.default_rng(seed).uniform(
        -spread, spread, (*kernel_size, channels, filters)
    )
    return (10.0**exponent * (common + noise)).astype("float32")


# Those that `SRMFilterBank` divides by exactly.
_DIVISORS = sorted({odd << power for odd in range(1, 15) for power in range(5)})


def filter_banks(max_filters=4, max_tap=12):
    """Arguments of `SRMFilterBank` for banks of integer high-pass filters.

    Draws dicts with `bank`, nested lists `(filters, height, width)` with odd sides, and
    `divisors`.

    Args:
        max_filters: Largest number of filters.
        max_tap: Largest magnitude of an off-centre tap.
    """
    return st.builds(
        make_filter_bank,
        st.lists(st.sampled_from(_DIVISORS), min_size=1, max_size=max_filters),
        st.sampled_from([(3, 3), (5, 5), (1, 3), (3, 1), (3, 5)]),
        st.just(max_tap),
        _SEEDS,
    )


def make_filter_bank(divisors, kernel_size, max_tap, seed):
    """One example of `filter_banks`, as hypothesis prints it.

    Args:
        divisors: List of integers, one a filter.
        kernel_size: Odd `(height, width)`.
        max_tap: Largest magnitude of an off-centre tap.
        seed: Integer seed of the taps.
    """
    height, width = kernel_size
    bank = np.random.default_rng(seed).integers(
        -max_tap, max_tap, (len(divisors), height, width), endpoint=True
    )
    bank[:, 0, 0] = max_tap  # no filter is 0
    bank[:, height // 2, width // 2] = 0
    bank[:, height // 2, width // 2] = -bank.sum((1, 2))
    return {"bank": bank.tolist(), "divisors": divisors}


def _fixed_or_drawn(value, smallest, largest):
    return st.integers(smallest, largest) if value is None else st.just(value)


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
    kernel, epsilon = _read(kernel)
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
    kernel, epsilon = _read(kernel)
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
    pixels, _ = _read(image)
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
    expected, _ = _read(ops.cast(residuals, layer.compute_dtype))
    actual, _ = _read(layer(image))
    assert actual.shape == expected.shape, (
        f"Residuals must have shape {expected.shape}. Received: {actual.shape}"
    )
    wrong = actual != expected
    assert not wrong.any(), (
        f"{wrong.sum()} of {wrong.size} residuals are not exact, by up to "
        f"{abs(actual - expected).max():.3g} grey levels."
    )


def assert_serializable(layer, x=None):
    """Asserts that a layer survives saving.

    Its configuration must hold every argument of its constructor and survive JSON, and
    with `x` a model of the layer must survive a `.keras` file, with safe mode on.

    Args:
        layer: A registered layer.
        x: Input to compare outputs on: an array or a list of arrays.
    """
    config = layer.get_config()
    parameters = inspect.signature(type(layer)).parameters.values()
    names = [
        p.name
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    dropped = [name for name in names if name not in config]
    entries = ", ".join(f"{name!r}: self.{name}" for name in dropped)
    assert not dropped, (
        f"get_config() of {layer.name!r} drops {dropped}. Let it return "
        f"{{**super().get_config(), {entries}}}. Received: config={config}"
    )

    record = keras.saving.serialize_keras_object(layer)
    clone = _read_back(layer, json.loads(json.dumps(record)))
    assert keras.saving.serialize_keras_object(clone)["config"] == record["config"], (
        f"The configuration of {layer.name!r} changes when it is read back."
    )
    for name in names:
        ours, theirs = getattr(layer, name, None), getattr(clone, name, None)
        if isinstance(ours, (bool, int, float, str, tuple)):
            assert ours == theirs, (
                f"`{name}` of {layer.name!r} is {ours!r}, and {theirs!r} when it is "
                "read back."
            )

    if x is not None:
        inputs = keras.tree.map_structure(
            lambda part: keras.Input(part.shape[1:], dtype=part.dtype.name), x
        )
        model = keras.Model(inputs, layer(inputs))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            loaded = keras.saving.load_model(path)
        for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(theirs, ours, "A weight changed.")
        _assert_close(loaded(x, training=False), model(x, training=False))


def _read_back(layer, record):
    """The object that Keras makes of `record`; its errors say what to do about it."""
    try:
        return keras.saving.deserialize_keras_object(record)
    except Exception as error:
        unknown = re.search(r"Could not locate (?:class|function) '(\w+)'", str(error))
        if unknown:
            raise AssertionError(
                f"Keras cannot find {unknown[1]!r} when {layer.name!r} is read back. "
                "Decorate it with "
                "@keras.saving.register_keras_serializable(package=...). "
                f"Received: layer={layer}"
            ) from error
        # Keras wraps the reason, and puts the configuration before it.
        reason: BaseException = error
        while "Exception encountered: " in str(reason) and reason.__context__:
            reason = reason.__context__
        raise AssertionError(
            f"{layer.name!r} cannot be made from its configuration "
            f"({type(reason).__name__}: {reason}). get_config() must return every "
            "argument that the constructor needs, and none that it does not take. "
            f"Received: config={record['config']}"
        ) from error


def assert_batch_independent(model, x, tolerance=1e-5):
    """Asserts that an inference result does not depend on the other inputs in a batch.

    Args:
        model: Model or layer with one output.
        x: Batch of 2 inputs or more: an array or a list of arrays.
        tolerance: Largest difference, relative to the largest output; at least 8 units
            in the last place of the output's dtype.
    """
    batch = len(keras.tree.flatten(x)[0])
    if batch < 2:
        raise ValueError(f"`x` must hold 2 inputs or more. Received: {batch}")
    together = model(x, training=False)
    for index in range(batch):
        part = slice(index, index + 1)
        alone = model(
            keras.tree.map_structure(lambda array, part=part: array[part], x),
            training=False,
        )
        _assert_close(
            alone, together[part], tolerance, f"Input {index} depends on its batch."
        )


def _assert_close(actual, expected, tolerance=1e-5, message=""):
    (actual, epsilon), (expected, _) = _read(actual), _read(expected)
    largest = max(tolerance, 8 * epsilon) * abs(expected).max(initial=0)
    np.testing.assert_allclose(actual, expected, 0, largest, err_msg=message)


def _read(tensor) -> tuple[np.ndarray, float]:
    """A tensor's values in float64, and the epsilon of its own dtype."""
    if isinstance(tensor, (list, tuple)):
        tensor = np.asarray(tensor, "float64")
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return ops.convert_to_numpy(tensor).astype("float64"), _EPSILON.get(dtype, 0.0)


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
