"""Scores as logits, and at another temperature: all that a verdict needs of numpy."""

import numpy as np

CLIP = 1e-7  # the distance to 1 that a float32 sigmoid still has


def to_logits(scores: np.ndarray) -> np.ndarray:
    """The logits of probabilities, finite for 0 and 1 too."""
    clipped = np.clip(np.asarray(scores, np.float64), CLIP, 1 - CLIP)
    return np.log(clipped) - np.log1p(-clipped)


def at_temperature(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities of fake with their logits divided by `temperature`."""
    return 1 / (1 + np.exp(-to_logits(scores) / temperature))
