"""The options of `calibrate`."""

import dataclasses

from examples.deepfake_v3.checks import CRITERION, Criterion
from examples.deepfake_v3.options.choices import BATCH_SIZE, Pipeline


@dataclasses.dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """Choose threshold and temperature on val, and write them into the model file.

    train and fine-tune end with this. It is for other models, other val images, or
    another criterion.
    """

    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The trained model, a .keras file. It is replaced by itself with new metadata."""
    data_dir: str = "data/processed"
    """Directory with val/{real,fake}."""
    threshold_criterion: Criterion = CRITERION
    """What the threshold must serve best: F1, Youden's J, recall and specificity
    balanced, or the most fakes found at 5 % false alarms."""
    reports_dir: str = "reports"
    """Where quarantine.csv is written."""
    batch_size: int = BATCH_SIZE
    """Images per prediction step."""
    pipeline: Pipeline = "auto"
    """Input pipeline; auto is tf on TensorFlow, grain elsewhere."""
