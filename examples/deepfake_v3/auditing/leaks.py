"""What a small classifier reaches on facts that have nothing to do with the task."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.evaluation.weighted_metrics import weighted_auc

FOLDS = 5
FEWEST = 20  # images of a class: from fewer, an AUC says nothing
DRAWS = 500  # resamples of an interval


@dataclasses.dataclass(frozen=True)
class Auc:
    """Area under the ROC curve with an interval over groups of images.

    Attributes:
        value: The exact rank statistic, fake being the positive class; None if it
            could not be measured.
        low: Lower end of the interval.
        high: Upper end.
        reason: Why there is none.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def cross_validated_auc(
    columns: Mapping[str, np.ndarray],
    labels: np.ndarray,
    units: np.ndarray,
    confidence: float = 0.95,
) -> Auc:
    """The AUC of boosted trees on images that they were not fitted to.

    Args:
        columns: `{name: float array}`; NaN where an image has no such value.
        labels: Real 0, fake 1.
        units: What must not be in both parts of a fold, equal for those images.
        confidence: Share of the bootstrap resamples, of whole units, in the interval.
    """
    fewest = np.bincount(labels, minlength=2).min()
    if fewest < FEWEST:
        return Auc(reason=f"fewer than {FEWEST} images of a class")
    if not columns:
        return Auc(0.5, 0.5, 0.5)  # nothing differs
    units = np.unique(units, return_inverse=True)[1]
    folds = min(FOLDS, *(len(np.unique(units[labels == label])) for label in (0, 1)))
    if folds < 2:
        return Auc(reason="all images of a class belong together")
    features = np.stack(list(columns.values()), axis=1)
    scores = np.full(len(labels), np.nan)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    for fitted, held_out in splitter.split(features, labels, units):
        if len(np.unique(labels[fitted])) < 2:
            return Auc(reason="the images of a class are in too few groups")
        scores[held_out] = _fit_and_score(
            features[fitted], labels[fitted], features[held_out]
        )
    return _with_interval(labels, scores, units, confidence)


def transferred_auc(
    columns: Mapping[str, np.ndarray],
    labels: np.ndarray,
    units: np.ndarray,
    fitted: np.ndarray,
    held_out: np.ndarray,
    confidence: float = 0.99,
) -> Auc:
    """The AUC of boosted trees that are fitted to one part and score another.

    Args:
        columns: `{name: float array}`.
        labels: Real 0, fake 1.
        units: What belongs together, for the interval.
        fitted: Which images to fit, boolean.
        held_out: Which images to score, boolean.
        confidence: Share of the bootstrap resamples in the interval.
    """
    for part in (fitted, held_out):
        if np.bincount(labels[part], minlength=2).min() < FEWEST:
            return Auc(reason=f"fewer than {FEWEST} images of a class")
    if not columns:
        return Auc(0.5, 0.5, 0.5)
    features = np.stack(list(columns.values()), axis=1)
    scores = _fit_and_score(features[fitted], labels[fitted], features[held_out])
    return _with_interval(labels[held_out], scores, units[held_out], confidence)


def _fit_and_score(
    features: np.ndarray, labels: np.ndarray, held_out: np.ndarray
) -> np.ndarray:
    model = HistGradientBoostingClassifier(
        max_iter=60,
        min_samples_leaf=int(np.clip(len(labels) // 20, 3, 20)),
        early_stopping=False,
        random_state=0,
    )
    # On a busy machine several threads wait for each other, 20 times as long.
    with threadpool_limits(1, user_api="openmp"):
        return model.fit(features, labels).predict_proba(held_out)[:, 1]


def _with_interval(
    labels: np.ndarray, scores: np.ndarray, units: np.ndarray, confidence: float
) -> Auc:
    interval = bootstrap(
        lambda weights: {"auc": weighted_auc(labels, scores, weights)},
        units,
        draws=DRAWS,
        confidence=confidence,
    )["auc"]
    if interval is None:
        return Auc(reason="all images belong together")
    return Auc(float(roc_auc_score(labels, scores)), *interval)
