"""A small run, from training to fine-tuning, that can kill itself while it writes.

    python -m test_support.killed_run DATA RUN [--kill.event write --kill.count 40]

A run that is killed goes on when it is started again. See `kills.py`.
"""

import dataclasses
import itertools
import os
import pathlib
import signal
import zipfile
from typing import Literal

import keras
import tyro

from examples.deepfake_v3.fine_tune import fine_tune_v3
from examples.deepfake_v3.train_model import train_model_v3
from test_support.small_backbone import build_small_backbone

Event = Literal["never", "write", "flush", "rename", "renamed"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kill:
    """A moment in the writing of a file at which the process kills itself.

    Attributes:
        event: Inside a file that is written, before it is flushed to the disk, before
            it gets its name, or just after.
        count: At which of these events, from 1.
    """

    event: Event = "never"
    count: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class KilledRun:
    """Train and fine-tune on a small data set, deterministically.

    Attributes:
        data: Data set.
        run: Where everything is written.
        epochs: Epochs of the first phase.
        stages: Epochs of each stage of fine-tuning.
        small_backbone: Three convolutions in the place of MobileNetV2.
        kill: When to die.
    """

    data: tyro.conf.Positional[str]
    run: tyro.conf.Positional[str]
    epochs: int = 8
    stages: tuple[int, ...] = (5, 5, 5)
    small_backbone: bool = False
    kill: Kill = dataclasses.field(default_factory=Kill)


def arm(kill: Kill) -> None:
    """Makes the process kill itself at the moment that `kill` says."""
    counts = itertools.count(1)

    def dying(function, after=False):
        def call(*args, **kwargs):
            last = next(counts) == kill.count
            if last and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    match kill.event:
        case "write":  # both the state and a model are zip files
            writer = zipfile._ZipWriteFile  # type: ignore[attr-defined]  # private
            writer.write = dying(writer.write)
        case "flush":
            os.fsync = dying(os.fsync)
        case "rename" | "renamed":
            pathlib.Path.replace = dying(  # type: ignore[method-assign]  # on purpose
                pathlib.Path.replace, after=kill.event == "renamed"
            )


def main(config: KilledRun) -> None:
    """Runs, or goes on."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        keras.utils.set_random_seed(0)
        tf.config.experimental.enable_op_determinism()
    if config.small_backbone:
        keras.applications.MobileNetV2 = build_small_backbone
    arm(config.kill)
    common = {
        "data_dir": config.data,
        "log_dir": f"{config.run}/logs",
        "batch_size": 8,
        "patience": 3,
        "verbose": 0,
    }
    count = len(config.stages)
    final = pathlib.Path(f"{config.run}/models/detector_final.keras")
    best = pathlib.Path(f"{config.run}/models/detector_best.keras")
    # As by hand: the second command is not given before the first is through.
    unfinished = pathlib.Path(f"{config.run}/logs/detector/state.npz").exists()
    if unfinished or not (best.parent / "detector.keras").exists():
        train_model_v3(
            model_save_path=str(best.parent / "detector.keras"),
            weights=None,
            image_size=32,
            alpha=0.35,
            epochs=config.epochs,
            **common,
        )
    fine_tune_v3(
        model_path=str(best),
        output_path=str(final),
        unfreeze=((3, 6, None) if config.small_backbone else (30, 80, None))[-count:],
        learning_rates=(1e-4, 5e-5, 1e-5)[:count],
        epochs=config.stages,
        **common,
    )


if __name__ == "__main__":
    main(tyro.cli(KilledRun))
