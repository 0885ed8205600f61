"""How a stage goes: which epoch is best, how fast, and when it has failed."""

import contextlib
import datetime
import math
import time
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from examples.deepfake_v3.errors import DivergedError


class StopAtNaN(keras.callbacks.Callback):
    """Ends the run with an error soon after the loss is not a number.

    The loss in the logs is the mean of the epoch so far, which stays NaN. It is looked
    at every 20 batches: each look waits for the device to finish. `Checkpoint` looks
    at the end of each epoch.
    """

    def on_train_batch_end(self, batch, logs=None):
        if batch % 20 == 0:
            refuse_nan("loss", logs["loss"], f"in batch {batch}")


def refuse_nan(name: str, value, when: str) -> None:
    """Raises a `FloatingPointError` unless all of `value` is finite."""
    if not np.all(np.isfinite(value)):
        raise DivergedError(
            f"{name} became NaN or infinite {when}. The best model and the state "
            "before this epoch are kept. Try a lower learning_rate, a smaller "
            "clipnorm, or mixed_precision='float32'; with force (--force), the same "
            "command then goes on from that state."
        )


@contextlib.contextmanager
def torch_nan_named() -> Iterator[None]:
    """Turns the error of torch, whose loss takes no NaN, into `refuse_nan`'s."""
    try:
        yield
    except RuntimeError as error:
        if "between 0 and 1" in str(error):
            refuse_nan("The output", math.nan, "within an epoch")
        raise


class GateStatistics(keras.callbacks.Callback):
    """Adds to the logs of every epoch what the gate does.

    `gate_mean` is the mean over images and channels; `gate_spread` the standard
    deviation over images, its mean over channels. At a spread near 0 the gate is the
    same for every image, and tells the head nothing.

    Args:
        detector: A model with the layer `forensic_stream`.
        images: Some validation images, in grey levels 0..255.
    """

    def __init__(self, detector: keras.Model, images):
        super().__init__()
        stream = detector.get_layer("forensic_stream")
        self.gate = keras.Model(detector.input, stream.output)
        self.images = images

    def on_epoch_end(self, epoch, logs=None):
        gate = ops.convert_to_numpy(self.gate(self.images, training=False))
        logs["gate_mean"] = float(np.mean(gate, dtype="float64"))
        logs["gate_spread"] = float(np.mean(np.std(gate, axis=0, dtype="float64")))


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
            f"at this rate, the stage ends by {end:%H:%M on %d %B}.",
            flush=True,
        )


def as_history(epochs: list[dict[str, float]]) -> dict[str, list[float]]:
    """`{metric: [value of each epoch]}`, as Keras's `History` has it."""
    return {metric: [logs[metric] for logs in epochs] for metric in epochs[0]}
