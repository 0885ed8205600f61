"""Stages go on from the best epoch of all, and know what they started from."""

import dataclasses

import keras
import pytest
from keras import ops

from examples.deepfake_v3.options.training import TrainingOptions
from examples.deepfake_v3.training import stages
from examples.deepfake_v3.training.stage import Stage

pytestmark = pytest.mark.backends


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs stages that set the only weight to their number, with the logs given."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[0.0]])
    plan = Stage(
        name="stage",
        number=0,
        best_path=tmp_path,
        epochs=1,
        batch_size=1,
        learning_rate=1.0,
        initial_weights="",
    )

    def weight():
        return float(ops.convert_to_numpy(model.layers[0].kernel)[0, 0])

    def run(*logs):
        started_from = []

        def train_stage(model, images, options, stage, lost):
            started_from.append(weight())
            model.layers[0].kernel.assign([[float(stage.number)]])
            model.save(stage.best_path)
            return logs[stage.number - 1]

        monkeypatch.setattr(stages, "train_stage", train_stage)
        enter_stages = [
            lambda _, number=number: dataclasses.replace(
                plan,
                name=f"stage{number}",
                number=number,
                best_path=tmp_path / f"stage{number}.keras",
            )
            for number in range(1, len(logs) + 1)
        ]
        options = TrainingOptions(log_dir=str(tmp_path / "logs"))
        done = stages.run_stages(model, {}, options, enter_stages)
        assert list(done.logs.values()) == list(logs)
        assert done.log_dirs == [tmp_path / "logs" / name for name in done.logs]
        return done, started_from, weight()

    return run


def logs_of(*scores):
    return [{"val_auc": auc, "val_loss": loss} for auc, loss in scores]


def test_each_stage_starts_from_the_best_epoch_of_those_before(run):
    done, started_from, last = run(
        logs_of((0.5, 1.0), (0.8, 0.9)), logs_of((0.7, 0.1)), logs_of((0.9, 2.0))
    )
    assert started_from == [0, 1, 1]
    assert last == 3
    assert done.best_path.name == "stage3.keras"
    assert done.best_score == (0.9, -2.0)


def test_of_stages_with_the_same_val_auc_the_lower_val_loss_is_the_best(run):
    done, started_from, last = run(logs_of((0.8, 0.9)), logs_of((0.8, 0.5)))
    assert (started_from, last) == ([0, 1], 2)
    assert done.best_path.name == "stage2.keras"
    done, _, last = run(logs_of((0.8, 0.5)), logs_of((0.8, 0.9)))
    assert last == 1
    assert done.best_path.name == "stage1.keras"


def test_options_of_fine_tuning_out_of_range_are_refused():
    for rate in (0.0, 1.1):
        with pytest.raises(ValueError, match=f"`first_layer_rate` .*rate={rate}"):
            stages.FineTuning(first_layer_rate=rate)
    with pytest.raises(ValueError, match=r"`batch_size` must be at least 1"):
        stages.FineTuning(batch_size=0)
