"""Temperature scaling: one number that makes scores mean what they say.

Guo et al., "On Calibration of Modern Neural Networks", 2017. The logit of every score
is divided by a temperature, which changes neither the order of the scores nor, with the
threshold scaled alike, any decision.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.evaluation.logits import at_temperature, to_logits
from examples.deepfake_v3.evaluation.metrics import expected_calibration_error
from examples.deepfake_v3.evaluation.scoring import Measured, Scored, measured

RANGE = (1 / 20, 20.0)  # temperatures that are looked at


def fit_temperature(labels: np.ndarray, scores: np.ndarray) -> float:
    """The temperature of the highest likelihood.

    Args:
        labels: Real 0, fake 1, of shape `(n,)`.
        scores: Probabilities of fake in [0, 1], of shape `(n,)`.

    Returns:
        A number within `RANGE`: above 1 for a detector that is too sure of itself. At
        its lower end where no image is on the wrong side of .5, since then there is no
        best one.
    """
    logits = to_logits(scores)
    # Over the logarithm of the temperature, where twice and half are as far from 1.
    found = minimize_scalar(
        lambda log_t: np.mean(_losses(labels, logits / np.exp(log_t))),
        bounds=np.log(RANGE),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def is_at_end(temperature: float) -> bool:
    """Whether a fitted temperature is an end of `RANGE`, and so none that is best."""
    return bool(np.isclose(temperature, RANGE, rtol=1e-3).any())


def measure_calibration(scored: Scored, temperature: float) -> dict[str, Measured]:
    """How far scores are from frequencies, at a temperature.

    Returns:
        "log_loss" and "brier" with intervals, and "ece", the expected calibration
        error, without one: resampling raises it.
    """
    labels, logits = scored.labels, to_logits(scored.scores) / temperature
    # Unscaled, the scores themselves: what compute_metrics measures.
    scores = (
        scored.scores
        if temperature == 1
        else at_temperature(scored.scores, temperature)
    )
    each = {"log_loss": _losses(labels, logits), "brier": (scores - labels) ** 2}
    intervals = bootstrap(
        lambda weights: {
            name: weights @ values / weights.sum(axis=1)
            for name, values in each.items()
        },
        scored.clusters,
    )
    return {
        name: measured(float(values.mean()), intervals[name])
        for name, values in each.items()
    } | {"ece": measured(expected_calibration_error(labels, scores), None)}


def _losses(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Cross-entropy of every image, in nats."""
    return np.logaddexp(0, np.where(labels == 1, -logits, logits))
