"""Intervals for the tables: over seeds, and over groups of test images."""

import statistics
from collections.abc import Sequence

import numpy as np

from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.evaluation.weighted_metrics import weighted_auc

STUDENT_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % quantile, by seeds


def student_interval(values: list[float]) -> str:
    """Mean ± half the 95 % interval over seeds (Student's t)."""
    if len(values) not in STUDENT_T:
        return f"{statistics.mean(values):.3f}"
    half = STUDENT_T[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.3f} ± {half:.3f}"


def bootstrap_mean(
    values: np.ndarray, groups: np.ndarray | None = None
) -> tuple[float, float]:
    """95 % interval of a mean over images; of one image or group, its value twice.

    Args:
        values: One of each image.
        groups: Equal for images that belong together; by default, none do.
    """
    if groups is None:
        groups = np.arange(len(values))
    intervals = bootstrap(
        lambda weights: {"mean": weights @ values / weights.sum(axis=1)}, groups
    )
    return intervals["mean"] or (float(values.mean()), float(values.mean()))


def paired_auc_difference(
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray,
) -> tuple[list[float], tuple[float, float] | None]:
    """How much better one form ranks the test images than another.

    Args:
        ours: Scores of the test images, one array a seed.
        theirs: Those of the other form, with the same seeds in the same order.
        labels: Labels of the test images.
        groups: Their groups.

    Returns:
        The difference in AUC of each seed, and the 95 % bootstrap interval of its mean
        over groups of test images.
    """

    def by_seed(weights: np.ndarray) -> list[np.ndarray]:
        return [
            weighted_auc(labels, a, weights) - weighted_auc(labels, b, weights)
            for a, b in zip(ours, theirs, strict=True)
        ]

    interval = bootstrap(
        lambda weights: {"mean": np.mean(by_seed(weights), axis=0)}, groups
    )["mean"]
    once = by_seed(np.ones((1, len(labels))))
    return [float(value[0]) for value in once], interval
