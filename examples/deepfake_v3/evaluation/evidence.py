"""What stands behind a threshold, measured on the images that it was chosen on."""

import numpy as np

from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.evaluation.weighted_metrics import weighted_auc
from examples.deepfake_v3.model_files.evidence import Evidence


def measure_evidence(
    labels: np.ndarray, scores: np.ndarray, threshold: float
) -> Evidence:
    """What stands behind a threshold.

    Args:
        labels: Real 0, fake 1, both of them there, of shape `(n,)`.
        scores: Probabilities of fake, of shape `(n,)`.
        threshold: Fake is what scores at least this.

    Returns:
        The counts, and the AUC with its interval over single images: those of one video
        make it too narrow.
    """
    called_fake, fake = scores >= threshold, labels == 1
    once = np.ones((1, len(labels)))
    auc = float(weighted_auc(labels, scores, once)[0])
    interval = bootstrap(
        lambda weights: {"auc": weighted_auc(labels, scores, weights)},
        np.arange(len(labels)),
    )["auc"]
    low, high = interval or (auc, auc)
    return Evidence(
        real=int((~fake).sum()),
        fake=int(fake.sum()),
        auc=auc,
        auc_low=low,
        auc_high=high,
        false_alarms=int((called_fake & ~fake).sum()),
        misses=int((~called_fake & fake).sum()),
    )
