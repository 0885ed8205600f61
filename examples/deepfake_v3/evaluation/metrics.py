"""What is measured on labels and scores, and the threshold that serves best."""

from collections.abc import Mapping

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from examples.deepfake_v3.checks import CRITERION, Criterion, check_criterion
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.evaluation.weighted_metrics import (
    FALSE_ALARMS,
    detection_name,
)

TOLERATED_ALARMS = 0.05
"""Share of the real images that the criterion "false_alarms" may call fake."""

CALIBRATION_BINS = 15  # as in Guo et al., "On Calibration of Modern Neural Networks"


def compute_metrics(
    y_true: np.ndarray, y_score: np.ndarray, threshold: float = 0.5
) -> dict[str, float]:
    """Measures a detector's scores against the labels.

    Args:
        y_true: Labels, real 0 and fake 1, of shape `(n,)` or `(n, 1)`. Both classes
            must be there.
        y_score: Probabilities of fake in [0, 1], of the same length.
        threshold: An image is called fake when its score is at least this.

    Returns:
        "threshold"; at that threshold "accuracy", "balanced_accuracy", "precision"
        (0 when nothing is called fake), "recall", "specificity", "f1_score" and the
        counts "true_negatives", "false_positives", "false_negatives" and
        "true_positives", with fake as the positive class; from the scores alone
        "auc_roc" (exact rank statistic), "auc_pr" (average precision), "ece"
        (expected calibration error over 15 bins of equal width), "brier", and
        "detection_at_1_percent" and "detection_at_5_percent": the share of fakes found
        at the threshold, chosen on these very scores, that finds most of them while
        calling at most that share of the real images fake.

    Raises:
        ValueError: If labels, scores or threshold are not as described.
    """
    labels, scores = _checked(y_true, y_score)
    if not 0 <= threshold <= 1:
        raise InputError(
            f"`threshold` must lie in [0, 1]. Received: threshold={threshold}"
        )
    called_fake = scores >= threshold
    tp = int(np.sum(called_fake & (labels == 1)))
    fp = int(np.sum(called_fake & (labels == 0)))
    fn = int(np.sum(~called_fake & (labels == 1)))
    tn = int(np.sum(~called_fake & (labels == 0)))
    recall, specificity = tp / (tp + fn), tn / (tn + fp)
    return {
        "threshold": float(threshold),
        "accuracy": (tp + tn) / len(labels),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": tp / (tp + fp) if tp + fp else 0.0,
        "recall": recall,
        "specificity": specificity,
        "f1_score": 2 * tp / (2 * tp + fp + fn),
        "auc_roc": float(roc_auc_score(labels, scores)),
        # Its sum of steps may be the last bit above 1.
        "auc_pr": min(1.0, float(average_precision_score(labels, scores))),
        "ece": expected_calibration_error(labels, scores),
        "brier": float(np.mean((scores - labels) ** 2)),
        **_detection_rates(labels, scores),
        "true_negatives": tn,
        "false_positives": fp,
        "false_negatives": fn,
        "true_positives": tp,
    }


def find_optimal_threshold(
    y_true: np.ndarray, y_score: np.ndarray, criterion: Criterion = CRITERION
) -> float:
    """Finds the threshold that serves a criterion best on these scores.

    Every way to cut the sorted scores in two is tried, no grid. The threshold is
    halfway between the two distinct scores around the best cut, where a small shift
    of the scores changes nothing; below the lowest score, halfway to 0, and above the
    highest, halfway to 1. Of equally good cuts the threshold nearest to 0.5 is taken.
    Calling nothing fake is tried for "youden" and "false_alarms": by the other
    criteria, calling everything fake is never worse. Where no cut is better than chance
    by Youden's J, nothing is called fake.

    Args:
        y_true: Labels, real 0 and fake 1, both of them there.
        y_score: Probabilities of fake in [0, 1], of the same length.
        criterion: "f1" for the highest F1 score of fake, "youden" for the highest
            recall + specificity - 1, which is the highest balanced accuracy, "balanced"
            for the smallest difference between recall and specificity, "false_alarms"
            for the most fakes found while at most 5 % of the real images are called
            fake, or as few as can be where more of them score 1.

    Returns:
        The threshold: fake is what scores at least this.

    Raises:
        ValueError: If labels, scores or criterion are not as described.
    """
    check_criterion("criterion", criterion)
    labels, scores = _checked(y_true, y_score)
    distinct, group = np.unique(scores, return_inverse=True)
    fakes = np.bincount(group[labels == 1], minlength=len(distinct))
    reals = np.bincount(group[labels == 0], minlength=len(distinct))
    if criterion in ("youden", "false_alarms") and distinct[-1] < 1:
        # One more cut, which calls nothing fake.
        distinct, fakes, reals = (
            np.append(values, last)
            for values, last in ((distinct, 1.0), (fakes, 0), (reals, 0))
        )
    # Cut i calls fake what scores at least distinct[i].
    tp = np.cumsum(fakes[::-1])[::-1]
    fp = np.cumsum(reals[::-1])[::-1]
    positives, negatives = fakes.sum(), reals.sum()
    tn = negatives - fp

    if criterion == "f1":
        quality = 2 * tp / (tp + fp + positives)
    # Over the common denominator positives * negatives, so that ties are exact.
    elif criterion == "youden":
        quality = tp * negatives + tn * positives
    elif criterion == "balanced":
        quality = -abs(tp * negatives - tn * positives)
    else:
        allowed = np.floor(TOLERATED_ALARMS * negatives)
        quality = np.where(fp <= allowed, tp * (negatives + 1) + tn, tn - negatives - 1)

    below = np.concatenate([[0.0], distinct[:-1]])
    thresholds = below + (distinct - below) / 2
    # Between neighbouring floats there is no middle: the upper one cuts the same.
    thresholds = np.where(thresholds > below, thresholds, distinct)
    best = np.flatnonzero(quality == quality.max())
    if criterion == "youden" and quality.max() == positives * negatives:
        best = best[-1:]  # all are as good as chance: raise no alarm
    return float(thresholds[best[np.argmin(abs(thresholds[best] - 0.5))]])


def _checked(y_true: np.ndarray, y_score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels as int and scores as float64, both of shape (n,)."""
    labels = _one_dimensional("y_true", y_true)
    scores = _one_dimensional("y_score", y_score).astype(np.float64)
    if len(labels) != len(scores):
        raise ValueError(
            "`y_true` and `y_score` must have the same length. Received: "
            f"{len(labels)} labels and {len(scores)} scores"
        )
    found = np.unique(labels)
    if not np.isin(found, (0, 1)).all():
        raise ValueError(
            "`y_true` must hold only 0 for real and 1 for fake. Received: values "
            f"{found[:10].tolist()}"
        )
    if len(found) < 2:
        raise InputError(
            "`y_true` must hold both real (0) and fake (1) images, or there is "
            f"nothing to tell apart. Received: only {found.tolist()}"
        )
    wrong = scores[~((scores >= 0) & (scores <= 1))]  # NaN is neither
    if wrong.size:
        raise InputError(
            "`y_score` must hold finite probabilities in [0, 1]; apply a sigmoid to "
            f"logits first. Received: {wrong.size} others, such as {wrong[0]}"
        )
    return labels.astype(np.int64), scores


def _one_dimensional(argument: str, values: np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"`{argument}` must have shape (n,) or (n, 1). Received: {array.shape}"
        )
    return array


def epoch_score(logs: Mapping[str, float]) -> tuple[float, float]:
    """What "best" means: the highest val AUC, and of equals the lowest val loss."""
    return logs["val_auc"], -logs["val_loss"]


def expected_calibration_error(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean distance of score and frequency of fakes over bins of equal width."""
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges[1:-1], scores)  # upper edge included
    # Per bin the sum, not the mean: its weight n_bin / n cancels the division.
    distance = np.bincount(bins, scores - labels, minlength=CALIBRATION_BINS)
    return float(abs(distance).sum() / len(labels))


def _detection_rates(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    alarms, recalls, _ = roc_curve(labels, scores, drop_intermediate=False)
    return {
        detection_name(rate): float(recalls[alarms <= rate].max())
        for rate in FALSE_ALARMS
    }
