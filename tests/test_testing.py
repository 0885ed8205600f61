"""The kit for users: strategies draw what they say, assertions fail when they must."""

import re

import keras
import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

from keras_forensics import (
    BayarConstraint,
    BayarConv2D,
    GatedFusion,
    SRMFilterBank,
    SRMLayerV3,
    testing,
)
from tests.backend import random_images, run_python

# Strategies.


@given(testing.shapes(min_side=4, max_side=6, channels=2, max_batch=5))
def test_shapes_stay_in_their_limits(shape):
    batch, height, width, channels = shape
    assert 1 <= batch <= 5 and channels == 2
    assert 4 <= height <= 6 and 4 <= width <= 6


@given(testing.uint8_images(), testing.uint8_images((2, 5, 6, 1)))
def test_images_are_batches_of_bytes(drawn, fixed):
    assert drawn.dtype == fixed.dtype == "uint8"
    assert drawn.ndim == 4 and 1 <= drawn.shape[-1] <= 4
    assert fixed.shape == (2, 5, 6, 1)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda images: (images == images.flat[0]).all(),
        lambda images: set(np.unique(images)) == {0, 255},
        lambda images: len(np.unique(images)) > 50,
    ],
    ids=["flat", "black and white", "noise"],
)
def test_images_of_every_kind_are_drawn(wanted):
    find(testing.uint8_images((1, 16, 16, 1)), wanted)


@given(testing.kernels(), testing.kernels((3, 5), 2, 4, max_exponent=2))
def test_kernels_have_odd_sides_and_bounded_weights(drawn, fixed):
    assert drawn.dtype == fixed.dtype == "float32"
    height, width = drawn.shape[:2]
    assert height % 2 and width % 2 and height * width > 1
    assert fixed.shape == (3, 5, 2, 4)
    assert abs(drawn).max() <= 1.001e6 and abs(fixed).max() <= 100.1


@given(testing.filter_banks(max_filters=3, max_tap=5))
def test_filter_banks_are_integer_and_high_pass(arguments):
    bank = np.array(arguments["bank"])
    assert bank.dtype.kind == "i" and 1 <= len(bank) <= 3
    assert len(arguments["divisors"]) == len(bank)
    for taps in bank:
        testing.assert_high_pass(taps)
    SRMFilterBank(**arguments)


@pytest.mark.parametrize(
    "strategy", [testing.uint8_images(), testing.kernels(), testing.filter_banks()]
)
def test_a_failing_example_can_be_pasted(strategy):
    failed = []

    @settings(database=None, max_examples=1, phases=[Phase.generate])
    @given(strategy)
    def fail(example):
        failed[:] = [example]
        raise AssertionError

    with pytest.raises(AssertionError) as caught:
        fail()
    notes = "\n".join(caught.value.__notes__)
    call = re.search(r"example=(make_.*?),\n\)", notes, re.S)[1]
    pasted = eval(call, vars(testing).copy())
    np.testing.assert_equal(pasted, failed[0])


# Assertions: each passes on a good example, and fails on a broken one.


def good_kernel():
    kernel = np.full((3, 3, 1, 2), 1 / 8, "float32")
    kernel[1, 1] = -1
    return kernel


def test_bayar_constraint_of_a_good_kernel_and_layer():
    testing.assert_bayar_constraint(good_kernel())
    testing.assert_bayar_constraint(good_kernel().tolist())
    layer = BayarConv2D(2, 3)
    layer.build((None, None, None, 3))
    testing.assert_bayar_constraint(layer)


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        ((1, 1, 0, 1), -1.0001, "Centre taps must be -1"),
        ((0, 0, 0, 0), 0.13, "must sum to 1 in every slice"),
        ((0, 0, 0, 0), np.nan, "not finite"),
        ((0, 0, 0, 0), np.inf, "not finite"),
    ],
)
def test_bayar_constraint_fails_on_a_broken_kernel(index, value, message):
    kernel = good_kernel()
    kernel[index] = value
    with pytest.raises(AssertionError, match=message):
        testing.assert_bayar_constraint(kernel)


def test_bayar_constraint_fails_on_an_unconstrained_layer():
    layer = keras.layers.Conv2D(2, 3)
    layer.build((None, None, None, 3))
    with pytest.raises(AssertionError, match="Centre taps must be -1"):
        testing.assert_bayar_constraint(layer)


def test_bayar_constraint_asks_for_an_unbuilt_layer_to_be_built():
    message = (
        "`layer_or_kernel` has no `kernel`: build it, or call it once.* "
        "Received: layer_or_kernel=<BayarConv2D name=fresh, built=False>"
    )
    with pytest.raises(ValueError, match=message):
        testing.assert_bayar_constraint(BayarConv2D(2, 5, name="fresh"))


def test_bayar_constraint_asks_for_a_layer_with_a_kernel():
    layer = GatedFusion()
    layer.build([(None, 3), (None, 3)])
    with pytest.raises(ValueError, match="has no `kernel`: pass the layer that has"):
        testing.assert_bayar_constraint(layer)


@pytest.mark.parametrize("centre", [0, -1])
def test_bayar_constraint_says_when_keras_applies_a_constraint(centre):
    layer = keras.layers.Conv2D(2, 3, kernel_constraint=BayarConstraint())
    layer.build((None, None, None, 1))
    kernel = np.zeros((3, 3, 1, 2))
    kernel[1, 1] = centre
    layer.set_weights([kernel, np.zeros(2)])
    message = "only after a step of training: .* use BayarConv2D, .* Received"
    with pytest.raises(AssertionError, match=message):
        testing.assert_bayar_constraint(layer)


def test_high_pass_of_good_kernels():
    testing.assert_high_pass([[1, -2, 1]])
    testing.assert_high_pass(good_kernel())
    testing.assert_high_pass(keras.ops.convert_to_tensor(good_kernel(), "bfloat16"))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ([[1, -2, 1.01]], "must sum to 0"),
        ([[0, 0, 0]], "no tap but 0"),
        (good_kernel() + 0.01, "must sum to 0"),
    ],
)
def test_high_pass_fails_on_a_broken_kernel(kernel, message):
    with pytest.raises(AssertionError, match=message):
        testing.assert_high_pass(kernel)


class DividesFirst(SRMFilterBank):
    """The usual kernel: taps are divided before they are convolved."""

    def call(self, inputs):
        kernel = self.kernel * self.scale
        inputs = keras.ops.cast(inputs, self.compute_dtype)
        residuals = keras.ops.conv(
            keras.ops.pad(inputs, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"),
            keras.ops.cast(kernel, self.compute_dtype),
        )
        return keras.ops.clip(residuals, -self.threshold, self.threshold)


def test_exact_residual_fails_when_taps_are_divided_first():
    with pytest.raises(AssertionError, match="residuals are not exact, by up to"):
        testing.assert_exact_residual(
            DividesFirst("srm30", dtype="mixed_bfloat16"), random_images()
        )


def test_exact_residual_fails_on_another_shape():
    layer = SRMLayerV3()
    layer.padding = "valid"
    images = random_images()
    layer.build(images.shape)
    outputs = layer(images)
    layer.call = lambda inputs: outputs[:, 1:]
    with pytest.raises(AssertionError, match="Residuals must have shape"):
        testing.assert_exact_residual(layer, images)


def test_exact_residual_refuses_another_value_range():
    with pytest.raises(AssertionError, match=r"Received: value_range=\(0, 1\)"):
        testing.assert_exact_residual(SRMLayerV3(value_range=(0, 1)), random_images())


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, np.nan, np.inf])
def test_exact_residual_refuses_other_values_than_grey_levels(value):
    images = np.zeros((1, 8, 8, 1), "float32")
    testing.assert_exact_residual(SRMLayerV3(), images)
    images[0, 1, 2, 0] = value
    message = (
        r"`image` must hold whole grey levels, integers 0\.\.255: .* "
        f"Received: image with 1 of 64 values that are not, such as {value}$"
    )
    with pytest.raises(ValueError, match=message):
        testing.assert_exact_residual(SRMLayerV3(), images)


def test_exact_residual_refuses_taps_that_are_not_integers():
    layer = SRMFilterBank([[[1 / 3, -1.0, 2 / 3]]])
    message = (
        "Give `bank` integers, .* as `divisors`. "
        "Received: bank with 2 of 3 taps not integers, such as 0.333"
    )
    with pytest.raises(AssertionError, match=message):
        testing.assert_exact_residual(layer, random_images())


@pytest.mark.parametrize("padding", ["valid", "same", "reflect", "symmetric"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("sum_channels", [False, True])
def test_exact_residual_passes_for_every_configuration(
    padding, data_format, sum_channels
):
    layer = SRMFilterBank(
        "srm30",
        padding=padding,
        strides=(2, 3),
        sum_channels=sum_channels,
        data_format=data_format,
    )
    shape = (2, 9, 10, 3) if data_format == "channels_last" else (2, 3, 9, 10)
    testing.assert_exact_residual(layer, random_images(shape))


def test_serializable_passes_with_and_without_input():
    testing.assert_serializable(SRMLayerV3(threshold=2.0))
    testing.assert_serializable(BayarConv2D(2, 3), random_images())
    features = np.ones((2, 3), "float32")
    testing.assert_serializable(GatedFusion(), [features, features])


@keras.saving.register_keras_serializable(package="keras_forensics_tests")
class Scale(keras.layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.seen = factor

    def build(self, input_shape):
        self.weight = self.add_weight(shape=(1,), initializer="random_normal")

    def call(self, inputs):
        return inputs * self.factor * self.weight

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="keras_forensics_tests")
class DropsAnArgument(Scale):
    def get_config(self):
        return keras.layers.Layer.get_config(self)


@keras.saving.register_keras_serializable(package="keras_forensics_tests")
class SavesTheDefault(Scale):
    def get_config(self):
        return {**super().get_config(), "factor": 1.0}


@keras.saving.register_keras_serializable(package="keras_forensics_tests")
class ChangesItsConfig(Scale):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(factor + 1, **kwargs)


@keras.saving.register_keras_serializable(package="keras_forensics_tests")
class ForgetsItsWeight(Scale):
    def save_own_variables(self, store):
        pass

    def load_own_variables(self, store):
        pass


@keras.saving.register_keras_serializable(package="keras_forensics_tests")
class DependsOnItsPast(Scale):
    def call(self, inputs):
        return super().call(inputs) + self.seen


class NotRegistered(Scale):
    pass


@keras.saving.register_keras_serializable(package="keras_forensics_tests")
class DropsAnInheritedArgument(Scale):
    def __init__(self, **kwargs):
        super().__init__(kwargs.pop("factor"), **kwargs)

    def get_config(self):
        return keras.layers.Layer.get_config(self)


@keras.saving.register_keras_serializable(package="keras_forensics_tests")
class TakesNoName(Scale):
    def __init__(self, factor):
        super().__init__(factor)


@pytest.mark.parametrize(
    ("layer_class", "message"),
    [
        (
            DropsAnArgument,
            r"drops \['factor'\]\. Let it return {\*\*super\(\)\.get_config\(\), "
            r"'factor': self\.factor}\. Received: config={'name'",
        ),
        (
            NotRegistered,
            r"cannot find 'NotRegistered' .*\. Decorate it with @keras\.saving\."
            r"register_keras_serializable\(package=.*Received: layer=<NotRegistered",
        ),
        (
            DropsAnInheritedArgument,
            r"configuration \(KeyError: 'factor'\)\. get_config\(\) must return every "
            ".* Received: config={'name'",
        ),
        (
            TakesNoName,
            r"configuration \(TypeError: TakesNoName.__init__\(\) got an unexpected",
        ),
        (SavesTheDefault, "`factor` of .* is 2.0, and 1.0 when"),
        (ChangesItsConfig, "configuration of .* changes when it is read back"),
        (ForgetsItsWeight, "A weight changed"),
        (DependsOnItsPast, "Not equal to tolerance"),
    ],
)
def test_serializable_fails_on_a_broken_layer(layer_class, message):
    inputs = np.ones((2, 3), "float32")
    layer = layer_class(factor=2.0)
    layer.seen = 5.0
    testing.assert_serializable(Scale(factor=2.0), inputs)
    with pytest.raises(AssertionError, match=message):
        testing.assert_serializable(layer, inputs)


def test_batch_independence_of_a_model_with_two_inputs():
    features = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4)).astype("float32")
    inputs = [keras.Input((4,)), keras.Input((4,))]
    model = keras.Model(inputs, GatedFusion()(inputs))
    testing.assert_batch_independent(model, list(features))


def test_batch_independence_fails_when_training_is_hard_coded():
    inputs = keras.Input((4,))
    outputs = keras.layers.BatchNormalization()(inputs)
    model = keras.Model(inputs, outputs)
    features = np.random.default_rng(0).uniform(-1, 1, (3, 4)).astype("float32")
    testing.assert_batch_independent(model, features)
    with pytest.raises(AssertionError, match="Input 0 depends on its batch"):
        testing.assert_batch_independent(
            lambda x, training: model(x, training=True), features
        )


def test_batch_independence_needs_a_batch():
    with pytest.raises(ValueError, match=r"`x` must hold 2 inputs or more\. .*: 1"):
        testing.assert_batch_independent(GatedFusion(), np.zeros((1, 3)))


def test_kit_is_imported_only_when_asked_for():
    run_python("import sys, keras_forensics; assert 'hypothesis' not in sys.modules")
