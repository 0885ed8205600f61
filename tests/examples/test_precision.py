import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3.model import build_model_v3
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.training import precision
from examples.deepfake_v3.training.precision import (
    building_under,
    choose_dtype_policy,
    policy_of,
    with_policy,
)
from examples.deepfake_v3.training.stage import AugmentedTrainer
from test_support.small_backbone import build_small_backbone


@pytest.fixture(scope="module")
def half_model(tmp_path_factory):
    """A mixed_float16 detector that was saved and loaded."""
    keras.utils.set_random_seed(0)
    with building_under("mixed_float16"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "MobileNetV2", build_small_backbone)
        model = build_model_v3(weights=None, image_size=32, alpha=0.35)
    path = tmp_path_factory.mktemp("half") / "model.keras"
    model.save(path)
    return load_detector(path)


def images():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    return pixels.astype("float32")


@pytest.mark.parametrize(
    ("capability", "policy"),
    [
        (0.0, "float32"),
        (6.1, "float32"),
        (7.5, "mixed_float16"),
        (9.0, "mixed_float16"),
    ],
)
def test_policy_follows_the_device(monkeypatch, capability, policy):
    monkeypatch.setattr(precision, "_gpu_capability", lambda: capability)
    assert choose_dtype_policy("auto") == policy


def test_policy_can_be_given():
    assert choose_dtype_policy("mixed_bfloat16") == "mixed_bfloat16"
    with pytest.raises(ValueError, match="mixed_precision='float61'"):
        choose_dtype_policy("float61")


def test_global_policy_is_put_back():
    with pytest.raises(RuntimeError), building_under("mixed_float16"):
        assert keras.config.dtype_policy().name == "mixed_float16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


def test_policy_of_a_loaded_model_is_that_of_its_layers(half_model):
    assert policy_of(half_model).name == "mixed_float16"


def test_loss_is_scaled_for_a_loaded_16_bit_model(half_model):
    trainer = AugmentedTrainer(half_model, None)
    trainer.compile("adam", "mse")
    assert isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer)


def test_model_can_go_on_in_another_policy(half_model):
    whole = with_policy(half_model, "float32")
    layers = [*whole.layers, *whole.get_layer("backbone").layers]
    assert {layer.compute_dtype for layer in layers} == {"float32"}
    assert whole.get_layer("forensic_stream").bayar.compute_dtype == "float32"
    for ours, theirs in zip(whole.weights, half_model.weights, strict=True):
        assert ours.path == theirs.path
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
        )
    np.testing.assert_allclose(
        ops.convert_to_numpy(whole(images())),
        ops.convert_to_numpy(half_model(images())),
        atol=0.02,
    )
    half = with_policy(whole, "mixed_float16")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(half(images())),
        ops.convert_to_numpy(half_model(images())),
    )


def test_model_of_the_same_policy_is_left_as_it_is(half_model):
    assert with_policy(half_model, "mixed_float16") is half_model
