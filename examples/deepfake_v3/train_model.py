"""Phase 1: trains the forensic stream and the head, with a frozen backbone."""

import contextlib
import dataclasses
from pathlib import Path

import keras

from examples.deepfake_v3.data import check_data_dir, make_dataset
from examples.deepfake_v3.model import (
    build_model_v3,
    freeze_backbone,
    measure_backbone_statistics,
)
from examples.deepfake_v3.training import (
    TrainingOptions,
    choose_dtype_policy,
    save_model,
    train_stage,
)

__all__ = ["Config", "build_model_v3", "train_model_v3"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingOptions):
    """Train the detector with a frozen backbone."""

    data_dir: str = "data/processed"
    """Images, as data_dir/{train,val,test}/{real,fake}."""
    model_save_path: str = "models/deepfake_detector_v3.keras"
    """Where the model is saved. Its best epoch is also kept as *_best.keras."""
    weights: str | None = "imagenet"
    """Backbone weights: imagenet, a .h5 file, or None for random ones."""
    image_size: int = 224
    """Side of the square that is cropped from each image, in pixels."""
    alpha: float = 1.0
    """Width of MobileNetV2."""
    dropout: float = 0.3
    """Dropout rate in the head."""
    epochs: int = 15
    """Epochs at the most."""
    batch_size: int = 64
    """Images a step."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    mixed_precision: str = "auto"
    """float32, mixed_float16, mixed_bfloat16, or auto: by device."""


def train_model_v3(
    config: Config | None = None, **overrides
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Trains the detector with a frozen backbone.

    Args:
        config: The configuration; the defaults of `Config` without it.
        **overrides: Fields of `Config` by name.

    Returns:
        `(model, history)`: the model with the weights of its best epoch, uncompiled,
        and `{metric: [value of each epoch]}`.

    Raises:
        FileNotFoundError: If a data directory or the weights file is missing.
        ValueError: If the data or an argument cannot be used.
        TypeError: If an override is no field of `Config`.
    """
    config = dataclasses.replace(config or Config(), **overrides)
    path = Path(config.model_save_path)
    images = check_data_dir(
        config.data_dir, report_path=Path(config.log_dir) / "quarantine.csv"
    )
    keras.utils.set_random_seed(config.seed)
    with dtype_policy(choose_dtype_policy(config.mixed_precision)):
        model = build_model_v3(
            config.weights, config.image_size, config.alpha, config.dropout
        )
    if config.weights is None:
        sample = make_dataset(
            images["train"],
            image_size=config.image_size,
            batch_size=config.batch_size,
            training=True,
            seed=config.seed,
            pipeline=config.pipeline,
        )
        measure_backbone_statistics(model, next(iter(sample))[0])
    freeze_backbone(model)
    history = train_stage(
        model,
        images,
        config,
        name=path.stem,
        best_path=path.with_name(f"{path.stem}_best.keras"),
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
    )
    save_model(model, path)
    print(f"Saved {path}; its logs are in {Path(config.log_dir) / path.stem}.")
    return model, history


@contextlib.contextmanager
def dtype_policy(name: str):
    """Builds layers under a policy, and puts the old one back."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
