"""The population of the simulation is what many simulated images amount to."""

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.threshold_criteria import CRITERIA, RATIOS, measure, population
from examples.deepfake_v3.evaluation.metrics import compute_metrics


@pytest.mark.parametrize("spread", [1.0, 2.0])
def test_shares_of_the_population_are_those_of_many_images(spread):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [300_000, 100_000])
    distance = norm.ppf(0.8) * np.sqrt(1 + spread**2)
    noise = rng.normal(size=len(labels)) * np.where(labels, spread, 1)
    scores = 1 / (1 + np.exp(-noise - distance * (labels - 0.5)))
    logit = 0.4
    metrics = compute_metrics(labels, scores, 1 / (1 + np.exp(-logit)))
    found = population(np.array([logit]), distance, spread, 0.25)
    assert metrics["auc_roc"] == pytest.approx(0.8, abs=0.003)
    for ours, theirs in (
        ("accuracy", metrics["accuracy"]),
        ("balanced accuracy", metrics["balanced_accuracy"]),
        ("F1", metrics["f1_score"]),
        ("false alarms", 1 - metrics["specificity"]),
    ):
        assert found[ours][0] == pytest.approx(theirs, abs=0.005)


def test_f1_calls_most_real_images_fake_where_scores_say_nothing():
    rows = {
        row["criterion"]: row
        for row in measure(draws=4, seed=0)
        if (row["AUC"], row["real:fake"], row["val images"], row["spread of fakes"])
        == (0.5, "1:1", 440, 1.0)
    }
    assert set(rows) == set(CRITERIA) and (1, 1) in RATIOS
    assert rows["f1"]["false alarms"] > 0.9
    assert rows["balanced"]["false alarms"] == pytest.approx(0.5, abs=0.05)
    assert rows["false_alarms"]["false alarms"] < 0.1
