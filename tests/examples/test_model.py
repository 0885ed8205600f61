import urllib.error

import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3.model import (
    build_model_v3,
    freeze_backbone,
    measure_backbone_statistics,
    rate_multipliers,
    unfreeze_backbone,
)
from examples.deepfake_v3.model_files.loading import load_detector


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_model_v3(weights=None, image_size=32, alpha=0.35)


def batch(count=8, size=32):
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3))
    return pixels.astype("float32")


def fit_one_epoch(model):
    # Compiling MobileNetV2 takes longer than this step.
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    model.fit(batch(), np.arange(8) % 2, batch_size=8, verbose=0)


def test_full_size_model_has_the_layers_of_the_recipe():
    model = build_model_v3(weights=None)
    assert model.input_shape == (None, 224, 224, 3)
    sides = [maps.shape[1] for maps in model.get_layer("backbone").outputs]
    assert sides == [56, 28, 14, 7]
    # Means and deviations of each channel.
    features = 2 * (144 + 192 + 576 + 1280)
    assert model.get_layer("visual_features").output.shape == (None, features)
    assert model.get_layer("forensic_stream").output.shape == (None, features)
    assert model.get_layer("gated_fusion").output.shape == (None, 2 * features)
    assert [model.get_layer(f"dense_{units}").units for units in (512, 256)] == [
        512,
        256,
    ]
    names = ("features", 512, 256)
    assert {model.get_layer(f"dropout_{name}").rate for name in names} == {0.3}
    assert model.output_shape == (None, 1)


@pytest.mark.usefixtures("small_backbone")
def test_output_is_a_float32_probability_under_a_16_bit_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model_v3(weights=None, image_size=32, alpha=0.35)
    finally:
        keras.config.set_dtype_policy("float32")
    output = model(batch())
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    assert model.get_layer("forensic_stream").compute_dtype == "bfloat16"


def test_grey_levels_reach_the_forensic_stream_unscaled_and_the_backbone_scaled(model):
    backbone_input = keras.Model(model.input, model.get_layer("rescaling").output)
    black_and_white = np.zeros((1, 32, 32, 3), "float32")
    black_and_white[:, :16] = 255
    scaled = ops.convert_to_numpy(backbone_input(black_and_white))
    assert (scaled.min(), scaled.max()) == (-1, 1)
    assert model.get_layer("forensic_stream").value_range == (0, 255)


@pytest.mark.usefixtures("small_backbone")
def test_residuals_of_small_images_are_sampled_at_every_pixel():
    for visual_size, strides in ((None, 2), (32, 2), (64, 1)):
        model = build_model_v3(None, image_size=32, alpha=0.35, visual_size=visual_size)
        assert model.get_layer("forensic_stream").strides == (strides, strides)


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("visual_size", [64, 32])
def test_images_are_scaled_for_the_visual_stream_alone(visual_size):
    model = build_model_v3(None, image_size=48, alpha=0.35, visual_size=visual_size)
    assert model.input_shape == (None, 48, 48, 3)
    sides = model.get_layer("backbone").input_shape[1:3]
    assert sides == (visual_size, visual_size)
    stream = model.get_layer("forensic_stream")
    pixels = batch(size=48)
    gate = keras.Model(model.input, stream.output)(pixels)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(gate), ops.convert_to_numpy(stream(pixels))
    )


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("visual_size", [None, 64])
def test_a_plain_call_is_inference(visual_size):
    model = build_model_v3(
        weights=None, image_size=32, alpha=0.35, visual_size=visual_size
    )
    before = [ops.convert_to_numpy(variable) for variable in model.variables]
    model(batch())
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


def test_frozen_backbone_keeps_weights_and_moving_statistics_in_fit(model):
    freeze_backbone(model)
    backbone = model.get_layer("backbone")
    before = [ops.convert_to_numpy(w) for w in backbone.weights]
    gate = ops.convert_to_numpy(model.get_layer("forensic_stream").weights[-1])
    fit_one_epoch(model)
    for weight, old in zip(backbone.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), old)
    assert not np.array_equal(
        ops.convert_to_numpy(model.get_layer("forensic_stream").weights[-1]), gate
    )


def test_all_of_an_unfrozen_backbone_moves(model):
    unfreeze_backbone(model)
    backbone = model.get_layer("backbone")
    before = [ops.convert_to_numpy(weight) for weight in backbone.weights]
    fit_one_epoch(model)
    for weight, old in zip(backbone.weights, before, strict=True):
        assert not np.array_equal(ops.convert_to_numpy(weight), old), weight.path


def test_batch_norm_of_an_unfrozen_backbone_can_be_held(model):
    unfreeze_backbone(model, freeze_batch_norm=True)
    backbone = model.get_layer("backbone")
    layers = [layer for layer in backbone.layers if layer.weights]
    before = [layer.get_weights() for layer in layers]
    fit_one_epoch(model)
    for layer, old in zip(layers, before, strict=True):
        held = all(map(np.array_equal, layer.get_weights(), old))
        assert held == isinstance(layer, keras.layers.BatchNormalization), layer.name


def test_statistics_of_an_unfrozen_backbone_follow_within_some_steps(model):
    unfreeze_backbone(model)
    norm = model.get_layer("backbone").get_layer("bn_Conv1")
    norm.moving_mean.assign(norm.moving_mean + 100.0)
    for _ in range(4):
        model(batch(), training=True)
    assert np.abs(ops.convert_to_numpy(norm.moving_mean)).max() < 100 * 0.9**3


@pytest.mark.parametrize("last", [30, 80])
def test_unfreezing_reaches_back_so_many_layers(model, last):
    unfreeze_backbone(model, last)
    layers = model.get_layer("backbone").layers
    frozen = [weight for layer in layers[:-last] for weight in layer.weights]
    before = [ops.convert_to_numpy(weight) for weight in frozen]
    fit_one_epoch(model)
    for weight, old in zip(frozen, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), old)
    assert all(layer.trainable for layer in layers[-last:])


def test_rates_grow_geometrically_with_depth(model):
    unfreeze_backbone(model)
    multipliers = rate_multipliers(model, first_layer_rate=0.1)
    variables = model.get_layer("backbone").trainable_variables
    assert set(multipliers) == {variable.path for variable in variables}
    values = [multipliers[variable.path] for variable in variables]
    assert values == sorted(values)
    assert 0.1 <= values[0] < 0.11
    assert 0.9 < values[-1] <= 1


def test_measured_statistics_keep_random_features_alive():
    keras.utils.set_random_seed(0)
    model = build_model_v3(weights=None, image_size=32, alpha=0.35)
    features = keras.Model(model.input, model.get_layer("visual_features").output)
    # Between images: a frozen backbone is of use only if its features differ.
    before = ops.convert_to_numpy(features(batch())).std(axis=0).mean()
    measure_backbone_statistics(model, batch())
    after = ops.convert_to_numpy(features(batch())).std(axis=0).mean()
    assert after > 100 * before
    assert after > 0.05
    assert model.get_layer("backbone").get_layer("bn_Conv1").momentum == 0.999


def test_missing_weights_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"weights='nowhere\.h5'"):
        build_model_v3(weights="nowhere.h5")


def test_imagenet_without_a_network_says_how_to_pass_a_file(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network")

    # What Keras's get_file calls.
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", offline)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"mobilenet_v2_.*--weights FILE\.h5"):
        build_model_v3(weights="imagenet", image_size=96, alpha=0.35)


def test_weights_that_do_not_fit_are_named(tmp_path):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"not HDF5")
    with pytest.raises(ValueError, match=r"weights='.*broken\.h5', alpha=0\.35"):
        build_model_v3(weights=broken, image_size=32, alpha=0.35)


def test_loading_says_when_there_is_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`model_path`: .*nothing\.keras"):
        load_detector(tmp_path / "nothing.keras")


def test_loading_refuses_a_model_that_is_no_detector(tmp_path):
    inputs = keras.Input((8,))
    other = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    other.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match=r"input_shape=\(None, 8\)"):
        load_detector(tmp_path / "other.keras")


def test_layers_that_bring_code_are_refused(tmp_path):
    images = keras.Input((32, 32, 3))
    x = keras.layers.Lambda(lambda x: x / 255)(images)
    x = keras.layers.GlobalAveragePooling2D()(x)
    inner = keras.Model(images, keras.layers.Dense(1)(x))
    path = tmp_path / "model.keras"
    # Also inside a model inside the model, and whatever the global switch says.
    keras.Sequential([keras.Input((32, 32, 3)), inner]).save(path)
    keras.config.enable_unsafe_deserialization()  # reset before the next test
    with pytest.raises(ValueError, match=r"run code from the file.*: Lambda"):
        load_detector(path)


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_files_that_are_no_keras_archive_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x89HDF\r\n\x1a\n and more")
    with pytest.raises(ValueError, match=r"no model in Keras's \.keras format"):
        load_detector(path)
