import gc
import math
import types

import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3 import training
from examples.deepfake_v3.data import ImageList, check_data_dir
from examples.deepfake_v3.training import (
    AugmentedTrainer,
    BestCheckpoint,
    StopAtNaN,
    TrainingOptions,
    choose_dtype_policy,
    save_model,
    train_stage,
)


def small_model(size=8):
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(1, activation="sigmoid", name="out")(x)
    return keras.Model(inputs, x)


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
    assert list(tmp_path.iterdir()) == [path]


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


@pytest.fixture
def stage(demo_data, tmp_path):
    """Trains a very small detector for one stage; keywords replace the arguments."""
    images = check_data_dir(demo_data)
    model = small_model(size=64)

    def train(options=None, **replaced):
        arguments = {
            "name": "stage",
            "best_path": tmp_path / "best.keras",
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 1e-3,
        }
        options = {"log_dir": str(tmp_path / "logs"), "verbose": 0} | (options or {})
        return train_stage(
            model, images, TrainingOptions(**options), **(arguments | replaced)
        )

    train.model = model
    train.logs = tmp_path / "logs" / "stage"
    return train


def logged_epochs(logs):
    lines = (logs / "history.csv").read_text().splitlines()
    return [int(line.split(",")[0]) for line in lines[1:]]


# Keras's CSVLogger leaves its file open when training is interrupted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupted_stage_goes_on_after_its_last_epoch(stage, monkeypatch):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(training, "_tensorboard", lambda log_dir: [Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        stage()
    gc.collect()
    assert logged_epochs(stage.logs) == [0, 1]
    monkeypatch.undo()
    history = stage()
    assert len(history["loss"]) == 1
    assert logged_epochs(stage.logs) == [0, 1, 2]
    assert not (stage.logs / "backup").exists()


def test_stage_ends_with_its_best_weights(stage):
    stage(epochs=2)
    best = keras.models.load_model(stage.logs.parents[1] / "best.keras")
    for ours, theirs in zip(stage.model.weights, best.weights, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
        )


def test_stage_stops_when_the_val_auc_no_longer_rises(stage):
    history = stage({"patience": 2}, epochs=20, learning_rate=1e-12)
    assert len(history["val_auc"]) == 3


def test_tensorboard_logs_are_written(stage):
    if keras.backend.backend() == "tensorflow":
        stage(epochs=1)
        assert list((stage.logs / "tensorboard").rglob("events.out.tfevents*"))


@pytest.mark.parametrize(
    ("labels", "expected"), [([0, 1, 1, 1], {0: 2.0, 1: 4 / 6}), ([0, 0, 1, 1], None)]
)
def test_unbalanced_classes_are_weighted(demo_data, tmp_path, labels, expected):
    seen = {}

    class Fit(Exception):
        pass

    def fit(self, *args, **kwargs):
        seen.update(kwargs)
        raise Fit

    split = check_data_dir(demo_data)["train"]
    images = ImageList(split.paths[:4], np.array(labels))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AugmentedTrainer, "fit", fit)
        with pytest.raises(Fit):
            train_stage(
                small_model(size=64),
                {"train": images, "val": images},
                TrainingOptions(log_dir=str(tmp_path)),
                name="stage",
                best_path=tmp_path / "best.keras",
                epochs=1,
                batch_size=2,
                learning_rate=1e-3,
            )
    assert seen["class_weight"] == expected
