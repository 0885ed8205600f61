"""Exact residuals: bit for bit on integers, bounded elsewhere."""

from fractions import Fraction

import keras
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_forensics import SRMFilterBank, SRMLayerV3, filters
from keras_forensics.ops import exact_denominators
from keras_forensics.testing import (
    assert_exact_residual,
    filter_banks,
    uint8_images,
)
from tests import oracle
from tests.backend import float64, random_images

POLICIES = ["float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
SHAPES = st.sampled_from([(1, 12, 9, 3), (2, 9, 12, 1), (1, 7, 7, 4), (1, 6, 8, 6)])


def rounded_once(residuals, dtype):
    if dtype == "bfloat16":
        return residuals.astype(ml_dtypes.bfloat16).astype("float64")
    return residuals.astype(dtype).astype("float64")


def read_bank(name):
    bank = filters.get(name)
    return [f.taps for f in bank], [f.divisor for f in bank]


# Promise 1: exact residuals.


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("bank", sorted(filters.BANKS))
def test_residuals_are_bit_identical_to_integer_arithmetic(bank, policy):
    layer = SRMFilterBank(bank, dtype=policy)
    images = random_images((2, 20, 17, 3))
    images[1] = 255 * (images[1] > 127)  # the largest residuals there are
    expected = oracle.residuals(images, *read_bank(bank))
    for dtype in ("uint8", "int32", "float32"):
        actual = layer(images.astype(dtype))
        assert keras.backend.standardize_dtype(actual.dtype) == layer.compute_dtype
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(actual).astype("float64"),
            rounded_once(expected, layer.compute_dtype),
        )


@pytest.mark.parametrize("bank", sorted(filters.BANKS))
def test_residuals_are_bit_identical_in_float64(bank):
    with float64():
        assert_exact_residual(SRMFilterBank(bank, dtype="float64"), random_images())
        assert_exact_residual(
            SRMFilterBank(bank, threshold=None, dtype="float64"), random_images()
        )


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@given(images=uint8_images(SHAPES))
def test_every_named_bank_is_exact_on_every_image(policy, images):
    for layer in (
        SRMFilterBank("srm30", dtype=policy),
        SRMFilterBank("srm30", threshold=None, padding="symmetric", dtype=policy),
        SRMLayerV3(padding="same", strides=2, dtype=policy),
        SRMFilterBank("rgbn", None, "valid", sum_channels=True, dtype=policy),
    ):
        assert_exact_residual(layer, images)


@given(bank=filter_banks(), images=uint8_images((1, 8, 9, 2)))
def test_banks_of_integer_taps_are_exact(bank, images):
    assert_exact_residual(SRMFilterBank(threshold=None, **bank), images)
    assert_exact_residual(SRMFilterBank(threshold=0.3, **bank), images)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_residuals_are_exact_in_a_compiled_predict(jit_compile):
    inputs = keras.Input((None, None, 3), dtype="uint8")
    layer = SRMFilterBank("srm30", threshold=None)
    model = keras.Model(inputs, layer(inputs))
    if keras.backend.backend() != "torch":  # torch.compile takes minutes
        model.compile(jit_compile=jit_compile)
    images = random_images()
    np.testing.assert_array_equal(
        model.predict(images, verbose=0),
        oracle.residuals(images, *read_bank("srm30"), threshold=None).astype("float32"),
    )


def test_filters_without_a_common_denominator_have_their_own():
    bank = np.array([[[-1, 1, 0]]] * 6)
    divisors = np.array([7, 9, 11, 13, 5, 56])
    assert len(set(exact_denominators(bank, divisors, 1, "float32"))) > 1
    images = random_images()
    assert_exact_residual(SRMFilterBank(bank, divisors=divisors), images)
    layer = SRMFilterBank(bank, divisors=divisors, data_format="channels_first")
    assert_exact_residual(layer, np.moveaxis(images, -1, 1))


@pytest.mark.parametrize("threshold", [2.1, 1 / 3, 1e6, 1e-4])
def test_threshold_between_two_multiples_of_the_divisor_is_met_exactly(threshold):
    bank, divisors = [[[-1, 2, -1]], [[1, -3, 2]]], [4, 11]
    layer = SRMFilterBank(bank, threshold, divisors=divisors)
    assert_exact_residual(layer, random_images())


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.8])
def test_fractional_taps_reach_the_threshold_itself(threshold):
    # Sums truncated at 100 times the threshold are one unit short of it once scaled.
    layer = SRMFilterBank([[[-0.5, 0.5, 0]]], threshold, divisors=[100])
    residuals = keras.ops.convert_to_numpy(layer(random_images()))
    assert residuals.max() == np.float32(threshold) == -residuals.min()


def test_oracle_divides_like_fractions():
    images, (taps, divisors) = random_images((1, 5, 5, 1)), read_bank("srm30")
    actual = oracle.residuals(images, taps, divisors, None, "valid")[0, 0, 0]
    for value, tap, divisor in zip(actual, taps, divisors, strict=True):
        exact = Fraction(int((np.array(tap) * images[0, ..., 0]).sum()), divisor)
        assert value == float(exact)


@pytest.mark.parametrize(
    ("policy", "half_unit"),
    [("float32", 0), ("mixed_float16", 2**-11), ("mixed_bfloat16", 2**-8)],
)
@given(images=uint8_images((1, 9, 10, 3)), noise=st.integers(0, 2**32 - 1))
def test_non_integer_pixels_keep_float32_quality(policy, half_unit, images, noise):
    noise = np.random.default_rng(noise).uniform(-0.5, 0.5, images.shape)
    images = (images + noise).clip(0, 255).astype("float32")
    expected = oracle.residuals(images.astype("float64"), *read_bank("srm30"))
    actual = SRMFilterBank("srm30", dtype=policy)(images)
    error = abs(keras.ops.convert_to_numpy(actual).astype("float64") - expected)
    # What the docstring promises: one rounding of the result, and 0.001 grey levels.
    assert (error <= half_unit * abs(expected) + 1e-3).all()


def test_array_without_divisors_is_not_divided():
    taps = np.array([[[-1, 1, 0]]])
    images = random_images()
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(SRMFilterBank(taps, threshold=None)(images)),
        oracle.residuals(images, taps, [1], threshold=None),
    )


# Promise 2: truncation means something.


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1), (0, 65535), (255, 256)])
def test_value_range_gives_the_residuals_of_grey_levels(value_range):
    images = random_images()
    low, high = value_range
    scaled = low + images.astype("float64") / 255 * (high - low)
    actual = SRMLayerV3(value_range=value_range)(scaled.astype("float32"))
    expected = oracle.residuals(images, *read_bank("v3"))
    assert 0.2 < (abs(expected) == 3).mean()
    # A range that starts far from 0 leaves few bits to the grey levels.
    tolerance = 1e-3 if low < 100 else 0.1
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(actual), expected, 0, tolerance
    )


@pytest.mark.parametrize("threshold", [0.3, 1, 3.0, 100])
def test_threshold_bounds_residuals_and_is_reached(threshold):
    residuals = keras.ops.convert_to_numpy(SRMLayerV3(threshold)(random_images()))
    assert residuals.max() == np.float32(threshold)
    assert residuals.min() == -np.float32(threshold)


def test_no_threshold_means_no_truncation():
    residuals = keras.ops.convert_to_numpy(SRMLayerV3(None)(random_images()))
    assert abs(residuals).max() > 100


# Promise 4: borders are not evidence.


@pytest.mark.parametrize("padding", ["reflect", "symmetric", "valid"])
@pytest.mark.parametrize("bank", sorted(filters.BANKS))
def test_flat_image_has_no_residual(bank, padding):
    layer = SRMFilterBank(bank, padding=padding)
    residuals = keras.ops.convert_to_numpy(layer(np.full((1, 8, 9, 3), 255, "uint8")))
    assert residuals.size and not residuals.any()


def test_zero_padding_frames_a_flat_image():
    layer = SRMLayerV3(padding="same")
    residuals = keras.ops.convert_to_numpy(layer(np.full((1, 9, 9, 1), 255, "uint8")))
    assert residuals[:, 0].any() and not residuals[:, 2:-2, 2:-2].any()


@pytest.mark.parametrize("strides", [1, 2, (1, 3)])
@pytest.mark.parametrize("padding", ["reflect", "symmetric", "valid", "same"])
def test_padding_and_strides_equal_the_oracle(padding, strides):
    images = random_images()
    layer = SRMFilterBank("srm30", padding=padding, strides=strides)
    pair = strides if isinstance(strides, tuple) else (strides, strides)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer(images)),
        oracle.residuals(
            images, *read_bank("srm30"), padding=padding, strides=pair
        ).astype("float32"),
    )


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 7])
@pytest.mark.parametrize("sum_channels", [False, True])
def test_maps_are_channel_major_or_summed(channels, sum_channels):
    images = random_images((1, 8, 9, channels))
    actual = SRMFilterBank("v3", sum_channels=sum_channels)(images)
    assert actual.shape[-1] == (5 if sum_channels else 5 * channels)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(actual),
        oracle.residuals(images, *read_bank("v3"), sum_channels=sum_channels).astype(
            "float32"
        ),
    )


# The bank is fixed.


def test_nothing_is_trainable_or_saved(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), SRMLayerV3(name="srm")])
    assert not model.trainable_weights
    model.save_weights(tmp_path / "model.weights.h5")
    model.set_weights([weights + 1 for weights in model.get_weights()])
    fresh = keras.Sequential([keras.Input((8, 8, 1)), SRMLayerV3(name="srm")])
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert_exact_residual(fresh.layers[0], random_images((1, 8, 8, 1)))


def test_layer_stays_fixed_when_made_trainable():
    layer = SRMLayerV3()
    layer.build((None, None, None, 3))
    layer.trainable = True
    assert not layer.trainable_weights


# Errors.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bank": "srm"}, r"`bank` must be one of .*Received: bank='srm'"),
        ({"bank": [[1, -1]]}, r"`bank` must be a name .*shape \(1, 2\)"),
        ({"bank": [[["a"]]]}, r"`bank` must be a name .*dtype <U1"),
        ({"bank": [[[np.nan]]]}, r"`bank` must be a name or an array of finite"),
        ({"bank": np.ones((1, 2, 3))}, r"`bank` must hold .*odd.*\(1, 2, 3\)"),
        ({"bank": np.ones((0, 3, 3))}, r"`bank` must hold .*\(0, 3, 3\)"),
        ({"divisors": [1]}, r"`divisors` goes with .*bank='srm30', divisors=\[1\]"),
        (
            {"bank": np.ones((2, 3, 3)), "divisors": [1]},
            r"`divisors` must be 2 positive numbers.*divisors=\[1\]",
        ),
        ({"bank": np.ones((1, 3, 3)), "divisors": [0]}, r"divisors=\[0\]"),
        ({"bank": np.ones((1, 3, 3)), "divisors": [np.inf]}, r"divisors=\[inf\]"),
        ({"bank": np.ones((1, 3, 3)), "divisors": ["2"]}, r"divisors=\['2'\]"),
        ({"threshold": 0}, r"`threshold` must be .*Received: threshold=0"),
        ({"threshold": -1.0}, r"threshold=-1.0"),
        ({"threshold": np.nan}, r"threshold=nan"),
        ({"threshold": "3"}, r"threshold='3'"),
        ({"padding": "full"}, r"`padding` must be one of .*padding='full'"),
        ({"padding": 1}, r"padding=1"),
        ({"strides": 0}, r"`strides` must be a positive integer.*strides=0"),
        ({"strides": (1, 2, 3)}, r"`strides` must be .*tuple of 2.*\(1, 2, 3\)"),
        ({"strides": 1.5}, r"strides=1.5"),
        ({"strides": True}, r"strides=True"),
        ({"value_range": (1, 0)}, r"`value_range` must be .*\(1, 0\)"),
        ({"value_range": 255}, r"value_range=255"),
        ({"value_range": ("0", "1")}, r"value_range=\('0', '1'\)"),
        ({"value_range": (0, np.inf)}, r"value_range=\(0, inf\)"),
        ({"data_format": "NHWC"}, r"`data_format` must be .*data_format='NHWC'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SRMFilterBank(**arguments)


@pytest.mark.parametrize(
    ("padding", "side"), [("valid", 4), ("reflect", 2), ("symmetric", 1)]
)
def test_images_too_small_for_the_padding_are_refused(padding, side):
    layer = SRMFilterBank("v3", padding=padding)
    message = rf"`padding='{padding}'`.*at least {side + 1} pixels.*input_shape="
    with pytest.raises(ValueError, match=message):
        layer.build((1, 8, side, 1))
    # Built for every size, and then shown a small image.
    layer.build((None, None, None, 1))
    assert layer(np.zeros((1, side + 1, side + 1, 1))).shape[0] == 1
    with pytest.raises(ValueError, match=message):
        layer(np.zeros((1, 8, side, 1)))


def test_other_number_of_channels_than_built_for_is_refused():
    layer = SRMLayerV3()
    layer.build((None, None, None, 1))
    # Without the check, 5 channels would pass for 5 groups of the 5 filters.
    with pytest.raises(ValueError, match=r"expected axis -1 .* value 1"):
        layer(np.zeros((1, 8, 8, 5)))
