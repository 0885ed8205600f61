"""The constraint that always holds, and Conv2D's arguments."""

import inspect

import keras
import numpy as np
import pytest
from hypothesis import given

from keras_forensics import BayarConv2D
from keras_forensics.testing import assert_bayar_constraint, kernels
from tests import oracle
from tests.backend import gradients, random_images
from tests.tolerances import assert_close

POLICIES = ["float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
NORMALIZATIONS = ["project", "divide"]


def built(*args, channels=3, **kwargs):
    layer = BayarConv2D(*args, **kwargs)
    axis_last = layer.data_format == "channels_last"
    layer.build(
        (None, None, None, channels) if axis_last else (None, channels, None, None)
    )
    return layer


def numpy_conv(layer, images, kernel=None):
    """What the layer must compute, from its free weights."""
    if kernel is None:
        free = keras.ops.convert_to_numpy(layer.free_kernel).astype("float64")
        kernel = oracle.bayar(free, layer.normalization)
    if layer.data_format == "channels_first":
        images = np.moveaxis(images, 1, -1)
    outputs = oracle.conv2d(
        images.astype("float64"),
        kernel,
        layer.strides,
        layer.padding,
        layer.dilation_rate,
        layer.groups,
    )
    if layer.data_format == "channels_first":
        outputs = np.moveaxis(outputs, -1, 1)
    return outputs


# Promise 3: the constraint always holds.


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("policy", POLICIES)
def test_constraint_holds_before_the_first_step(policy, normalization):
    layer = built(4, 5, normalization=normalization, dtype=policy)
    assert_bayar_constraint(layer)
    assert keras.backend.standardize_dtype(layer.kernel.dtype) == "float32"


@pytest.mark.parametrize("policy", POLICIES)
def test_layer_computes_with_the_float32_kernel_in_every_policy(policy):
    layer = built(4, 5, padding="reflect", dtype=policy)
    # A kernel in 16 bits would answer a flat image with 0.1 or more.
    flat = keras.ops.convert_to_numpy(layer(np.full((1, 8, 8, 3), 255.0)))
    assert abs(flat.astype("float64")).max() < 1e-3
    # So would pixels in 16 bits, which cannot hold 1000.4.
    flat = keras.ops.convert_to_numpy(layer(np.full((1, 8, 8, 3), 1000.4, "float32")))
    assert abs(flat.astype("float64")).max() < 4e-3


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_output_equals_the_oracle_in_every_policy(policy):
    layer = built(4, 5, dtype=policy)
    images = random_images()
    assert_close(layer(images), numpy_conv(layer, images), policy)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_output_is_that_of_float32_rounded_once(policy):
    full, mixed = built(4, 5), built(4, 5, dtype=policy)
    mixed.set_weights(full.get_weights())
    images = random_images()
    expected = keras.ops.cast(full(images), mixed.compute_dtype)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(mixed(images)), keras.ops.convert_to_numpy(expected)
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(weights=kernels((5, 5), 3, 4, max_exponent=30))
def test_constraint_holds_after_set_weights(normalization, weights):
    layer = built(4, 5, normalization=normalization)
    layer.set_weights([weights])
    assert_bayar_constraint(layer)


def test_constraint_holds_after_assign():
    layer = built(4, 5)
    before = keras.ops.convert_to_numpy(layer.kernel)
    layer.free_kernel.assign(keras.random.normal(layer.free_kernel.shape))
    assert_bayar_constraint(layer)
    assert abs(keras.ops.convert_to_numpy(layer.kernel) - before).max() > 0.1


def test_constraint_holds_when_frozen():
    layer = built(4, 5)
    layer.trainable = False
    model = keras.Sequential([keras.Input((12, 12, 3)), layer, keras.layers.Flatten()])
    model.add(keras.layers.Dense(1))
    before = layer.get_weights()
    fit(model, keras.optimizers.AdamW(0.1, weight_decay=0.1))
    assert_bayar_constraint(layer)
    np.testing.assert_array_equal(layer.get_weights(), before)


def fit(model, optimizer):
    images = random_images((4, 12, 12, 3)) / 255
    model.compile(optimizer, "mse", jit_compile=False)
    shape = (4, *model.output_shape[1:])
    history = model.fit(images, np.ones(shape), batch_size=2, epochs=2, verbose=0)
    return history.history["loss"]


OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(1.0, momentum=0.9),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.1),
    "adamw": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.5),
    "lion": lambda: keras.optimizers.Lion(0.1),
    "ema": lambda: keras.optimizers.Adam(
        0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "accumulation": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "clipping": lambda: keras.optimizers.SGD(10.0, clipnorm=1.0),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_constraint_holds_under_every_optimizer(optimizer):
    model = keras.Sequential([keras.Input((12, 12, 3)), BayarConv2D(2, 5)])
    before = model.get_weights()
    fit(model, OPTIMIZERS[optimizer]())
    assert_bayar_constraint(model.layers[0])
    assert abs(model.get_weights()[0] - before[0]).max() > 0


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_constraint_holds_after_training_in_every_policy(policy, normalization):
    layer = BayarConv2D(2, 5, normalization=normalization, dtype=policy)
    model = keras.Sequential([keras.Input((12, 12, 3)), layer])
    assert np.isfinite(fit(model, keras.optimizers.SGD(0.1))).all()
    assert_bayar_constraint(layer)


def test_constraint_holds_in_a_custom_loop():
    layer = built(2, 5)
    optimizer = keras.optimizers.Adam(0.1)
    images = random_images().astype("float32")
    weights = np.ones((2, 8, 10, 2), "float32")
    for _ in range(3):
        _, _, found = gradients(layer, [images], weights)
        found = [keras.ops.convert_to_tensor(g) for g in found]
        optimizer.apply(found, layer.trainable_variables)
        assert_bayar_constraint(layer)


def test_constraint_holds_after_quantization_of_the_rest():
    inputs = keras.Input((8, 8, 3))
    layer = BayarConv2D(2, 5)
    outputs = keras.layers.Dense(4)(keras.layers.Flatten()(layer(inputs)))
    model = keras.Model(inputs, outputs)
    images = random_images((2, 8, 8, 3)).astype("float32")
    before = keras.ops.convert_to_numpy(layer(images))
    model.layers[-1].quantize("int8")
    assert "int8" in model.layers[-1].dtype_policy.name
    assert_bayar_constraint(layer)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(images)), before)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_saving_keeps_the_free_weights_bit_for_bit(tmp_path, normalization):
    layer = BayarConv2D(2, 5, use_bias=True, normalization=normalization)
    model = keras.Sequential([keras.Input((12, 12, 3)), layer])
    fit(model, keras.optimizers.SGD(0.1))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)
    assert_bayar_constraint(loaded.layers[0])
    assert loaded.layers[0].normalization == normalization


def test_divided_kernel_equals_the_oracle():
    layer = built(4, 3, normalization="divide", kernel_initializer="random_normal")
    images = random_images()
    assert_close(layer(images), numpy_conv(layer, images))


# Promise 4: borders are not evidence.


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("padding", ["valid", "reflect", "symmetric"])
def test_flat_image_gives_zero(padding, normalization):
    layer = BayarConv2D(4, 5, padding=padding, normalization=normalization)
    outputs = keras.ops.convert_to_numpy(layer(np.full((1, 9, 9, 3), 255.0)))
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    assert outputs.size
    assert abs(outputs).max() < 1e-6 * 255 * abs(kernel).sum((0, 1, 2)).max()


def test_zero_padding_frames_a_flat_image():
    layer = BayarConv2D(4, 5, padding="same")
    outputs = keras.ops.convert_to_numpy(layer(np.full((1, 9, 9, 3), 255.0)))
    assert abs(outputs[:, 0]).max() > 1
    assert abs(outputs[:, 2:-2, 2:-2]).max() < 1e-2


# Conv2D's arguments.


def test_arguments_have_the_order_and_defaults_of_conv2d():
    ours = dict(inspect.signature(BayarConv2D).parameters)
    theirs = dict(inspect.signature(keras.layers.Conv2D).parameters)
    del theirs["kernel_constraint"], ours["normalization"], ours["kwargs"]
    del theirs["kwargs"]
    shared = [name for name in theirs if name in ours]
    assert list(ours) == shared
    differing = {n for n in ours if ours[n].default != theirs[n].default}
    assert differing == {"use_bias"}
    assert ours["use_bias"].default is False


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["valid", "same", "reflect", "symmetric"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3, "strides": 2},
        {"kernel_size": (5, 3), "strides": (1, 3)},
        {"kernel_size": (1, 5), "dilation_rate": (1, 2)},
        {"kernel_size": 3, "dilation_rate": 2, "groups": 2},
        {"kernel_size": 5, "groups": 4, "strides": (3, 2)},
    ],
    ids=str,
)
def test_convolution_equals_the_oracle(arguments, padding, data_format):
    layer = built(4, padding=padding, data_format=data_format, channels=4, **arguments)
    shape = (2, 11, 14, 4) if data_format == "channels_last" else (2, 4, 11, 14)
    images = random_images(shape)
    expected = numpy_conv(layer, images)
    assert layer.compute_output_shape(shape) == expected.shape
    assert_close(layer(images), expected)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_bias_and_activation_are_applied(data_format):
    layer = built(
        4,
        3,
        use_bias=True,
        bias_initializer="random_normal",
        activation="relu",
        data_format=data_format,
    )
    shape = (1, 8, 8, 3) if data_format == "channels_last" else (1, 3, 8, 8)
    images = random_images(shape)
    bias = keras.ops.convert_to_numpy(layer.bias)
    if data_format == "channels_first":
        bias = bias[:, None, None]
    expected = np.maximum(numpy_conv(layer, images) + bias, 0)
    assert (expected == 0).any()
    assert_close(layer(images), expected)


def test_initializers_regularizers_and_constraints_are_used():
    layer = BayarConv2D(
        2,
        3,
        use_bias=True,
        kernel_initializer=keras.initializers.Constant(0.5),
        bias_initializer=keras.initializers.Constant(-2.0),
        kernel_regularizer=keras.regularizers.L1(1.0),
        bias_regularizer=keras.regularizers.L1(10.0),
        activity_regularizer=keras.regularizers.L1(0.0),
        bias_constraint="non_neg",
    )
    layer(np.zeros((1, 8, 8, 1)))
    # 18 free weights of 0.5, 2 biases of -2, and the activity.
    losses = [keras.ops.convert_to_numpy(loss) for loss in layer.losses]
    assert sorted(losses) == [0.0, 9.0, 40.0]
    assert layer.bias.constraint is not None
    # A constant kernel is projected onto the uniform member.
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer.kernel)[0, 0], 1 / 8, rtol=1e-6
    )


def test_kernel_is_readable_once_built():
    layer = BayarConv2D(2, 3)
    with pytest.raises(AttributeError, match="kernel"):
        _ = layer.kernel
    layer.build((None, 8, 8, 4))
    assert tuple(layer.kernel.shape) == (3, 3, 4, 2)


def test_lora_is_refused():
    with pytest.raises(NotImplementedError, match="LoRA would add"):
        built(2, 3).enable_lora(2)


# Errors.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 4}, r"`kernel_size` must be odd.*kernel_size=\(4, 4\)"),
        ({"kernel_size": (3, 2)}, r"kernel_size=\(3, 2\)"),
        ({"kernel_size": 1}, r"larger than 1x1.*kernel_size=\(1, 1\)"),
        ({"filters": 0}, r"`filters`.*filters=0"),
        ({"groups": 3}, r"groups=3"),
        ({"strides": 2, "dilation_rate": 2}, r"strides.*dilation_rate"),
        ({"padding": "causal"}, r"`padding` must be one of .*padding='causal'"),
        ({"normalization": None}, r"`normalization` must be .*normalization=None"),
        (
            {"kernel_constraint": "non_neg"},
            r"`kernel_constraint` cannot be used.*kernel_constraint='non_neg'",
        ),
        ({"lora_rank": 2}, r"`lora_rank` cannot be used.*lora_rank=2"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        BayarConv2D(**{"filters": 4, "kernel_size": 3, **arguments})


def test_channels_that_groups_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"`groups` must divide .*groups=2"):
        BayarConv2D(4, 3, groups=2).build((None, 8, 8, 3))


def test_images_too_small_for_the_kernel_are_refused():
    layer = BayarConv2D(1, 5, dilation_rate=2)
    with pytest.raises(ValueError, match="needs images of at least 9 pixels"):
        layer(np.zeros((1, 9, 8, 1)))


def test_other_number_of_channels_than_built_for_is_refused():
    with pytest.raises(ValueError, match="expected axis -1"):
        built(4, 3, channels=1)(np.zeros((1, 8, 8, 2)))
