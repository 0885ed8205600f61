"""The options of `fine-tune` and `quick-fine-tune`."""

import dataclasses

from examples.deepfake_v3.checks import check_model_path, check_range
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.options.training import TrainingOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How the backbone is fine-tuned, and how the model of it looks at an image."""

    batch_size: int = 48
    """Images a step."""
    first_layer_rate: float = 1.0
    """Learning rate of the first backbone layer, relative to the head's; below 1, it
    grows geometrically with depth."""
    freeze_batch_norm: bool = False
    """Hold the backbone's batch normalisation to the statistics and weights that it
    has, which do not depend on the batch: for batches of few images."""
    mirror: bool = True
    """Let the final model score each image and its mirror image, and give the mean.
    It is better than one look, and takes twice the time."""

    def __post_init__(self):
        check_range("batch_size", self.batch_size, 1)
        if not 0 < self.first_layer_rate <= 1:
            raise InputError(
                "`first_layer_rate` must be above 0 and at most 1. "
                f"Received: first_layer_rate={self.first_layer_rate}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuneOptions(FineTuning, TrainingOptions):
    """What both ways of fine-tuning have in common."""

    model_path: str = "models/deepfake_detector_v3_best.keras"
    """The trained model to start from."""
    data_dir: str = "data/processed"
    """Images, as data_dir/{train,val,test}/{real,fake}."""

    def __post_init__(self):
        TrainingOptions.__post_init__(self)
        FineTuning.__post_init__(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuneConfig(FineTuneOptions):
    """Fine-tune in stages: the last layers of the backbone first, then all."""

    output_path: str = "models/deepfake_detector_v3_final.keras"
    """Where the best model of all stages is saved."""
    run_all_stages: bool = True
    """Run every stage; otherwise the first one only."""
    unfreeze: tuple[int | None, ...] = (30, 80, None)
    """How many of the backbone's last layers each stage trains; None: all."""
    learning_rates: tuple[float, ...] = (4e-4, 4e-4, 4e-4)
    """Peak learning rate of each stage."""
    epochs: tuple[int, ...] = (1, 1, 12)
    """Epochs of each stage, at the most."""

    def __post_init__(self):
        super().__post_init__()
        check_model_path("output_path", self.output_path)
        stages = (self.unfreeze, self.learning_rates, self.epochs)
        if (
            not all(isinstance(values, (list, tuple)) and values for values in stages)
            or len({len(values) for values in stages}) > 1
        ):
            raise InputError(
                "`unfreeze`, `learning_rates` and `epochs` must be tuples of one "
                f"length, a value a stage. Received: unfreeze={self.unfreeze}, "
                f"learning_rates={self.learning_rates}, epochs={self.epochs}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuickFineTuneConfig(FineTuneOptions):
    """Fine-tune in one stage."""

    output_path: str = "models/deepfake_detector_v3_quick.keras"
    """Where the best model is saved."""
    unfreeze: int | None = 80
    """How many of the backbone's last layers are trained; None: all."""
    learning_rate: float = 4e-4
    """Peak learning rate."""
    epochs: int = 10
    """Epochs at the most."""

    def __post_init__(self):
        super().__post_init__()
        check_model_path("output_path", self.output_path)
