import datetime
import math
import types

import keras
import pytest
from keras import ops

from examples.deepfake_v3 import progress
from examples.deepfake_v3.progress import (
    BestCheckpoint,
    Forecast,
    StageRecord,
    StopAtNaN,
    forget_stages,
    save_model,
)

pytestmark = pytest.mark.backends


def small_model():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(1, name="out")(inputs))


def best_epoch(tmp_path, *scores):
    """The epoch that the checkpoint kept, of `(val_auc, val_loss)` in order."""
    model = small_model()
    checkpoint = BestCheckpoint(model, tmp_path / "best.keras")
    for epoch, (auc, loss) in enumerate(scores):
        model.get_layer("out").bias.assign([float(epoch)])
        checkpoint.on_epoch_end(epoch, {"val_auc": auc, "val_loss": loss})
    best = keras.models.load_model(tmp_path / "best.keras")
    return int(ops.convert_to_numpy(best.get_layer("out").bias)[0])


def test_best_epoch_is_kept(tmp_path):
    assert best_epoch(tmp_path, (0.7, 0.5), (0.9, 0.5), (0.8, 0.1)) == 1


def test_of_equal_aucs_the_lower_loss_is_best(tmp_path):
    assert best_epoch(tmp_path, (1.0, 0.5), (1.0, 0.3), (1.0, 0.4)) == 1


def test_epochs_before_an_interruption_count(tmp_path):
    finished = [{"val_auc": 0.9, "val_loss": 0.2}]
    checkpoint = BestCheckpoint(small_model(), tmp_path / "best.keras", finished)
    checkpoint.on_epoch_end(1, {"val_auc": 0.8, "val_loss": 0.1})
    assert not (tmp_path / "best.keras").exists()


def test_failed_save_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "model.keras"
    save_model(small_model(), path)
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
    StopAtNaN().on_train_batch_end(20, {"loss": 0.5})
    StopAtNaN().on_epoch_end(0, {"loss": 0.5})
    with pytest.raises(FloatingPointError, match=r"in batch 20.*lower learning_rate"):
        StopAtNaN().on_train_batch_end(20, {"loss": loss})
    with pytest.raises(FloatingPointError, match="the last one of the epoch"):
        StopAtNaN().on_epoch_end(0, {"loss": loss})


def test_forecast_says_rates_and_the_end_once(capsys, monkeypatch):
    clock = iter([100.0, 110.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    forecast = Forecast(pipeline_rate=1234.4, train_count=300, val_count=100)
    forecast.set_params({"steps": 30, "epochs": 5})
    before = datetime.datetime.now()
    for epoch in (2, 3):  # two epochs are finished: three to go
        forecast.on_epoch_begin(epoch)
        for batch in range(30):
            forecast.on_train_batch_end(batch, {"loss": 0.5})
    printed = capsys.readouterr().out
    # 20 steps of 10 images in 10 s; 3 epochs of 400 images at 20 images/s.
    assert "1,234 images/s from the pipeline alone, 20 images/s trained" in printed
    assert printed.count("trained") == 1
    ends = {
        f"{start + datetime.timedelta(seconds=60):%H:%M on %d %B}"
        for start in (before, datetime.datetime.now())
    }
    assert any(f"ends by {end} at the latest" in printed for end in ends)


def test_record_of_an_interrupted_stage_refuses_other_settings(tmp_path):
    StageRecord(tmp_path, {"learning_rate": 0.1, "epochs": 3})
    (tmp_path / "backup").mkdir()
    assert not StageRecord(tmp_path, {"learning_rate": 0.1, "epochs": 3}).finished
    with pytest.raises(ValueError, match=r"learning_rate=0\.1 \(now 0\.2\)\. .*delete"):
        StageRecord(tmp_path, {"learning_rate": 0.2, "epochs": 3})


def test_record_without_a_finished_epoch_takes_other_settings(tmp_path):
    StageRecord(tmp_path, {"learning_rate": 0.1})
    assert StageRecord(tmp_path, {"learning_rate": 0.2}).settings == {
        "learning_rate": 0.2
    }


def test_record_remembers_a_finished_stage_until_the_run_is_over(tmp_path):
    StageRecord(tmp_path, {"epochs": (1, None)}).finish()
    assert StageRecord(tmp_path, {"epochs": (1, None)}).finished
    with pytest.raises(ValueError, match=r"epochs=\[1, None\] \(now \[2, None\]\)"):
        StageRecord(tmp_path, {"epochs": (2, None)})
    forget_stages([tmp_path])
    assert not StageRecord(tmp_path, {"epochs": (2, None)}).finished
