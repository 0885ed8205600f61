"""Is one detector better than another, on the same images?"""

import numpy as np

from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.evaluation.scoring import Measured, Scored, measured
from examples.deepfake_v3.evaluation.weighted_metrics import weighted_metrics

METRICS = ("auc_roc", "accuracy")


def compare(
    scored: Scored, other: Scored, thresholds: tuple[float, float]
) -> dict[str, dict[str, Measured]]:
    """Paired bootstrap: each resample is drawn once, for both detectors.

    What makes an image hard makes it hard for both, so the difference is known better
    than either value.

    Args:
        scored: The detector's scores.
        other: Another detector's scores of the same images.
        thresholds: Of the detector and of the other.

    Returns:
        `{metric: {"this", "other", "difference"}}` for "auc_roc" and "accuracy", each
        with its interval; the difference is this minus other.

    Raises:
        ValueError: If they are not scores of the same images.
    """
    if scored.paths != other.paths:
        raise ValueError(
            "`scored` and `other` must be of the same images in the same order. "
            f"Received: {len(scored)} and {len(other)} images"
        )

    def statistics(weights: np.ndarray) -> dict[str, np.ndarray]:
        this, that = (
            weighted_metrics(each.labels, each.scores, threshold, weights)
            for each, threshold in zip((scored, other), thresholds, strict=True)
        )
        return (
            {f"this {name}": this[name] for name in METRICS}
            | {f"other {name}": that[name] for name in METRICS}
            | {f"difference {name}": this[name] - that[name] for name in METRICS}
        )

    # Of the images as they are: each counts once.
    values = statistics(np.ones((1, len(scored))))
    intervals = bootstrap(statistics, scored.clusters)
    return {
        name: {
            part: measured(
                float(values[f"{part} {name}"][0]), intervals[f"{part} {name}"]
            )
            for part in ("this", "other", "difference")
        }
        for name in METRICS
    }
