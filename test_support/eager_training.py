"""Training op by op, for runs of a few steps."""

import keras
import pytest

from examples.deepfake_v3.training.stage import AugmentedTrainer


def train_eagerly(patch: pytest.MonkeyPatch) -> None:
    """Lets stages train op by op on TensorFlow, where a step takes long to compile."""
    if keras.backend.backend() == "tensorflow":
        eager = property(lambda trainer: True, lambda trainer, value: None)
        patch.setattr(AugmentedTrainer, "run_eagerly", eager)
