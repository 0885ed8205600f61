"""What a stage leaves on disk while it runs: its best model, history and record."""

import csv
import datetime
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from examples.deepfake_v3.distribution import statistics_of_one_device
from examples.deepfake_v3.files import replacing


class BestCheckpoint(keras.callbacks.Callback):
    """Saves the detector after the best epoch so far; never half a file.

    Args:
        detector: The model to save.
        path: Where.
        finished: Logs of the epochs before an interruption, which count.
    """

    def __init__(
        self,
        detector: keras.Model,
        path: Path,
        finished: Sequence[Mapping[str, float]] = (),
    ):
        super().__init__()
        self.detector = detector
        self.path = path
        self.best = max(map(epoch_score, finished), default=(-math.inf, -math.inf))

    def on_epoch_end(self, epoch, logs=None):
        if epoch_score(logs) > self.best:
            self.best = epoch_score(logs)
            save_model(self.detector, self.path)


def epoch_score(logs: Mapping[str, float]) -> tuple[float, float]:
    """What "best" means: the highest val AUC, and of equals the lowest val loss."""
    return logs["val_auc"], -logs["val_loss"]


class StopAtNaN(keras.callbacks.Callback):
    """Ends the run with an error when the loss is not a number.

    The loss in the logs is the mean of the epoch so far, which stays NaN. It is looked
    at every 20 batches: each look waits for the device to finish.
    """

    def on_train_batch_end(self, batch, logs=None):
        if batch % 20 == 0:
            self._check(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._check("the last one of the epoch", logs)

    def _check(self, batch, logs):
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"The loss became {logs['loss']} in batch {batch}. The best model so "
                "far is kept. Try a lower learning_rate, a smaller clipnorm, or "
                "mixed_precision='float32'."
            )


class Forecast(keras.callbacks.Callback):
    """Prints once, early in the first epoch, how fast it goes and when it ends.

    Args:
        pipeline_rate: Images a second of the input pipeline alone.
        train_count: Training images of an epoch.
        val_count: Validation images, taken to cost as much as training images.
    """

    TIMED_STEPS = 20

    def __init__(self, pipeline_rate: float, train_count: int, val_count: int):
        super().__init__()
        self.pipeline_rate = pipeline_rate
        self.train_count = train_count
        self.val_count = val_count
        self.first_epoch: int | None = None
        self.printed = False

    def on_epoch_begin(self, epoch, logs=None):
        if self.first_epoch is None:
            self.first_epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # Reading a value of the logs waits for the device.
        if batch == 0 and not self.printed:  # the first step compiles
            float(logs["loss"])
            self.start = time.perf_counter()
        elif not self.printed and batch in (self.TIMED_STEPS, self.params["steps"] - 1):
            float(logs["loss"])
            self._print(batch / (time.perf_counter() - self.start))

    def _print(self, steps_a_second: float):
        self.printed = True
        rate = steps_a_second * self.train_count / self.params["steps"]
        epochs = self.params["epochs"] - self.first_epoch
        seconds = epochs * (self.train_count + self.val_count) / rate
        end = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
        print(
            f"\n{self.pipeline_rate:,.0f} images/s from the pipeline alone, "
            f"{rate:,.0f} images/s trained; "
            f"ends by {end:%H:%M on %d %B} at the latest.",
            flush=True,
        )


def save_model(model: keras.Model, path: Path) -> None:
    """Saves the model whole, or leaves the old file."""
    with replacing(path) as partial, statistics_of_one_device(model):
        model.save(partial)


def read_epochs(history_path: Path) -> list[dict[str, float]]:
    """The logs of every finished epoch, as written by Keras's CSVLogger."""
    if not history_path.exists():
        return []
    with history_path.open(newline="") as file:
        return [
            {key: float(value) for key, value in row.items() if key != "epoch"}
            for row in csv.DictReader(file)
        ]


def as_history(epochs: list[dict[str, float]]) -> dict[str, list[float]]:
    """`{metric: [value of each epoch]}`, as Keras's `History` has it."""
    return {metric: [logs[metric] for logs in epochs] for metric in epochs[0]}


class StageRecord:
    """What a stage was started with, so that it only goes on with the same.

    The record lies in the stage's log directory until the whole run is over: a stage
    that is finished is then not run again by the same command.

    Args:
        log_dir: Directory of the stage.
        settings: Everything that decides the result, as JSON would hold it.

    Raises:
        ValueError: If an unfinished run with other settings lies in `log_dir`.
    """

    def __init__(self, log_dir: Path, settings: Mapping[str, Any]):
        self.path = log_dir / "stage.json"
        self.backup_dir = log_dir / "backup"
        self.settings = json.loads(json.dumps(settings, default=str))
        self.finished = False
        if not self.path.exists():
            self._write()
            return
        found = json.loads(self.path.read_text())
        changed = [
            f"{key}={found['settings'].get(key)!r} (now {value!r})"
            for key, value in self.settings.items()
            if found["settings"].get(key) != value
        ]
        if changed and (self.backup_dir.exists() or found["finished"]):
            raise ValueError(
                f"An unfinished run in {log_dir} was started with other settings: "
                f"{', '.join(changed)}. Give those to go on with it, or delete "
                f"{log_dir} to start anew."
            )
        self.finished = found["finished"] and not changed
        self._write()

    def finish(self) -> None:
        """Notes that the stage is finished, though not yet the run."""
        self.finished = True
        self._write()

    def _write(self) -> None:
        with replacing(self.path) as partial:
            record = {"finished": self.finished, "settings": self.settings}
            partial.write_text(json.dumps(record, indent=1) + "\n")


def forget_stages(log_dirs: Sequence[Path]) -> None:
    """Ends a run: called again, the same command trains anew."""
    for log_dir in log_dirs:
        (log_dir / "stage.json").unlink(missing_ok=True)
