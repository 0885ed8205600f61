"""Ten wrong layers, as people write them: each is caught, with the cause named."""

import keras
import numpy as np
import pytest

from keras_forensics import BayarConv2D, SRMFilterBank, SRMLayerV3, testing
from tests.backend import random_images

ops = keras.ops


class Residuals(SRMFilterBank):
    """The layer, whose residuals can be spoilt."""

    def call(self, inputs):
        return self.spoil(super().call(inputs))

    def spoil(self, residuals):
        raise NotImplementedError


class NotTruncated(SRMFilterBank):
    def call(self, inputs):
        return SRMFilterBank(self.bank, threshold=None)(inputs)


class Negated(Residuals):
    def spoil(self, residuals):
        return -residuals


class RescaledPixels(Residuals):
    def spoil(self, residuals):
        return residuals / 255


class ByFilter(Residuals):
    """Maps of all colours of a filter together, instead of all filters of a colour."""

    def spoil(self, residuals):
        shape = ops.shape(residuals)
        residuals = ops.reshape(residuals, (*shape[:3], 3, -1))
        return ops.reshape(ops.swapaxes(residuals, 3, 4), shape)


class ZerosAround(Residuals):
    """Padded with zeros, whose edge looks like a residual."""

    def spoil(self, residuals):
        zeros = ops.pad(residuals[:, 1:-1, 1:-1] * 0, [(0, 0), (1, 1), (1, 1), (0, 0)])
        inner = ops.pad(residuals[:, 1:-1, 1:-1], [(0, 0), (1, 1), (1, 1), (0, 0)])
        return zeros + inner


class SixteenBits(Residuals):
    def spoil(self, residuals):
        return ops.cast(ops.cast(residuals / 3, "float16"), "float32") * 3


class OtherDivisors(Residuals):
    def spoil(self, residuals):
        return residuals * 0.5


RESIDUALS = {
    NotTruncated: "not truncated at threshold=3",
    Negated: "the other sign",
    RescaledPixels: r"0\.00392 times as large: the pixels were rescaled",
    ByFilter: "right, and in another order",
    ZerosAround: "near the border differ.*padding='reflect'",
    SixteenBits: "So little is rounding: convolve with integer taps",
    OtherDivisors: "Other taps, divisors",
}


@pytest.mark.parametrize("wrong", RESIDUALS, ids=lambda layer: layer.__name__)
def test_the_cause_of_inexact_residuals_is_named(wrong):
    images = random_images((1, 16, 16, 3))
    message = (
        r"residuals are not exact, by up to .*: .* instead of .* at \[0, .*"
        + RESIDUALS[wrong]
    )
    with pytest.raises(AssertionError, match=message):
        testing.assert_exact_residual(wrong("v3", threshold=3.0), images)


class ConstrainsInItsCall(keras.layers.Conv2D):
    """Right, but its `kernel` holds the free weights."""

    def call(self, inputs):
        free = self.kernel
        mean = ops.mean(free, (0, 1), keepdims=True)
        return ops.conv(inputs, free - mean)


def numpy_kernel(seed=0):
    kernel = np.random.default_rng(seed).normal(size=(5, 5, 2, 3)).astype("float32")
    kernel[2, 2] = 0
    return kernel


def project(kernel, times):
    """The formula of the guide, computed in float32 as it stands."""
    for _ in range(times):
        kernel = kernel + (np.float32(1) - kernel.sum((0, 1))) / np.float32(24)
        kernel[2, 2] = 0
    kernel[2, 2] = -1
    return kernel


def far_from_0():
    kernel = numpy_kernel() + np.float32(1000)
    kernel[2, 2] = 0
    return kernel


def projected_once():
    return project(far_from_0(), 1)


def centre_within_the_sum():
    kernel = numpy_kernel()
    kernel -= kernel.sum((0, 1)) / np.float32(24)
    kernel[2, 2] = -1
    return kernel


def over_all_inputs():
    kernel = np.abs(numpy_kernel())
    kernel /= kernel.sum((0, 1, 2))
    kernel[2, 2] = -1
    return kernel


def centre_one():
    kernel = -np.abs(numpy_kernel())
    kernel /= -kernel.sum((0, 1))
    kernel[2, 2] = 1
    return kernel


KERNELS = {
    projected_once: "So little is rounding: .*a second time removes it.* is allowed",
    centre_within_the_sum: "They sum to 0",
    over_all_inputs: "over all inputs together",
    centre_one: "The sign is the other one",
}


@pytest.mark.parametrize("make", KERNELS, ids=lambda make: make.__name__)
def test_the_cause_of_a_wrong_kernel_is_named(make):
    with pytest.raises(AssertionError, match=KERNELS[make]):
        testing.assert_bayar_constraint(make())


def test_projecting_twice_is_the_remedy_that_the_message_names():
    testing.assert_bayar_constraint(project(far_from_0(), 2))


def test_free_weights_are_not_taken_for_the_kernel_without_a_word():
    layer = ConstrainsInItsCall(3, 5)
    layer.build((None, None, None, 2))
    message = "free weights, which the layer constrains inside its call, pass the"
    with pytest.raises(AssertionError, match=message):
        testing.assert_bayar_constraint(layer)


def test_kernels_in_the_order_of_torch_are_recognised():
    with pytest.raises(ValueError, match=r"permute\(2, 3, 1, 0\).*\(64, 3, 5, 5\)"):
        testing.assert_bayar_constraint(np.zeros((64, 3, 5, 5)))


def test_only_fixed_filters_can_be_exact():
    for layer in (BayarConv2D(2, 5), keras.layers.Conv2D(2, 5)):
        with pytest.raises(ValueError, match="assert_bayar_constraint"):
            testing.assert_exact_residual(layer, random_images())
    testing.assert_exact_residual(SRMLayerV3(), random_images())


def test_a_filter_that_is_high_pass_but_for_rounding_says_so():
    kernel = np.array([[1 / 3, 1 / 3, 1 / 3 - 1 + 4e-6]], "float32")
    with pytest.raises(AssertionError, match=r"So little is rounding.*in filter 0"):
        testing.assert_high_pass(kernel)
