"""The options of `evaluate`."""

import dataclasses

from examples.deepfake_v3.checks import CRITERION, Criterion
from examples.deepfake_v3.options.choices import BATCH_SIZE, Pipeline


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Evaluate on test, with a threshold chosen on val."""

    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The trained model, a .keras file."""
    data_dir: str = "data/processed"
    """Directory with val/{real,fake} and test/{real,fake}."""
    reports_dir: str = "reports"
    """Where card.html, evaluation.json, quarantine.csv and the figures are written."""
    batch_size: int = BATCH_SIZE
    """Images per prediction step."""
    optimize_threshold: bool = True
    """Also report the metrics at the threshold that is best on val."""
    threshold_criterion: Criterion = CRITERION
    """What "best" means: F1, Youden's J, recall and specificity balanced, or the most
    fakes found at 5 % false alarms."""
    generate_plots: bool = True
    """Draw the figures of the test split."""
    robustness_images: int = 250
    """Test images a class that are also compressed, blurred, resized and made noisy, in
    14 ways that each take a prediction; 0 for none."""
    test_dirs: tuple[str, ...] = ()
    """Further directories with test/{real,fake}, such as other data sets."""
    compare_to: str | None = None
    """Another model, a .keras file, to compare with on the same images."""
    pipeline: Pipeline = "auto"
    """Input pipeline; auto is tf on TensorFlow, grain elsewhere."""
