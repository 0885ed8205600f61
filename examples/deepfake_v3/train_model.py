"""Phase 1: trains the forensic stream and the head, with a frozen backbone."""

import dataclasses
import hashlib
from pathlib import Path

import keras

from examples.deepfake_v3.files.files import alone_in
from examples.deepfake_v3.loading.data import check_data_dir, class_folders
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.loading.pipeline import make_dataset
from examples.deepfake_v3.model import (
    build_model_v3,
    freeze_backbone,
    measure_backbone_statistics,
)
from examples.deepfake_v3.options.train import Config
from examples.deepfake_v3.training.checkpoint import forget_stages
from examples.deepfake_v3.training.distribution import current_cluster, distributed
from examples.deepfake_v3.training.finish import save_trained
from examples.deepfake_v3.training.precision import building_under, choose_dtype_policy
from examples.deepfake_v3.training.progress import as_history
from examples.deepfake_v3.training.stage import Stage, check_room_for, train_stage

__all__ = ["Config", "build_model_v3", "train_model_v3"]


def train_model_v3(
    config: Config | None = None, **overrides
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Trains the detector with a frozen backbone.

    Interrupted, the same call goes on after the last finished epoch, and ends as it
    would have.

    Args:
        config: The configuration; the defaults of `Config` without it.
        **overrides: Fields of `Config` by name.

    Returns:
        `(model, history)`: the model with the weights of its best epoch, uncompiled,
        and `{metric: [value of each epoch]}`.

    Raises:
        FileNotFoundError: If a data directory or the weights file is missing.
        LostImagesError: If too many images can no longer be read during the run.
        OSError: If a file cannot be written, or another run writes in `log_dir`.
        ValueError: If the data or an argument cannot be used, or if an unfinished run
            in `log_dir` was started with others.
        FloatingPointError: If the loss or a weight becomes NaN or infinite.
        TypeError: If an override is no field of `Config`.
    """
    config = dataclasses.replace(config or Config(), **overrides)
    with (
        distributed(config.distribute, config.batch_size),
        alone_in(current_cluster().output(Path(config.log_dir))),
    ):
        return _train(config)


def _train(config: Config) -> tuple[keras.Model, dict[str, list[float]]]:
    cluster = current_cluster()
    path = Path(config.model_save_path)
    logs = Path(config.log_dir)
    stage = Stage(
        name=path.stem,
        number=0,
        best_path=path.with_name(f"{path.stem}_best.keras"),
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        initial_weights=_describe_weights(config.weights),
    )
    class_folders(config.data_dir)  # before weights are fetched for nothing
    keras.utils.set_random_seed(config.seed)
    with building_under(choose_dtype_policy(config.mixed_precision)):
        model = build_model_v3(
            config.weights,
            config.image_size,
            config.alpha,
            config.dropout,
            config.visual_size,
        )
    check_room_for(model, config, path, {stage.name: stage.best_path})
    images = check_data_dir(
        config.data_dir, report_path=cluster.output(logs / "quarantine.csv")
    )
    lost = LostImages(cluster.output(logs / "quarantine.csv"))
    if config.weights is None:
        sample = make_dataset(
            images["train"],
            image_size=config.image_size,
            batch_size=config.batch_size,
            training=True,
            seed=config.seed,
            pipeline=config.pipeline,
            lost=lost,
        )
        with lost.ending_readably():
            measure_backbone_statistics(model, next(iter(sample))[0])
    freeze_backbone(model)
    with lost.ending_readably():
        epochs = train_stage(model, images, config, stage, lost)
    save_trained(
        model,
        path,
        command="train",
        config=config,
        images=images,
        lost=lost,
        stages={stage.name: epochs},
    )
    forget_stages([cluster.output(logs / stage.name)])
    print(
        f"Saved {path} (the same weights as {stage.best_path}), its logs in "
        f"{logs / stage.name}, unusable files in {logs / 'quarantine.csv'}."
    )
    return model, as_history(epochs)


def _describe_weights(weights: str | None) -> str:
    """The name of the weights, or the hash of their file."""
    if weights is None or not Path(weights).is_file():
        return str(weights)
    with Path(weights).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
