"""What stands behind a threshold, and when that is too little."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from examples.deepfake_v3.evaluation.evidence import measure_evidence
from examples.deepfake_v3.model_files.evidence import Evidence

STRONG = Evidence(
    real=100, fake=90, auc=0.9, auc_low=0.85, auc_high=0.94, false_alarms=9, misses=12
)


def test_evidence_is_counted_on_the_scores():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 60])
    scores = 1 / (1 + np.exp(-rng.normal(size=100) - labels))
    found = measure_evidence(labels, scores, 0.6)
    assert found.auc == pytest.approx(roc_auc_score(labels, scores))
    assert found.auc_low < found.auc < found.auc_high
    assert (found.real, found.fake) == (40, 60)
    assert found.false_alarms == (scores[:40] >= 0.6).sum()
    assert found.misses == (scores[40:] < 0.6).sum()


def test_enough_images_and_a_good_auc_are_no_reason_to_warn():
    assert STRONG.weaknesses() == []
    assert "0.900 (0.850 to 0.940), 9 of 100 real" in STRONG.describe()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fake": 2, "misses": 0}, "chosen on 2 fake images"),
        ({"real": 1, "false_alarms": 0}, "chosen on 1 real image of"),
        ({"auc_low": 0.45}, "no better than chance"),
        ({"auc": 0.19, "auc_low": 0.1, "auc_high": 0.4}, "folders exchanged"),
        ({"false_alarms": 97}, "97 of 100 real images"),
        ({"misses": 90}, "no fake image"),
    ],
)
def test_what_cannot_carry_a_threshold_is_said(changes, said):
    (sentence,) = dataclasses.replace(STRONG, **changes).weaknesses()
    assert said in sentence


@pytest.mark.parametrize(
    "changes", [{"real": 0}, {"misses": 91}, {"auc": 1.1}, {"auc_low": 0.95}]
)
def test_impossible_numbers_are_refused(changes):
    with pytest.raises(ValueError, match="evidence cannot be"):
        dataclasses.replace(STRONG, **changes)
