"""Stages one after the other, each from the best model of those before it."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from examples.deepfake_v3.evaluation.metrics import epoch_score
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.model import rate_multipliers, unfreeze_backbone
from examples.deepfake_v3.options.fine_tune import FineTuning
from examples.deepfake_v3.options.training import TrainingOptions
from examples.deepfake_v3.training.checkpoint import fingerprint
from examples.deepfake_v3.training.distribution import current_cluster
from examples.deepfake_v3.training.stage import Stage, train_stage


@dataclasses.dataclass(frozen=True)
class StagesRun:
    """What stages leave beside the weights of the model.

    Attributes:
        logs: Logs of every epoch, by the stage's name.
        log_dirs: Directories of the stages, for `forget_stages` once the run is over.
        best_path: Where the model of the best epoch of all is.
        best_score: What `epoch_score` says of that epoch.
    """

    logs: dict[str, list[dict[str, float]]]
    log_dirs: list[Path]
    best_path: Path
    best_score: tuple[float, float]


def enter_stage(
    model: keras.Model, tuning: FineTuning, *, last: int | None, **plan
) -> Stage:
    """Sets which layers of the backbone a stage trains, and says how.

    Args:
        model: The detector, with the weights that the stage starts from.
        tuning: The options common to all stages of fine-tuning.
        last: How many of the backbone's last layers are trained; `None`: all.
        **plan: `name`, `number`, `best_path`, `epochs` and `learning_rate` of the
            stage.
    """
    unfreeze_backbone(model, last, tuning.freeze_batch_norm)
    return Stage(
        batch_size=tuning.batch_size,
        initial_weights=fingerprint(model.variables),
        rate_multipliers=rate_multipliers(model, tuning.first_layer_rate),
        **plan,
    )


def run_stages(
    model: keras.Model,
    images: dict[str, ImageList],
    options: TrainingOptions,
    enter_stages: Sequence[Callable[[keras.Model], Stage]],
    lost: LostImages | None = None,
) -> StagesRun:
    """Trains in stages; `model` ends with the weights of the best epoch of all.

    A stage that ends with no better model than those before it changes nothing: the
    next one starts where it has started. Called again with the same arguments, an
    interrupted run goes on as `train_stage` does.

    Args:
        model: The detector.
        images: `{"train": …, "val": …}`.
        options: The options common to all stages.
        enter_stages: For each stage, what sets the layers that are trained, and gives
            the stage; called when the model has come to it.
        lost: What becomes of images that can no longer be read.

    Raises:
        FloatingPointError: If the loss becomes NaN or infinite.
        OSError: If a file cannot be written.
        ValueError: If a run with other settings or images is unfinished in the same
            log directory, and `options.force` is `False`.
    """
    output = current_cluster().output
    logs, log_dirs = {}, []
    best_path, best_score = Path(), (-math.inf, -math.inf)
    for enter in enter_stages:
        stage = enter(model)
        logs[stage.name] = train_stage(model, images, options, stage, lost)
        log_dirs.append(output(Path(options.log_dir) / stage.name))
        score = max(map(epoch_score, logs[stage.name]))
        if score > best_score:
            best_path, best_score = stage.best_path, score
        else:
            model.load_weights(output(best_path))
    return StagesRun(logs, log_dirs, best_path, best_score)
