import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from examples.deepfake_v3.evaluation.calibration import (
    RANGE,
    fit_temperature,
    is_at_end,
    measure_calibration,
)
from examples.deepfake_v3.evaluation.logits import at_temperature
from examples.deepfake_v3.evaluation.metrics import compute_metrics
from examples.deepfake_v3.evaluation.scoring import Scored


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def miscalibrated(temperature, count=20_000, seed=0):
    """Labels, and scores whose logits are `temperature` times the true ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, count)
    labels = (rng.uniform(size=count) < sigmoid(logits)).astype(int)
    return labels, sigmoid(temperature * logits)


def scored(labels, scores):
    paths = tuple(str(i) for i in range(len(labels)))
    return Scored(paths, labels, scores, np.arange(len(labels)))


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature):
    found = fit_temperature(*miscalibrated(temperature))
    assert found == pytest.approx(temperature, rel=0.05)


def test_the_temperature_is_that_of_logistic_regression_without_an_intercept():
    labels, scores = miscalibrated(2.0, count=300)
    logits = np.log(scores / (1 - scores))[:, None]
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    slope = model.fit(logits, labels).coef_[0, 0]
    assert fit_temperature(labels, scores) == pytest.approx(1 / slope, rel=1e-3)


def test_scaling_leaves_the_order_and_moves_scores_towards_a_half():
    scores = np.array([0.01, 0.3, 0.5, 0.9])
    scaled = at_temperature(scores, 2.0)
    np.testing.assert_allclose(scaled, sigmoid(np.log(scores / (1 - scores)) / 2))
    np.testing.assert_allclose(at_temperature(scores, 1.0), scores)


def test_scores_of_exactly_0_and_1_can_be_scaled():
    scores = np.array([0.0, 0.0, 1.0, 1.0])
    labels = np.array([0, 1, 0, 1])
    assert np.isfinite(fit_temperature(labels, scores))
    scaled = at_temperature(scores, 2.0)
    assert ((scaled > 0) & (scaled < 1)).all()
    # They are wrong as often as right: hardly surer than a half.
    assert fit_temperature(labels, scores) == pytest.approx(RANGE[1], rel=1e-3)


def test_without_an_error_there_is_no_best_temperature_and_that_is_said():
    separated = fit_temperature(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))
    assert separated == pytest.approx(RANGE[0], rel=1e-3)
    assert is_at_end(separated)
    assert not is_at_end(fit_temperature(*miscalibrated(2.0, 500)))


def test_scaling_mends_calibration_on_other_images():
    temperature = fit_temperature(*miscalibrated(3.0, seed=0))
    others = scored(*miscalibrated(3.0, count=5000, seed=1))
    before = measure_calibration(others, 1.0)
    after = measure_calibration(others, temperature)
    for name in ("log_loss", "brier", "ece"):
        assert after[name]["value"] < before[name]["value"]
    assert after["log_loss"]["high"] < before["log_loss"]["low"]
    assert after["ece"]["value"] < 0.03 < before["ece"]["value"]


def test_measures_before_scaling_are_those_of_the_metrics():
    labels, scores = miscalibrated(2.0, count=400)
    measures = measure_calibration(scored(labels, scores), 1.0)
    metrics = compute_metrics(labels, scores)
    assert measures["ece"] == {"value": metrics["ece"], "low": None, "high": None}
    assert measures["brier"]["value"] == pytest.approx(metrics["brier"])
    expected = log_loss(labels, scores)
    assert measures["log_loss"]["value"] == pytest.approx(expected)
    assert measures["log_loss"]["low"] < expected < measures["log_loss"]["high"]
