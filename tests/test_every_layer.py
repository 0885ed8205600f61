"""What every layer must do."""

import inspect
import warnings

import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

import keras_forensics
from keras_forensics.testing import assert_batch_independent, assert_serializable
from tests.backend import (
    NAME,
    as_one_function,
    compiled,
    float64,
    gradients,
    run_python,
)
from tests.cases import BATCH_CASES, CASES, FOUR_AXES_CASES, IMAGE_CASES
from tests.tolerances import assert_close

numpy = keras.ops.convert_to_numpy
every_layer = pytest.mark.parametrize("case", CASES, ids=str)
every_layer_with_gradient = pytest.mark.parametrize(
    "case", [case for case in CASES if case.has_gradient], ids=str
)
every_layer_of_maps = pytest.mark.parametrize("case", FOUR_AXES_CASES, ids=str)
every_layer_of_batches = pytest.mark.parametrize("case", BATCH_CASES, ids=str)
every_policy = pytest.mark.parametrize(
    "policy", ["float32", "mixed_float16", "mixed_bfloat16"]
)


def test_there_is_a_case_for_every_layer():
    cases = [case.layer_class for case in CASES]
    assert set(cases) == {
        getattr(keras_forensics.layers, name) for name in keras_forensics.layers.__all__
    }


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@every_layer
def test_keras_own_layer_test(case):
    keras_test = TestCase()
    keras_test.setUp()
    keras_test.run_layer_test(
        case.layer_class,
        init_kwargs=case.arguments,
        input_shape=case.shape,
        expected_num_trainable_weights=case.weights[0],
        expected_num_non_trainable_weights=case.weights[1],
        expected_num_seed_generators=case.seed_generators,
        supports_masking=False,
    )


# Serialization.


@every_layer
def test_case_changes_every_argument(case):
    parameters = inspect.signature(case.layer_class).parameters
    names = {name for name in parameters if name not in ("args", "kwargs")}
    assert {*case.changed, *case.unchanged} == names
    for name, value in case.changed.items():
        assert value != parameters[name].default, name


@every_layer
def test_every_changed_argument_survives_saving(case):
    if "data_format" in case.changed:
        batch, *sides, channels = case.shape
        inputs = case.inputs(shape=(batch, channels, *sides))
    else:
        inputs = case.inputs()
    assert_serializable(case.layer_class(**case.changed, name="changed"), inputs)


@every_policy
@every_layer
def test_layer_survives_saving(case, policy):
    layer = case.layer(dtype=policy, trainable=False)
    assert_serializable(layer, case.inputs())


@every_layer
def test_layer_frozen_before_it_is_built_stays_frozen(case):
    layer = case.layer(trainable=False)
    inputs = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:]), case.inputs())
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(layer(inputs)))
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {"head"}
    layer.trainable = True
    layer.trainable = False
    assert len(model.trainable_variables) == 2


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    """A model of every layer, its inputs and its outputs."""
    folder = tmp_path_factory.mktemp("saved")
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3), name="image")
    bayar = keras_forensics.BayarConv2D(4, 5, padding="reflect")
    divided = keras_forensics.BayarConv2D(
        4,
        3,
        padding="symmetric",
        normalization="divide",
        # Sums far from 0: a tap of 100 would magnify rounding as much.
        kernel_initializer=keras.initializers.RandomUniform(0, 1),
    )
    maps = [
        keras_forensics.SRMLayerV3(padding="symmetric")(image),
        keras_forensics.SRMFilterBank("srm30")(image),
        bayar(image),
        divided(image),
    ]
    maps = keras.layers.Concatenate()(maps)
    maps = keras_forensics.ChannelAttention(8)(maps)
    visual = keras_forensics.StatisticsPooling2D()(maps)
    gate = keras_forensics.ForensicStreamV3(visual.shape[-1], 2, (4,))(image)
    fused = keras_forensics.GatedFusion()([visual, gate])
    model = keras.Model(image, fused)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 18, 3), "uint8")
    model.save(folder / "model.keras")
    np.savez(
        folder / "arrays.npz", images=images, outputs=model.predict(images, verbose=0)
    )
    return folder


LOAD_AND_PREDICT = """
import keras, numpy as np
import keras_forensics
model = keras.models.load_model("model.keras")
arrays = np.load("arrays.npz")
outputs = np.asarray(model.predict(arrays["images"], verbose=0))
assert outputs.shape == arrays["outputs"].shape
largest = TOLERANCE * abs(arrays["outputs"]).max()
np.testing.assert_allclose(outputs, arrays["outputs"], 0, largest)
print(keras.backend.backend(), "agrees")
"""


def test_model_loads_in_a_fresh_process_in_safe_mode(saved_model):
    code = LOAD_AND_PREDICT.replace("TOLERANCE", "1e-4")
    assert f"{NAME} agrees" in run_python(code, cwd=saved_model)


# The means of signed residuals are some 100 times smaller than the residuals.
# OpenVINO predicts in bfloat16 on processors that have it.
@pytest.mark.parametrize(("backend", "tolerance"), [("numpy", 1e-4), ("openvino", 0.1)])
def test_model_predicts_on_the_other_backends(saved_model, backend, tolerance):
    # Keras's numpy backend itself imports JAX.
    needs = {"numpy": "jax", "openvino": "openvino"}[backend]
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    code = LOAD_AND_PREDICT.replace("TOLERANCE", str(tolerance))
    output = run_python(code, backend=backend, cwd=saved_model)
    assert f"{backend} agrees" in output


# Shapes and formats.


@every_layer
def test_unknown_sizes_are_allowed(case):
    inputs = case.inputs()
    arrays = inputs if isinstance(inputs, list) else [inputs]
    unknown = [
        keras.Input((*[None] * (x.ndim - 2), x.shape[-1]), batch_size=None)
        for x in arrays
    ]
    layer = case.layer()
    outputs = layer(unknown if len(unknown) > 1 else unknown[0])
    assert outputs.shape[0] is None
    model = keras.Model(unknown, outputs)
    expected = _inference(case, layer)(inputs)
    assert_close(model.predict(inputs, verbose=0), numpy(expected))


@every_layer
def test_computed_output_shape_is_the_true_one(case):
    layer = case.layer()
    expected = layer.compute_output_shape(case.shape)
    assert tuple(layer(case.inputs()).shape) == tuple(expected)


@every_layer_of_maps
def test_channels_first_equals_channels_last(case):
    images = case.inputs()
    last, first = case.layer(), case.layer(data_format="channels_first")
    expected = numpy(last(images))
    first.build((None, images.shape[-1], None, None))
    for ours, theirs in zip(first.weights, last.weights, strict=True):
        ours.assign(keras.ops.reshape(theirs, ours.shape))
    actual = numpy(first(np.moveaxis(images, -1, 1)))
    if actual.ndim == 4:
        actual = np.moveaxis(actual, 1, -1)
    assert_close(actual, expected.astype("float64"))


@every_layer_of_maps
def test_data_format_defaults_to_that_of_keras(case):
    keras.config.set_image_data_format("channels_first")
    try:
        assert case.layer().data_format == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("case", IMAGE_CASES, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float64"])
def test_input_dtype_does_not_change_the_result(case, dtype):
    layer = case.layer()
    expected = numpy(layer(case.inputs("float32")))
    inputs = keras.ops.convert_to_tensor(case.inputs(), "float32")
    with float64():
        inputs = keras.ops.cast(inputs, dtype)
    assert_close(layer(inputs), expected.astype("float64"))


# Policies.


@every_policy
@every_layer
def test_policy_reaches_every_child(case, policy):
    layer = case.layer(dtype=policy)
    outputs = layer(case.inputs())
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    for child in layer._flatten_layers():
        assert child.dtype_policy.name == policy
    assert all(v.dtype == "float32" for v in layer.weights)


@every_policy
@every_layer
def test_outputs_are_close_in_every_policy(case, policy):
    reference, layer = case.layer(), case.layer(dtype=policy)
    expected = numpy(reference(case.inputs())).astype("float64")
    layer(case.inputs())
    layer.set_weights(reference.get_weights())
    assert_close(layer(case.inputs()), expected, policy)


# Gradients.


@every_layer_with_gradient
def test_gradients_equal_finite_differences(case):
    if case.straight_through:
        pytest.skip("gradients pass straight through")
    h, tolerance = 1e-6, 1e-5
    if case.pools and NAME != "tensorflow":
        # Keras's mean computes in float32 there.
        h, tolerance = 1e-4, 1e-2
    random = np.random.default_rng(1)
    with float64():
        layer = case.layer(dtype="float64")
        inputs = case.inputs("float64")
        layer.build(case.shape)
        weights = random.normal(size=layer.compute_output_shape(case.shape))
        if not isinstance(inputs, list):
            # Integers lie on the kinks of truncation.
            inputs = [inputs + random.uniform(-0.5, 0.5, inputs.shape)]
        _, of_inputs, of_weights = gradients(
            layer, inputs, weights, as_one=case.many_operations
        )
        values = [numpy(v) for v in layer.trainable_variables]
        compute = _inference(case, layer)
        for _ in range(3):
            steps = [random.normal(size=x.shape) for x in [*inputs, *values]]
            losses = []
            for sign in (1, -1):
                moved = [
                    x + sign * h * step
                    for x, step in zip([*inputs, *values], steps, strict=True)
                ]
                for v, value in zip(
                    layer.trainable_variables, moved[len(inputs) :], strict=True
                ):
                    v.assign(value)
                moved = moved[: len(inputs)]
                outputs = compute(moved if len(moved) > 1 else moved[0])
                losses.append((numpy(outputs) * weights).sum())
            expected = sum(
                (g * step).sum()
                for g, step in zip([*of_inputs, *of_weights], steps, strict=True)
            )
            slope = (losses[0] - losses[1]) / (2 * h)
            assert slope == pytest.approx(expected, tolerance, tolerance)


@every_layer_with_gradient
def test_gradients_are_finite_on_flat_and_extreme_images(case):
    layer = case.layer()
    shapes = case.shape if isinstance(case.shape[0], tuple) else [case.shape]
    inputs = [np.zeros(shape, "float32") for shape in shapes]
    for array in inputs:
        array[1] = 255
    weights = np.ones(layer.compute_output_shape(case.shape), "float32")
    _, of_inputs, of_weights = gradients(
        layer, inputs, weights, as_one=case.many_operations
    )
    assert all(np.isfinite(g).all() for g in of_inputs + of_weights)


# Compilation.


@every_layer
def test_compiled_layer_equals_the_eager_one(case):
    if NAME == "torch" and case.slow_to_compile:
        pytest.skip("torch.compile takes half a minute")
    layer, inputs = case.layer(), case.inputs()
    expected = numpy(layer(inputs)).astype("float64")
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.compile looks at gradients
        actual = compiled(layer)(tensors)
    assert_close(actual, expected, roundings=2)


# Inference.


@every_layer
def test_inference_does_not_depend_on_batch_mates(case):
    layer = case.layer()
    layer.build(case.shape)
    compute = _inference(case, layer)
    assert_batch_independent(lambda x, training: compute(x), case.inputs())


def _inference(case, layer):
    """The layer as a function of inputs, in inference mode."""
    if case.many_operations:
        return as_one_function(layer)
    # Layers without a training argument refuse one.
    arguments = {"training": False} if layer._call_has_training_arg else {}
    return lambda inputs: layer(inputs, **arguments)


# Errors.


@every_layer_of_batches
@pytest.mark.parametrize("shape", [(12, 14, 3), (2, 12, 14, 3, 1), (2, 3)])
def test_inputs_that_are_no_images_are_refused(case, shape):
    with pytest.raises(ValueError, match=r"expected ndim=4, found ndim="):
        case.layer()(np.zeros(shape, "float32"))


@every_layer_of_batches
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_unknown_channels_are_refused(case, data_format):
    with pytest.raises(ValueError, match=r"channel dimension of channels_.*Received: "):
        case.layer(data_format=data_format).build((None, None, None, None))


@every_layer_of_batches
def test_other_number_of_channels_than_built_for_is_refused(case):
    layer = case.layer()
    channels = case.shape[-1]
    layer.build((None, None, None, channels))
    with pytest.raises(ValueError, match=rf"expected axis -1 .* value {channels}"):
        layer(np.zeros((*case.shape[:-1], 1 if channels > 1 else 2), "float32"))
