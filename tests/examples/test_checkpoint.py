import csv
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.training import checkpoint
from examples.deepfake_v3.training.checkpoint import Checkpoint, State, forget_stages

pytestmark = pytest.mark.backends

IMAGES = ImageList(
    tuple(map(Path, ("a.png", "b.png", "c.png"))), np.array([0, 1, 1]), tuple("123")
)


class Run:
    """A stage of a very small model, an epoch of which is a line of logs."""

    def __init__(self, directory, **replaced):
        inputs = keras.Input((4,))
        x = keras.layers.Dropout(0.5, name="dropout")(inputs)
        self.detector = keras.Model(inputs, keras.layers.Dense(1, name="out")(x))
        self.trainer = keras.Sequential([self.detector])
        self.trainer.compile(replaced.pop("optimizer", "adam"), "mse")
        self.trainer.optimizer.build(self.trainer.trainable_variables)
        self.state_path = directory / "stage" / "state.npz"
        self.best_path = directory / "best.keras"
        self.checkpoint = Checkpoint(
            self.detector,
            directory / "stage",
            self.best_path,
            **{
                "settings": {"learning_rate": 0.1, "unfreeze": (1, None)},
                "images": {"train": IMAGES},
                "seed": 0,
                "epochs": 10,
                "patience": 5,
            }
            | replaced,
        )
        self.checkpoint.set_model(self.trainer)
        self.checkpoint.on_train_begin()

    def epoch(self, auc, loss=0.5, bias=0.0):
        """Ends an epoch at the end of which the detector's bias is `bias`."""
        self.detector.get_layer("out").bias.assign([bias])
        number = len(self.checkpoint.logs)
        logs = {"loss": loss, "val_auc": auc, "val_loss": loss}
        self.checkpoint.on_epoch_end(number, logs)

    @property
    def bias(self):
        return float(ops.convert_to_numpy(self.detector.get_layer("out").bias)[0])


def saved_bias(path):
    bias = keras.models.load_model(path).get_layer("out").bias
    return float(ops.convert_to_numpy(bias)[0])


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.7, 0.5), (0.9, 0.5), (0.8, 0.1)], 1),
        ([(1.0, 0.5), (1.0, 0.3), (1.0, 0.4)], 1),  # of equal AUCs, the lower loss
    ],
)
def test_best_epoch_is_kept(tmp_path, scores, best):
    run = Run(tmp_path)
    for epoch, (auc, loss) in enumerate(scores):
        run.epoch(auc, loss, bias=epoch)
    assert saved_bias(run.best_path) == best
    run.checkpoint.restore_best()
    assert run.bias == best


def test_best_epoch_before_an_interruption_counts(tmp_path):
    Run(tmp_path).epoch(0.9, bias=1)
    Run(tmp_path).epoch(0.8, bias=2)
    run = Run(tmp_path)
    assert (saved_bias(run.best_path), run.bias) == (1, 2)


@pytest.mark.parametrize(
    ("aucs", "finished"),
    [
        ([], False),
        ([0.9, 0.8], False),
        ([0.9, 0.8, 0.9], True),  # a tie is no rise
        ([0.9, 0.8, 0.95, 0.9], False),
        ([0.1, 0.2, 0.3, 0.4, 0.5], True),  # the last epoch
    ],
)
def test_patience_counts_epochs_before_an_interruption(tmp_path, aucs, finished):
    for auc in aucs:
        run = Run(tmp_path, epochs=5, patience=2)
        assert not run.checkpoint.finished
        run.epoch(auc)
        assert run.trainer.stop_training == run.checkpoint.finished
    assert Run(tmp_path, epochs=5, patience=2).checkpoint.finished == finished


def test_every_variable_is_restored(tmp_path):
    run = Run(tmp_path)
    run.trainer.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    run.epoch(0.5)

    def values(run):
        variables = [*run.trainer.variables, *run.trainer.optimizer.variables]
        return [ops.convert_to_numpy(variable) for variable in variables]

    kept = [value.copy() for value in values(run)]
    names = [v.path for v in (*run.trainer.variables, *run.trainer.optimizer.variables)]
    for part in ("kernel", "seed_generator", "momentum", "iteration"):
        assert any(part in name for name in names), names
    run.trainer.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    assert not all(map(np.array_equal, kept, values(run)))
    for ours, theirs in zip(kept, values(Run(tmp_path)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_history_and_best_model_that_are_lost_or_stale_are_made_anew(tmp_path):
    run = Run(tmp_path)
    run.epoch(0.7, bias=1)
    run.epoch(0.6, bias=2)
    history = tmp_path / "stage" / "history.csv"
    history.unlink()
    run.best_path.write_bytes(b"of a later epoch, that was not finished")
    Run(tmp_path)
    with history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], float(row["val_auc"])) for row in rows] == [
        ("0", 0.7),
        ("1", 0.6),
    ]
    assert saved_bias(run.best_path) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["loss", "bias"])
def test_nan_in_logs_or_weights_is_an_error_and_is_not_saved(tmp_path, where, value):
    run = Run(tmp_path)
    run.epoch(0.7, bias=1)
    with pytest.raises(
        FloatingPointError, match=rf"{where} became .* in epoch 2.*learning_rate"
    ):
        run.epoch(0.9, **{where: value})
    state = State.read(run.state_path)
    assert len(state.logs) == 1
    assert all(np.isfinite(array).all() for array in (*state.trainer, *state.best))
    assert saved_bias(run.best_path) == 1
    assert Run(tmp_path).bias == 1


def test_other_settings_are_refused_by_name(tmp_path):
    Run(tmp_path).epoch(0.7)
    settings = {"learning_rate": 0.2, "unfreeze": (1, None)}
    with pytest.raises(
        ValueError, match=r"settings or images: learning_rate=0\.1 \(now 0\.2\)\. .*--f"
    ):
        Run(tmp_path, settings=settings)


def test_other_images_are_refused_by_name(tmp_path):
    Run(tmp_path).epoch(0.7)
    changed = ImageList(IMAGES.paths, IMAGES.labels, tuple("1x3"))
    with pytest.raises(
        ValueError,
        match=r"train images, 1 are new or changed \(b\.png\) and 1 of the former are",
    ):
        Run(tmp_path, images={"train": changed})
    fewer = ImageList(IMAGES.paths[1:], IMAGES.labels[1:], IMAGES.digests[1:])
    with pytest.raises(ValueError, match="0 are new or changed and 1 of the former"):
        Run(tmp_path, images={"train": fewer})


def test_force_goes_on_with_the_new_settings_and_images(tmp_path, capsys):
    Run(tmp_path).epoch(0.7, bias=1)
    new = {
        "settings": {"learning_rate": 0.2, "unfreeze": (1, None)},
        "images": {"train": ImageList(IMAGES.paths, IMAGES.labels, tuple("456"))},
    }
    run = Run(tmp_path, force=True, **new)
    assert "by force" in capsys.readouterr().out
    assert run.bias == 1
    run.epoch(0.8)
    assert len(Run(tmp_path, **new).checkpoint.logs) == 2  # no longer by force


def test_stage_without_a_finished_epoch_takes_other_settings(tmp_path):
    Run(tmp_path)
    Run(tmp_path, settings={"learning_rate": 0.2}).epoch(0.7)
    assert State.read(tmp_path / "stage" / "state.npz").settings == {
        "learning_rate": 0.2
    }


def test_state_of_another_optimizer_is_refused(tmp_path):
    Run(tmp_path).epoch(0.7)
    with pytest.raises(ValueError, match=r"another model or optimizer\. Delete"):
        Run(tmp_path, optimizer="sgd")


def cut(content):
    return content[: len(content) // 2]


def change_one_byte(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, change_one_byte, lambda content: b""])
def test_damaged_state_is_named(tmp_path, damage):
    run = Run(tmp_path)
    run.epoch(0.7)
    run.state_path.write_bytes(damage(run.state_path.read_bytes()))
    with pytest.raises(ValueError, match=r"state\.npz is damaged.*Delete it"):
        Run(tmp_path)


def test_state_holds_no_pickle(tmp_path):
    run = Run(tmp_path)
    run.epoch(0.7)
    with np.load(run.state_path, allow_pickle=False) as file:
        assert json.loads(str(file["facts"]))["logs"][0]["val_auc"] == 0.7
        assert not any(file[name].dtype.hasobject for name in file.files)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_disk_that_fills_up_leaves_the_state_before(tmp_path):
    run = Run(tmp_path)
    run.epoch(0.7, bias=1)
    # Writing to it fails as on a full disk.
    (run.state_path.parent / ".partial-state.npz").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"state\.npz: .*No space left"):
        run.epoch(0.8, bias=2)
    run = Run(tmp_path)
    assert (run.bias, saved_bias(run.best_path)) == (1, 1)
    assert {path.name for path in run.state_path.parent.iterdir()} == {
        "state.npz",
        "history.csv",
    }


def test_stages_are_forgotten_from_the_last(tmp_path, monkeypatch):
    for name in "123":
        Run(tmp_path / name).epoch(0.7)
    forgotten = []
    monkeypatch.setattr(
        checkpoint.Path,
        "unlink",
        lambda path, missing_ok: forgotten.append(path.parent.parent.name),
    )
    forget_stages([tmp_path / name / "stage" for name in "123"])
    assert forgotten == ["3", "2", "1"]


def test_forgotten_stage_starts_anew(tmp_path):
    Run(tmp_path).epoch(0.7)
    forget_stages([tmp_path / "stage", tmp_path / "never"])
    assert Run(tmp_path, settings={"learning_rate": 0.2}).checkpoint.logs == []
