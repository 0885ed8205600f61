"""The options of `quickstart`."""

import dataclasses

from examples.deepfake_v3.options.choices import Pipeline


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuickstartConfig:
    """Render a synthetic demo set, then train, fine-tune and evaluate, scaled down."""

    output_dir: str = "demo"
    """Where everything is written: data, models, logs, reports."""
    shuffle_labels: bool = False
    """Control run: permute the labels of train and val. The test AUC must be .5."""
    pipeline: Pipeline = "auto"
    """Input pipeline; auto is tf on TensorFlow, grain elsewhere."""
    seed: int = 0
    """Seed of the demo set and of the training."""
