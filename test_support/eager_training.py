"""Training op by op, for runs of a few steps."""

import keras
import pytest

from examples.deepfake_v3.training.stage import AugmentedTrainer


def train_eagerly(
    patch: pytest.MonkeyPatch, models: type[keras.Model] = AugmentedTrainer
) -> None:
    """Lets models run op by op on TensorFlow, where a step takes long to compile.

    Args:
        patch: Ends it.
        models: Which models; those that train in stages.
    """
    if keras.backend.backend() == "tensorflow":
        eager = property(lambda model: True, lambda model, value: None)
        patch.setattr(models, "run_eagerly", eager)
