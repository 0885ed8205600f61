"""Metrics of many resamples at once, as intervals need them."""

import numpy as np

FALSE_ALARMS = (0.01, 0.05)
"""Shares of real images called fake at which the detection rate is reported."""


def weighted_metrics(
    labels: np.ndarray, scores: np.ndarray, threshold: float, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """The metrics of `compute_metrics` for images that count several times.

    Args:
        labels: Real 0, fake 1, of shape `(images,)`.
        scores: Probabilities of fake, of shape `(images,)`.
        threshold: Fake is what scores at least this.
        weights: How often each image counts, of shape `(draws, images)`.

    Returns:
        `{metric: array of shape (draws,)}` of "accuracy", "balanced_accuracy",
        "precision", "recall", "specificity", "f1_score", "auc_roc", "auc_pr", "brier"
        and "detection_at_1_percent" and so on; NaN where a class has no weight. The
        calibration error is not among them: resampling raises it.
    """
    reals, fakes, distinct = _by_score(labels, scores, weights)
    # What scores at least each distinct score, from the highest down.
    false_alarms, found = reals.cumsum(axis=1), fakes.cumsum(axis=1)
    negatives, positives = false_alarms[:, -1:], found[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        recalls, alarm_rates = found / positives, false_alarms / negatives
        # The rows before the first called fake would be at index -1.
        last = np.count_nonzero(distinct >= threshold) - 1
        tp = found[:, last] if last >= 0 else np.zeros(len(weights))
        fp = false_alarms[:, last] if last >= 0 else np.zeros(len(weights))
        positive, negative = positives[:, 0], negatives[:, 0]
        recall, specificity = tp / positive, 1 - fp / negative
        steps = fakes * found / np.maximum(found + false_alarms, 1e-300)
        return {
            "accuracy": (tp + negative - fp) / (positive + negative),
            "balanced_accuracy": (recall + specificity) / 2,
            "precision": tp / np.maximum(tp + fp, 1e-300),
            "recall": recall,
            "specificity": specificity,
            "f1_score": 2 * tp / (tp + fp + positive),
            "auc_roc": weighted_auc(labels, scores, weights),
            "auc_pr": steps.sum(axis=1) / positive,
            "brier": weights @ (scores - labels) ** 2 / weights.sum(axis=1),
        } | {
            detection_name(rate): np.where(
                np.isnan(alarm_rates[:, -1]) | np.isnan(recalls[:, -1]),
                np.nan,
                np.where(alarm_rates <= rate, recalls, 0).max(axis=1),
            )
            for rate in FALSE_ALARMS
        }


def weighted_auc(
    labels: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The exact AUC for each row of `weights`; NaN where a class has no weight."""
    reals, fakes, _ = _by_score(labels, scores, weights)
    negatives, positives = reals.sum(axis=1), fakes.sum(axis=1)
    lower = negatives[:, None] - reals.cumsum(axis=1) + reals / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return (fakes * lower).sum(axis=1) / (positives * negatives)


def detection_name(rate: float) -> str:
    """The metric's name, for a share of false alarms."""
    return f"detection_at_{rate * 100:g}_percent"


def _by_score(
    labels: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight of reals and of fakes at each distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores = scores[order]
    starts = np.flatnonzero(np.diff(sorted_scores, prepend=np.inf))
    sorted_weights = weights[:, order]
    reals, fakes = (
        np.add.reduceat(sorted_weights * (labels[order] == label), starts, axis=1)
        for label in (0, 1)
    )
    return reals, fakes, sorted_scores[starts]
