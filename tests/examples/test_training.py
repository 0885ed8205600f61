import math
import types

import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3 import training
from examples.deepfake_v3.training import (
    AugmentedTrainer,
    BestCheckpoint,
    StopAtNaN,
    choose_dtype_policy,
    save_model,
)


def small_model():
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, name="out")(pooled))


class AddOne(keras.layers.Layer):
    def call(self, images, training=False):
        return images + 1 if training else images


def test_images_are_augmented_in_training_only():
    model = small_model()
    trainer = AugmentedTrainer(model, keras.Sequential([AddOne()]))
    x = np.zeros((2, 8, 8, 3), "float32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(trainer(x)), ops.convert_to_numpy(model(x))
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(trainer(x, training=True)),
        ops.convert_to_numpy(model(x + 1)),
        rtol=1e-6,
    )


def test_trainer_does_not_round_images_to_16_bits():
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, images):
            seen.append(keras.backend.standardize_dtype(images.dtype))
            return ops.mean(images, axis=(1, 2))

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inputs = keras.Input((8, 8, 3))
        model = keras.Model(inputs, Spy(autocast=False)(inputs))
    finally:
        keras.config.set_dtype_policy("float32")
    seen.clear()
    AugmentedTrainer(model, None)(np.zeros((2, 8, 8, 3), "float32"))
    assert seen == ["float32"]


def test_loss_is_scaled_for_a_16_bit_detector():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = small_model()
    finally:
        keras.config.set_dtype_policy("float32")
    trainer = AugmentedTrainer(model, None)
    trainer.compile("adam", "mse")
    assert isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer)


def epochs(*values):
    return [{"val_auc": auc, "val_loss": loss} for auc, loss in values]


def test_best_epoch_is_kept(tmp_path):
    model = small_model()
    checkpoint = BestCheckpoint(model, tmp_path / "best.keras")
    for epoch, logs in enumerate(epochs((0.7, 0.5), (0.9, 0.5), (0.8, 0.1))):
        model.get_layer("out").bias.assign([float(epoch)])
        checkpoint.on_epoch_end(epoch, logs)
    best = keras.models.load_model(tmp_path / "best.keras")
    assert ops.convert_to_numpy(best.get_layer("out").bias) == [1.0]


def test_of_equal_aucs_the_lower_loss_is_best(tmp_path):
    model = small_model()
    checkpoint = BestCheckpoint(model, tmp_path / "best.keras")
    for epoch, logs in enumerate(epochs((1.0, 0.5), (1.0, 0.3), (1.0, 0.4))):
        model.get_layer("out").bias.assign([float(epoch)])
        checkpoint.on_epoch_end(epoch, logs)
    best = keras.models.load_model(tmp_path / "best.keras")
    assert ops.convert_to_numpy(best.get_layer("out").bias) == [1.0]


def test_epochs_before_an_interruption_count(tmp_path):
    finished = [{"val_auc": "0.9", "val_loss": "0.2"}]  # as read from the CSV log
    checkpoint = BestCheckpoint(small_model(), tmp_path / "best.keras", finished)
    checkpoint.on_epoch_end(1, {"val_auc": 0.8, "val_loss": 0.1})
    assert not (tmp_path / "best.keras").exists()


def test_failed_save_leaves_the_old_file(tmp_path):
    model = small_model()
    path = tmp_path / "model.keras"
    save_model(model, path)
    content = path.read_bytes()

    def fail(partial):
        partial.write_bytes(b"half a fi")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_model(types.SimpleNamespace(save=fail), path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_nan_loss_ends_the_run_and_says_what_to_try(loss):
    StopAtNaN().on_train_batch_end(0, {"loss": 0.5})
    with pytest.raises(FloatingPointError, match=r"in batch 3.*lower learning rate"):
        StopAtNaN().on_train_batch_end(3, {"loss": loss})


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
    monkeypatch.setattr(training, "_gpu_capability", lambda: capability)
    assert choose_dtype_policy("auto") == policy


def test_policy_can_be_given():
    assert choose_dtype_policy("mixed_bfloat16") == "mixed_bfloat16"
    with pytest.raises(ValueError, match="mixed_precision='float61'"):
        choose_dtype_policy("float61")


def test_a_machine_without_a_gpu_has_no_capability():
    assert training._gpu_capability() >= 0
