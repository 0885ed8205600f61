"""Metrics and threshold, against oracles in plain Python."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.deepfake_v3.evaluation.metrics import (
    compute_metrics,
    find_optimal_threshold,
)

CRITERIA = ("f1", "youden", "balanced", "false_alarms")
# Worked by hand: at 0.5, two of three real and three of four fake are right.
LABELS = np.array([0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.3, 0.8, 0.2, 0.5, 0.7, 0.9])


@st.composite
def labels_and_scores(draw):
    """Both classes, and scores with ties, neighbouring floats and both ends."""
    score = st.sampled_from([0.0, 0.25, 0.5, np.nextafter(0.5, 1), 0.75, 1.0])
    score = score | st.floats(0, 1)
    pairs = draw(st.lists(st.tuples(st.integers(0, 1), score), max_size=12))
    pairs += [(0, draw(score)), (1, draw(score))]
    labels, scores = zip(*draw(st.permutations(pairs)), strict=True)
    return np.array(labels), np.array(scores)


def quality(labels, scores, threshold, criterion) -> Fraction:
    """The criterion in exact arithmetic; more is better."""
    called = scores >= threshold
    tp = int(sum(called & (labels == 1)))
    fp = int(sum(called & (labels == 0)))
    positives, negatives = int(sum(labels == 1)), int(sum(labels == 0))
    recall, specificity = Fraction(tp, positives), 1 - Fraction(fp, negatives)
    if criterion == "f1":
        return Fraction(2 * tp, tp + fp + positives)
    if criterion == "youden":
        return recall + specificity - 1
    if criterion == "balanced":
        return -abs(recall - specificity)
    if 1 - specificity > Fraction(1, 20):
        return specificity - 2
    # Of as many fakes found, the fewest false alarms.
    return recall + specificity / (2 * positives)


# compute_metrics


def test_metrics_at_a_threshold_match_those_worked_by_hand():
    metrics = compute_metrics(LABELS, SCORES)
    counts = {
        "true_negatives": 2,
        "false_positives": 1,
        "false_negatives": 1,
        "true_positives": 3,
    }
    assert metrics.items() >= counts.items()
    assert metrics["threshold"] == 0.5
    assert metrics["accuracy"] == pytest.approx(5 / 7)
    assert metrics["balanced_accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert metrics["precision"] == pytest.approx(3 / 4)
    assert metrics["recall"] == pytest.approx(3 / 4)
    assert metrics["specificity"] == pytest.approx(2 / 3)
    assert metrics["f1_score"] == pytest.approx(3 / 4)


def test_threshold_free_metrics_match_those_worked_by_hand():
    metrics = compute_metrics(LABELS, SCORES)
    # Of 12 (real, fake) pairs, the fake one scores higher in 8.
    assert metrics["auc_roc"] == pytest.approx(8 / 12)
    # Precision at each fake, from the highest score down: 1/1, 2/3, 3/4, 4/6.
    assert metrics["auc_pr"] == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 6) / 4)
    squares = [0.01, 0.09, 0.64, 0.64, 0.25, 0.09, 0.01]
    assert metrics["brier"] == pytest.approx(sum(squares) / 7)


def test_a_score_at_the_threshold_is_called_fake():
    metrics = compute_metrics([0, 1], [0.25, 0.25], threshold=0.25)
    assert (metrics["false_positives"], metrics["true_positives"]) == (1, 1)


def test_precision_is_zero_when_nothing_is_called_fake():
    assert compute_metrics([0, 1], [0.1, 0.2])["precision"] == 0


@given(labels_and_scores())
def test_auc_is_the_share_of_pairs_in_order_with_ties_counted_half(data):
    labels, scores = data
    pairs = [
        (f > r) + (f == r) / 2 for f in scores[labels == 1] for r in scores[labels == 0]
    ]
    assert compute_metrics(*data)["auc_roc"] == pytest.approx(np.mean(pairs))


def test_calibration_error_is_the_weighted_gap_in_15_bins_of_equal_width():
    rng = np.random.default_rng(0)
    # Few images, so that the gaps differ in sign and depend on the bins.
    scores, labels = rng.uniform(size=60), rng.integers(2, size=60)
    expected = 0
    for index in range(15):
        inside = (scores > index / 15) & (scores <= (index + 1) / 15)
        assert inside.any()
        gap = abs(scores[inside].mean() - labels[inside].mean())
        expected += inside.mean() * gap
    assert compute_metrics(labels, scores)["ece"] == pytest.approx(expected)


def test_calibration_error_counts_scores_of_exactly_0_and_1():
    assert compute_metrics([1, 0, 1, 0], [0, 0, 1, 1])["ece"] == pytest.approx(0.5)


def test_detection_is_the_best_recall_that_so_many_false_alarms_allow():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=500)
    scores = np.round(rng.normal(0.3 + 0.3 * labels, 0.15).clip(0, 1), 2)  # with ties
    metrics = compute_metrics(labels, scores)
    for percent in (1, 5):
        best = max(
            (scores[labels == 1] >= cut).mean()
            for cut in [*scores, np.inf]
            if (scores[labels == 0] >= cut).mean() <= percent / 100
        )
        assert metrics[f"detection_at_{percent}_percent"] == pytest.approx(best)
    assert 0 < metrics["detection_at_1_percent"] < metrics["detection_at_5_percent"]


def test_columns_give_the_same_metrics_as_vectors():
    columns = compute_metrics(LABELS[:, None], SCORES[:, None])
    assert columns == compute_metrics(LABELS, SCORES)


def test_metrics_can_be_written_as_json():
    metrics = compute_metrics(LABELS, SCORES.astype("float32"))
    assert json.loads(json.dumps(metrics)) == metrics


@pytest.mark.parametrize("function", [compute_metrics, find_optimal_threshold])
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.1, 0.2, 0.3], r"same length.*2 labels and 3 scores"),
        ([[0, 1]], [0.1, 0.2], r"`y_true` must have shape \(n,\).*\(1, 2\)"),
        ([0, 1], [[0.1, 0.2]], r"`y_score` must have shape \(n,\).*\(1, 2\)"),
        ([0, 1, 2], [0.1, 0.2, 0.3], r"`y_true` must hold only 0.*\[0, 1, 2\]"),
        ([0, 0.5], [0.1, 0.2], r"`y_true` must hold only 0.*0\.5"),
        ([1, 1], [0.1, 0.2], r"`y_true` must hold both real.*only \[1\]"),
        ([], [], r"`y_true` must hold both real.*only \[\]"),
        ([0, 1], [0.1, np.nan], r"`y_score` must hold finite.*1 others.*nan"),
        ([0, 1], [-0.1, 2.5], r"`y_score`.*sigmoid.*2 others, such as -0\.1"),
    ],
)
def test_unusable_labels_and_scores_are_named(function, labels, scores, message):
    with pytest.raises(ValueError, match=message):
        function(labels, scores)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_a_threshold_outside_0_to_1_is_an_error(threshold):
    with pytest.raises(ValueError, match=rf"`threshold`.*threshold={threshold}"):
        compute_metrics(LABELS, SCORES, threshold)


# find_optimal_threshold


@given(labels_and_scores(), st.sampled_from(CRITERIA))
def test_no_threshold_is_better_than_the_one_found(data, criterion):
    labels, scores = data
    found = find_optimal_threshold(labels, scores, criterion)
    every_cut = [*scores, np.inf]
    if criterion == "false_alarms" and max(scores) == 1:
        every_cut.remove(np.inf)  # no threshold in [0, 1] calls nothing fake
    best = max(quality(labels, scores, cut, criterion) for cut in every_cut)
    assert quality(labels, scores, found, criterion) == best


@given(labels_and_scores(), st.sampled_from(CRITERIA))
def test_the_threshold_is_halfway_between_neighbouring_scores(data, criterion):
    labels, scores = data
    found = find_optimal_threshold(labels, scores, criterion)
    below = max(scores[scores < found], default=0)
    above = min(scores[scores >= found], default=1)
    assert found in (below + (above - below) / 2, above)
    if found == above:  # neighbouring floats, or a score of 0
        assert above == 0 or above == np.nextafter(below, 1)


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("f1", 0.15),  # F1 4/5; 3/4 at 0.35 and 2/3 at 0.55
        ("youden", 0.55),  # J 1/2; 5/12 at 0.35 and 1/3 at 0.15
        ("balanced", 0.35),  # recall 3/4 and specificity 2/3
        ("false_alarms", 0.55),  # recall 1/2 without one
    ],
)
def test_each_criterion_finds_its_own_threshold(criterion, expected):
    labels, scores = [0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert find_optimal_threshold(labels, scores, criterion) == pytest.approx(expected)


def test_of_equally_good_thresholds_the_one_nearest_to_a_half_is_taken():
    # Youden's J is 1/2 at 0.2 and at 0.6.
    labels, scores = [0, 1, 0, 1], [0.1, 0.3, 0.5, 0.7]
    assert find_optimal_threshold(labels, scores, "youden") == pytest.approx(0.6)


def test_where_no_cut_beats_chance_nothing_is_called_fake():
    # Real images score higher: the only other cut would call everything fake.
    labels, scores = [1, 1, 0, 0], [0.03, 0.05, 0.08, 0.1]
    assert find_optimal_threshold(labels, scores) == pytest.approx(0.55)
    assert find_optimal_threshold(labels, scores, "f1") == pytest.approx(0.015)
    # Nor do equal scores tell anything.
    assert find_optimal_threshold([0, 1], [0.2, 0.2]) == pytest.approx(0.6)


def test_an_unknown_criterion_is_named():
    with pytest.raises(
        ValueError, match=r"f1, youden, balanced, false_alarms.*criterion='mcc'"
    ):
        find_optimal_threshold(LABELS, SCORES, "mcc")
