"""Phase 2: fine-tunes the backbone, in three stages from its end to its start."""

import dataclasses
import math
from pathlib import Path

import keras

from examples.deepfake_v3.data import check_data_dir
from examples.deepfake_v3.model import (
    load_detector,
    rate_multipliers,
    unfreeze_backbone,
)
from examples.deepfake_v3.training import (
    TrainingOptions,
    best_epoch_score,
    save_model,
    train_stage,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuneOptions(TrainingOptions):
    """What both ways of fine-tuning have in common."""

    model_path: str = "models/deepfake_detector_v3_best.keras"
    """The trained model to start from."""
    data_dir: str = "data/processed"
    """Images, as data_dir/{train,val,test}/{real,fake}."""
    batch_size: int = 48
    """Images a step."""
    first_layer_rate: float = 0.1
    """Learning rate of the first backbone layer, relative to the head's. It grows
    geometrically with depth."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuneConfig(FineTuneOptions):
    """Fine-tune in stages: the last layers of the backbone first, then all."""

    output_path: str = "models/deepfake_detector_v3_final.keras"
    """Where the best model of all stages is saved."""
    run_all_stages: bool = True
    """Run every stage; otherwise the first one only."""
    unfreeze: tuple[int | None, ...] = (30, 80, None)
    """How many of the backbone's last layers each stage trains; None: all."""
    learning_rates: tuple[float, ...] = (1e-4, 5e-5, 1e-5)
    """Peak learning rate of each stage."""
    epochs: tuple[int, ...] = (5, 5, 5)
    """Epochs of each stage, at the most."""

    def __post_init__(self):
        if not len(self.unfreeze) == len(self.learning_rates) == len(self.epochs) > 0:
            raise ValueError(
                "`unfreeze`, `learning_rates` and `epochs` must name the same number "
                f"of stages. Received: unfreeze={self.unfreeze}, learning_rates="
                f"{self.learning_rates}, epochs={self.epochs}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuickFineTuneConfig(FineTuneOptions):
    """Fine-tune in one stage."""

    output_path: str = "models/deepfake_detector_v3_quick.keras"
    """Where the best model is saved."""
    unfreeze: int | None = 80
    """How many of the backbone's last layers are trained; None: all."""
    learning_rate: float = 5e-5
    """Peak learning rate."""
    epochs: int = 10
    """Epochs at the most."""


def fine_tune_v3(
    config: FineTuneConfig | None = None, **overrides
) -> tuple[keras.Model, dict[str, dict[str, list[float]]]]:
    """Fine-tunes a trained detector in stages.

    Each stage starts from the best model so far, saves its own best beside
    `output_path` as `*_stage1.keras`, …, and the best of all stages becomes the final
    model.

    Args:
        config: The configuration; the defaults of `FineTuneConfig` without it.
        **overrides: Fields of `FineTuneConfig` by name.

    Returns:
        `(model, all_history)`: the best model, uncompiled, and `{"stage1": history,
        …}`.

    Raises:
        FileNotFoundError: If the model or a data directory is missing.
        ValueError: If the data or an argument cannot be used.
        TypeError: If an override is no field of `FineTuneConfig`.
    """
    config = dataclasses.replace(config or FineTuneConfig(), **overrides)
    stages = list(
        zip(config.unfreeze, config.learning_rates, config.epochs, strict=True)
    )
    if not config.run_all_stages:
        stages = stages[:1]
    return _run_stages(config, Path(config.output_path), stages)


def quick_fine_tune(
    config: QuickFineTuneConfig | None = None, **overrides
) -> keras.Model:
    """Fine-tunes a trained detector in one stage.

    Args:
        config: The configuration; the defaults of `QuickFineTuneConfig` without it.
        **overrides: Fields of `QuickFineTuneConfig` by name.

    Returns:
        The model of the best epoch, uncompiled.

    Raises:
        FileNotFoundError: If the model or a data directory is missing.
        ValueError: If the data or an argument cannot be used.
        TypeError: If an override is no field of `QuickFineTuneConfig`.
    """
    config = dataclasses.replace(config or QuickFineTuneConfig(), **overrides)
    stages = [(config.unfreeze, config.learning_rate, config.epochs)]
    return _run_stages(config, Path(config.output_path), stages)[0]


def _run_stages(config, output_path, stages):
    model = load_detector(config.model_path)
    images = check_data_dir(
        config.data_dir, report_path=Path(config.log_dir) / "quarantine.csv"
    )
    keras.utils.set_random_seed(config.seed)
    all_history = {}
    best_score = (-math.inf, -math.inf)
    best_path = output_path
    for number, (last, learning_rate, epochs) in enumerate(stages, start=1):
        stage = f"stage{number}"
        stage_path = output_path.with_name(f"{output_path.stem}_{stage}.keras")
        unfreeze_backbone(model, last)
        history = train_stage(
            model,
            images,
            config,
            name=f"{output_path.stem}_{stage}",
            best_path=stage_path,
            epochs=epochs,
            batch_size=config.batch_size,
            learning_rate=learning_rate,
            rate_multipliers=rate_multipliers(model, config.first_layer_rate),
        )
        all_history[stage] = history
        score = best_epoch_score(history)
        if score > best_score:
            best_score, best_path = score, stage_path
        model.load_weights(best_path)
    save_model(model, output_path)
    print(f"Saved {output_path}: {best_path.name}, val AUC {best_score[0]:.4f}.")
    return model, all_history
