import datetime
import math
import types

import keras
import pytest

from examples.deepfake_v3.model_files.saving import save_model
from examples.deepfake_v3.training import progress
from examples.deepfake_v3.training.progress import Forecast, StopAtNaN

pytestmark = pytest.mark.backends


def small_model():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(1, name="out")(inputs))


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
    with pytest.raises(
        FloatingPointError, match=r"loss .* in batch 20.*lower learning_rate.*--force"
    ):
        StopAtNaN().on_train_batch_end(20, {"loss": loss})


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
    assert any(f"the stage ends by {end}." in printed for end in ends)
