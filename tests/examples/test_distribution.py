import contextlib
import json
import zipfile

import keras
import numpy as np
import pytest

from examples.deepfake_v3.demo_set import render_demo_set
from examples.deepfake_v3.model_files.metadata import read_metadata
from examples.deepfake_v3.training import distribution
from examples.deepfake_v3.training.distribution import (
    Cluster,
    current_cluster,
    distributed,
)
from test_support.hosts import differences, run_on_hosts

pytestmark = pytest.mark.backends
BACKEND = keras.backend.backend()
can_distribute = pytest.mark.skipif(
    BACKEND not in ("jax", "tensorflow"), reason="Keras distributes on these only"
)

# On TensorFlow each device has draws of its own: compared without.
DRAWS = str(int(BACKEND == "jax"))  # 1: dropout and augmentation

# A detector with both kinds of BatchNormalization, that compiles quickly.
TRAIN = """
import json
import sys
from pathlib import Path

import numpy as np

from examples.deepfake_v3.training.calibrate import save_calibrated
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.training.distribution import current_cluster, distributed
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.training.stage import Stage, TrainingOptions, train_stage
from keras_forensics.layers import ForensicStreamV3

data_dir, distribute, draws, seed = sys.argv[1:]
with distributed(distribute, batch_size=8):
    keras.utils.set_random_seed(0)
    images = keras.Input((32, 32, 3))
    x = ForensicStreamV3(gate_dim=16, features=(8,))(images)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Dropout(0.5 * int(draws))(x)
    x = keras.layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(images, x)
    data = check_data_dir(data_dir)
    history = train_stage(
        model,
        data,
        TrainingOptions(augment=draws == "1", seed=int(seed), verbose=0),
        Stage(
            name="stage",
            number=0,
            best_path=Path("best.keras"),
            epochs=2,
            batch_size=8,
            learning_rate=1e-3,
            initial_weights="those of the seed",
        ),
    )
    path = current_cluster().output(Path("model.keras"))
    save_calibrated(model, path, data, data_dir, LostImages())
if os.environ["HOST"] == "0":
    np.savez("weights.npz", *model.get_weights())
    Path("history.json").write_text(json.dumps(history))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Validation does not fill its last batch: 13 images after one is gone."""
    data = render_demo_set(
        tmp_path_factory.mktemp("demo") / "data",
        images_per_class={"train": 12, "val": 7, "test": 1},
        image_size=32,
        seed=0,
    )
    next((data / "val" / "fake").iterdir()).unlink()
    return data


@pytest.fixture(scope="module")
def train(data, tmp_path_factory):
    """Trains in processes of their own; gives the first host's directory."""

    def train(distribute, *, devices=1, seeds=(0,)):
        cwds = [tmp_path_factory.mktemp(f"host{host}") for host in range(len(seeds))]
        results = run_on_hosts(
            TRAIN,
            [[str(data), distribute, DRAWS, str(seed)] for seed in seeds],
            backend=BACKEND,
            devices=devices,
            cwds=cwds,
        )
        return results, cwds

    return train


def trained(results, cwds):
    for result in results:
        assert result.returncode == 0, result.stderr[-4000:]
    with np.load(cwds[0] / "weights.npz") as saved:
        weights = [saved[name] for name in saved.files]
    history = json.loads((cwds[0] / "history.json").read_text())
    return weights, history, read_metadata(cwds[0] / "model.keras")


@pytest.fixture(scope="module")
def on_one_device(train):
    return trained(*train("none"))


def assert_same(ours, reference):
    """Adam makes a step of the rounding of a gradient near 0: hence the maximum."""
    difference = differences(ours[0], reference[0])
    assert difference.max() < 1e-3  # one step at the peak rate
    assert difference.mean() < 1e-5
    for epoch, expected in zip(ours[1], reference[1], strict=True):
        assert epoch["val_auc"] == expected["val_auc"]
        assert epoch["val_accuracy"] == expected["val_accuracy"]
        assert epoch["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-3)
        assert epoch["loss"] == pytest.approx(expected["loss"], rel=1e-3)
    metadata, expected = ours[2], reference[2]
    assert metadata.training_data == expected.training_data
    assert metadata.val_images == expected.val_images == 13
    assert metadata.threshold == pytest.approx(expected.threshold, abs=1e-3)


@can_distribute
def test_two_devices_train_like_one(train, on_one_device):
    results, cwds = train("devices", devices=2)
    assert_same(trained(results, cwds), on_one_device)
    # This argument can be loaded on TensorFlow only.
    for name in ("best.keras", "model.keras"):
        with zipfile.ZipFile(cwds[0] / name) as archive:
            config = archive.read("config.json").decode()
        assert '"synchronized": false' in config
        assert '"synchronized": true' not in config


@can_distribute
def test_two_hosts_train_like_one_and_the_first_writes(train, on_one_device):
    results, cwds = train("hosts", seeds=(0, 0))
    assert_same(trained(results, cwds), on_one_device)
    assert (cwds[0] / "model.keras").is_file()
    assert (cwds[0] / "logs" / "stage" / "history.csv").is_file()
    assert "stage:" in results[0].stdout
    assert not list(cwds[1].iterdir())
    assert "stage:" not in results[1].stdout


@can_distribute
def test_hosts_with_other_settings_are_refused(train):
    results, _ = train("hosts", seeds=(0, 1))
    for result in results:
        assert result.returncode != 0
        assert "InputError: The hosts differ in: settings or images." in result.stderr


REPLICAS = """
import numpy as np

from examples.deepfake_v3.training.augmentation import build_augmentation
from examples.deepfake_v3.training.distribution import current_cluster, distributed
from examples.deepfake_v3.training.optimizer import LayerwiseAdamW
from examples.deepfake_v3.training.precision import building_under
from examples.deepfake_v3.training.stage import AugmentedTrainer

with distributed("devices", batch_size=4):
    strategy = current_cluster().strategy
    with building_under("mixed_float16"):
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Flatten()(keras.layers.Dropout(0.5)(inputs))
        x = keras.layers.Dense(4)(x)
        model = keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(x))
        trainer = AugmentedTrainer(model, build_augmentation(0))
    for _ in range(2):  # as in two stages
        trainer.compile(LayerwiseAdamW(1e-3, 0.0, global_clipnorm=1.0), "mse")
    trainer.build((None, 8, 8, 3))
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), "uint8")

    def replicas(function):
        values = strategy.run(tf.function(function))
        return [np.asarray(v) for v in strategy.experimental_local_results(values)]

    def draw():
        return model.layers[1](tf.ones((32, 8, 8, 3)), training=True)

    def augment():
        return trainer.augmentation(tf.cast(images, "float32"), training=True)

    for function in (draw, augment):
        draws = replicas(function) + replicas(function)
        for i, one in enumerate(draws):
            for other in draws[:i]:
                assert not np.array_equal(one, other), function

    masks = [draws.ravel() for draws in replicas(draw)]
    for mask in masks:
        assert abs((mask == 0).mean() - 0.5) < 0.03  # 4 standard deviations
    assert abs(np.corrcoef(masks)[0, 1]) < 0.1

    optimizer = trainer.optimizer
    optimizer.build(trainer.trainable_variables)
    before = trainer.get_weights()

    def overflow():
        context = tf.distribute.get_replica_context()
        value = tf.where(context.replica_id_in_sync_group == 1, np.inf, 1.0)
        variables = trainer.trainable_variables
        gradients = [tf.fill(v.shape, tf.cast(value, "float32")) for v in variables]
        optimizer.apply(gradients, variables)
        return tf.zeros(())

    scale = np.asarray(optimizer.dynamic_scale)
    replicas(overflow)
    for old, new in zip(before, trainer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.asarray(optimizer.dynamic_scale) == scale / 2
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has replicas")
def test_replicas_draw_for_themselves_and_skip_a_step_when_one_overflows():
    (result,) = run_on_hosts(REPLICAS, [[]], backend=BACKEND, devices=2)
    assert result.returncode == 0, result.stderr[-4000:]


@pytest.mark.skipif(
    BACKEND in ("jax", "tensorflow"), reason="Keras can distribute there"
)
@pytest.mark.parametrize("distribute", ["devices", "hosts"])
def test_other_backends_are_refused(distribute):
    with pytest.raises(ValueError, match=rf"{BACKEND} backend.*'{distribute}'"):
        with distributed(distribute, 8):
            pass


@can_distribute
def test_what_would_do_nothing_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"only one device.*distribute='devices'"):
        with distributed("devices", 8):
            pass
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("KERAS_DISTRIBUTION_NUM_PROCESSES", raising=False)
    with pytest.raises(ValueError, match=r"cluster of hosts.*distribute='hosts'"):
        with distributed("hosts", 8):
            pass


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TF_CONFIG is TensorFlow's")
@pytest.mark.parametrize("jobs", [{"worker": ["a:1"]}, {"worker": "ab", "ps": "c"}])
def test_other_clusters_than_of_two_workers_are_refused(monkeypatch, jobs):
    config = {"cluster": jobs, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(ValueError, match="cluster/worker and no other jobs"):
        with distributed("hosts", 8):
            pass


def test_batches_that_cannot_be_shared_evenly_are_refused(monkeypatch):
    monkeypatch.setattr(distribution, "_connect", lambda _: Cluster(devices=3))
    with pytest.raises(ValueError, match=r"multiple of the 3 devices.*batch_size=8"):
        with distributed("devices", 8):
            pass


def test_unknown_ways_are_refused():
    with pytest.raises(ValueError, match=r"'none', 'devices', 'hosts'.*='gpus'"):
        with distributed("gpus", 8):
            pass


def test_other_hosts_read_what_the_first_left_and_write_elsewhere(tmp_path):
    logs, model = tmp_path / "logs", tmp_path / "best.keras"
    logs.mkdir()
    (logs / "history.csv").write_text("epoch")
    model.write_text("model")
    chief = Cluster(hosts=2)
    other = Cluster(hosts=2, host=1, scratch=tmp_path / "scratch")
    assert chief.found_output(logs) == logs
    for path in (logs, model, tmp_path / "absent"):
        assert other.found_output(path).is_relative_to(other.scratch)
    assert (other.output(logs) / "history.csv").read_text() == "epoch"
    assert other.output(model).read_text() == "model"
    assert not other.output(tmp_path / "absent").exists()


def test_cluster_is_that_of_the_block(monkeypatch):
    cluster = Cluster(devices=2, strategy=FakeStrategy())
    monkeypatch.setattr(distribution, "_connect", lambda _: cluster)
    with distributed("none", 7):
        assert current_cluster().share is None
    with distributed("devices", 8):
        assert current_cluster() is cluster
    assert current_cluster().strategy is None


class FakeStrategy:
    scope = contextlib.nullcontext
