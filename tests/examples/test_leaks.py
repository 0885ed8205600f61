import numpy as np
import pytest

from examples.deepfake_v3.auditing.leaks import (
    FEWEST,
    cross_validated_auc,
    transferred_auc,
)

COUNT = 200
LABELS = np.arange(COUNT) % 2
ALONE = np.arange(COUNT)


def noise(seed=0):
    return np.random.default_rng(seed).normal(size=COUNT)


def test_a_fact_that_gives_the_class_away_reaches_1():
    auc = cross_validated_auc({"leak": LABELS + 0.0}, LABELS, ALONE)
    assert (auc.value, auc.low, auc.high) == (1, 1, 1)


def test_noise_reaches_a_half():
    auc = cross_validated_auc({"noise": noise()}, LABELS, ALONE)
    assert auc.low < 0.5 < auc.high
    assert 0.05 < auc.high - auc.low < 0.25


def test_without_facts_that_differ_it_is_a_half():
    assert cross_validated_auc({}, LABELS, ALONE).value == 0.5


def test_missing_values_are_values():
    column = np.where(LABELS == 1, np.nan, noise())
    assert cross_validated_auc({"sometimes": column}, LABELS, ALONE).value > 0.95


def test_groups_stay_together():
    # Each group has one class and a mark: by it, other members are recognised.
    labels = np.repeat(np.random.default_rng(0).permutation(np.arange(20) % 2), 10)
    groups = np.repeat(np.arange(20), 10)
    marks = {"mark": np.repeat(np.random.default_rng(1).permutation(20), 10) + 0.0}
    assert cross_validated_auc(marks, labels, ALONE).value > 0.95
    apart = cross_validated_auc(marks, labels, groups)
    assert apart.low < 0.5
    # ten times fewer things to draw, so a wider interval
    assert apart.high - apart.low > 0.2


@pytest.mark.parametrize(
    ("labels", "units", "reason"),
    [
        (np.arange(COUNT) < FEWEST - 1, ALONE, "fewer than"),
        (LABELS, np.zeros(COUNT), "belong together"),
        (LABELS, LABELS, "belong together"),
    ],
)
def test_what_cannot_be_measured_says_why(labels, units, reason):
    auc = cross_validated_auc({"noise": noise()}, labels.astype(int), units)
    assert auc.value is None and reason in auc.reason


def test_exchanged_classes_transfer_below_a_half():
    fitted = np.arange(COUNT) < 100
    facts = {"leak": np.where(fitted, LABELS, 1 - LABELS) + noise() / 4}
    auc = transferred_auc(facts, LABELS, ALONE, fitted, ~fitted)
    assert auc.value < 0.1 and auc.high < 0.5
