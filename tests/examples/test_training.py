import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.loading.data import ImageList, check_data_dir
from examples.deepfake_v3.loading.pipeline import PixelCache
from examples.deepfake_v3.options.fine_tune import FineTuneConfig
from examples.deepfake_v3.options.train import Config
from examples.deepfake_v3.options.training import TrainingOptions
from examples.deepfake_v3.training import stage as training
from examples.deepfake_v3.training.augmentation import COMPRESSION
from examples.deepfake_v3.training.checkpoint import State
from examples.deepfake_v3.training.optimizer import LayerwiseAdamW
from examples.deepfake_v3.training.precision import building_under
from examples.deepfake_v3.training.stage import AugmentedTrainer, Stage, train_stage

pytestmark = pytest.mark.backends


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
        def build(self, input_shape):
            self.scale = self.add_weight(shape=())

        def call(self, images):
            seen.append(keras.backend.standardize_dtype(images.dtype))
            return ops.mean(images, axis=(1, 2))

    with building_under("mixed_bfloat16"):
        inputs = keras.Input((8, 8, 3))
        model = keras.Model(inputs, Spy(autocast=False)(inputs))
    seen.clear()
    AugmentedTrainer(model, None)(np.zeros((2, 8, 8, 3), "float32"))
    assert seen == ["float32"]


@pytest.fixture
def stage(demo_data, tmp_path):
    """Trains a very small detector; keywords replace fields of options and stage."""
    images = check_data_dir(demo_data)
    options = TrainingOptions(log_dir=str(tmp_path / "logs"), verbose=0)
    common = Stage(
        name="stage",
        number=0,
        best_path=tmp_path / "best.keras",
        epochs=3,
        batch_size=8,
        learning_rate=1e-3,
        initial_weights="random",
    )

    def train(options=options, images=images, **replaced):
        return train_stage(
            train.model, images, options, dataclasses.replace(common, **replaced)
        )

    train.model = small_model(size=64)
    train.images = images
    train.options = options
    train.best_path = common.best_path
    train.logs = tmp_path / "logs" / "stage"
    return train


@pytest.mark.usefixtures("eager_training")
@pytest.mark.parametrize("interrupted", [False, True])
def test_images_are_kept_in_memory_while_a_stage_trains(
    stage, monkeypatch, interrupted
):
    caches, most = [], []

    class Watched(PixelCache):
        def __init__(self, gigabytes):
            super().__init__(gigabytes)
            caches.append(self)

        def __exit__(self, *error):
            most.append(len(self.pixels))
            super().__exit__(*error)

    monkeypatch.setattr(training, "PixelCache", Watched)
    if interrupted:
        interrupt(stage)
    else:
        stage()
    assert most == [len(stage.images["train"]) + len(stage.images["val"])]
    assert not caches[0].pixels


class Interrupt(keras.callbacks.Callback):
    """Ends training before the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def interrupt(stage, **replaced):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_tensorboard", lambda log_dir: [Interrupt()])
        with pytest.raises(KeyboardInterrupt):
            stage(**replaced)


@pytest.mark.usefixtures("eager_training")
def test_interrupted_stage_goes_on_after_its_last_epoch(stage, capsys):
    interrupt(stage)
    before = (stage.logs / "history.csv").read_text()
    epochs = stage()
    assert "going on after epoch 2" in capsys.readouterr().out
    assert len(epochs) == 3
    assert (stage.logs / "history.csv").read_text().startswith(before)


@pytest.mark.usefixtures("eager_training")
def test_interrupted_stage_does_not_go_on_with_other_settings_or_data(stage):
    interrupt(stage)
    with pytest.raises(ValueError, match=r"learning_rate=0\.001 \(now 0\.01\)"):
        stage(learning_rate=1e-2)
    with pytest.raises(ValueError, match=r"weight_decay=0\.0001 \(now 0\.1\)"):
        stage(options=dataclasses.replace(stage.options, weight_decay=0.1))
    with pytest.raises(ValueError, match="initial_weights='random'"):
        stage(initial_weights="others")
    with pytest.raises(ValueError, match="train images, 8 are new"):
        stage(images=stage.images | {"train": stage.images["val"]})


@pytest.mark.usefixtures("eager_training")
def test_forced_stage_goes_on_with_other_settings(stage, capsys):
    interrupt(stage)
    options = dataclasses.replace(stage.options, force=True, weight_decay=0.1)
    assert len(stage(options=options)) == 3
    assert "going on after epoch 2" in capsys.readouterr().out


def test_interrupted_stage_ends_as_if_it_had_not_been(stage, tmp_path):
    inputs = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.BatchNormalization()(x)
    stage.model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(x))
    start = [ops.convert_to_numpy(v).copy() for v in stage.model.variables]

    def begin_anew(name):
        for variable, value in zip(stage.model.variables, start, strict=True):
            variable.assign(value)
        return {"name": name, "best_path": tmp_path / f"{name}.keras"}

    def state_of(name):
        return State.read(tmp_path / "logs" / name / "state.npz")

    stage(**begin_anew("peace"))
    interrupt(stage, **begin_anew("interrupted"))
    begin_anew("interrupted")  # as a new process would
    stage(**begin_anew("interrupted"))
    one, other = state_of("peace"), state_of("interrupted")
    assert one.logs == other.logs
    for ours, theirs in zip(
        one.trainer + one.best, other.trainer + other.best, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.usefixtures("eager_training")
def test_nan_ends_the_stage_and_force_goes_on_before_it(stage):
    interrupt(stage)
    before = State.read(stage.logs / "state.npz")
    hot = {"weight_decay": 1e38, "force": True}
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        stage(options=dataclasses.replace(stage.options, **hot), learning_rate=1e30)
    after = State.read(stage.logs / "state.npz")
    assert after.logs == before.logs
    assert all(np.isfinite(value).all() for value in after.trainer + after.best)
    assert len(stage()) == 3  # with the settings of before


@pytest.mark.usefixtures("eager_training")
def test_finished_stage_is_not_run_again_before_the_run_is_over(stage):
    first = stage()
    stage.model.get_layer("out").bias.assign([99.0])
    assert stage() == first
    assert ops.convert_to_numpy(stage.model.get_layer("out").bias) < 99


def test_stage_ends_with_its_best_weights(stage):
    stage(epochs=2)
    best = keras.models.load_model(stage.best_path)
    for ours, theirs in zip(stage.model.weights, best.weights, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
        )


@pytest.mark.usefixtures("eager_training")
def test_stage_stops_when_the_val_auc_no_longer_rises(stage):
    options = dataclasses.replace(stage.options, patience=2)
    assert len(stage(options=options, epochs=20, learning_rate=1e-12)) == 3


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras writes them with TensorFlow"
)
def test_tensorboard_logs_are_written(stage):
    stage(epochs=1)
    assert list((stage.logs / "tensorboard").rglob("events.out.tfevents*"))


@pytest.mark.usefixtures("eager_training")
@pytest.mark.parametrize("pipeline", ["tf", "grain"])
def test_unbalanced_classes_can_be_trained(stage, pipeline):
    train = stage.images["train"]
    few = ImageList(train.paths[:-4], train.labels[:-4])
    assert np.bincount(few.labels).tolist() == [8, 4]
    options = dataclasses.replace(stage.options, pipeline=pipeline)
    assert stage(options=options, images=stage.images | {"train": few}, epochs=1)


def compiled(stage, options=None, **replaced):
    """What `train_stage` compiles and fits, without training."""
    seen = {}

    class Compiled(Exception):
        pass

    def fit(self, data, **kwargs):
        _, labels, *_ = next(iter(data))
        seen.update(kwargs, trainer=self, labels=np.asarray(labels))
        raise Compiled

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AugmentedTrainer, "fit", fit)
        patch.setattr(training, "measure_rate", lambda dataset: 1.0)
        with pytest.raises(Compiled):
            stage(
                options=dataclasses.replace(stage.options, **(options or {})),
                **replaced,
            )
    return seen


def test_optimizer_has_the_rates_decay_and_clipping_of_the_options(stage):
    trainer = compiled(
        stage,
        {"weight_decay": 0.3, "clipnorm": 0.7, "min_lr": 1e-5},
        rate_multipliers={"out/kernel": 0.5},
        learning_rate=0.01,
        epochs=10,
    )["trainer"]
    optimizer = trainer.optimizer
    assert isinstance(optimizer, LayerwiseAdamW)
    assert (optimizer.decay, optimizer.global_clipnorm) == (0.3, 0.7)
    assert optimizer.multipliers == {"out/kernel": 0.5}
    schedule = optimizer._learning_rate.get_config()
    assert schedule == {
        "initial_lr": 0.01,
        "decay_steps": 20,  # 10 epochs of 16 images in batches of 8
        "warmup_steps": 2,
        "min_lr": 1e-5,
    }


def test_warmup_takes_no_more_than_a_fifth_of_a_stage(stage):
    trainer = compiled(stage, epochs=3)["trainer"]
    assert trainer.optimizer._learning_rate.get_config()["warmup_steps"] == 1


def test_labels_are_smoothed(stage):
    trainer = compiled(stage, {"label_smoothing": 0.2})["trainer"]
    assert trainer.loss.get_config()["label_smoothing"] == 0.2


def test_augmentation_can_be_left_out(stage):
    assert compiled(stage)["trainer"].augmentation is not None
    assert compiled(stage, {"augment": False})["trainer"].augmentation is None


def test_augmentation_compresses_as_many_images_as_asked_for(stage):
    layers = compiled(stage)["trainer"].augmentation.layers
    assert not [layer for layer in layers if hasattr(layer, "quality")]
    layers = compiled(stage, {"jpeg_augment": 0.5})["trainer"].augmentation.layers
    (compression,) = [layer for layer in layers if hasattr(layer, "quality")]
    assert compression.probability == 0.5


@pytest.mark.parametrize("name", ["jpeg_augment", "process_augment"])
def test_parts_of_augmentation_without_it_are_refused(name):
    with pytest.raises(InputError, match=rf"`{name}` needs `augment`.*0\.5"):
        TrainingOptions(**{name: 0.5}, augment=False)


@pytest.mark.parametrize("per", ["image", "batch"])
def test_jpeg_compression_is_drawn_for_each_image_or_for_the_batch(per):
    noise = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), "uint8")
    images = np.repeat(noise, 6, axis=0).astype("float32")
    compression = COMPRESSION[per]((30, 100), probability=1.0, seed=0)
    batches = [ops.convert_to_numpy(compression(images)) for _ in range(3)]
    different = [len(np.unique(batch, axis=0)) for batch in batches]
    assert different == [1, 1, 1] if per == "batch" else min(different) > 3
    assert not np.array_equal(batches[0], batches[1])


def test_training_images_can_be_limited(stage):
    assert compiled(stage)["steps_per_epoch"] == 2
    limited = compiled(stage, {"max_images_per_class": 3})
    assert limited["steps_per_epoch"] == 1  # 6 images, and 2 of the next pass
    assert np.bincount(limited["labels"][:6].astype(int)).tolist() == [3, 3]


def test_epochs_can_be_made_shorter(stage):
    assert compiled(stage, {"steps_per_epoch": 1})["steps_per_epoch"] == 1


def test_control_run_trains_and_validates_on_permuted_labels(stage, monkeypatch):
    seen = []

    def spy(images, **kwargs):
        seen.append(images)
        return iter([(None, images.labels)])

    monkeypatch.setattr(training, "make_dataset", spy)
    compiled(stage, {"shuffle_labels": True})
    for images, split in zip(seen, ("train", "val"), strict=True):
        true = stage.images[split].labels
        assert sorted(images.labels) == sorted(true)
        assert not np.array_equal(images.labels, true)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("label_smoothing", 2),
        ("weight_decay", -1),
        ("clipnorm", 0),
        ("warmup_epochs", -1),
        ("patience", 0),
        ("max_images_per_class", 0),
        ("steps_per_epoch", 0),
        ("epochs", 0),
        ("batch_size", 0),
        ("image_size", 16),
        ("model_save_path", "model.h5"),
    ],
)
def test_values_out_of_range_are_refused_at_once(option, value):
    with pytest.raises(ValueError, match=rf"`{option}` .*{option}='?{value}"):
        Config(**{option: value})


@pytest.mark.parametrize(
    ("option", "value"), [("output_path", "model"), ("first_layer_rate", 0)]
)
def test_fine_tuning_values_out_of_range_are_refused_at_once(option, value):
    with pytest.raises(ValueError, match=rf"`{option}` .*{option}='?{value}"):
        FineTuneConfig(**{option: value})
