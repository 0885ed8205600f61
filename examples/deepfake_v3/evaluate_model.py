"""Evaluate a detector: choose the threshold on `val`, report on `test`."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from examples.deepfake_v3.data import ImageList, check_data_dir
from examples.deepfake_v3.figures import CALIBRATION_BINS, save_figures
from examples.deepfake_v3.files import replacing
from examples.deepfake_v3.lost_images import LostImages
from examples.deepfake_v3.model import load_detector
from examples.deepfake_v3.pipeline import Pipeline, make_dataset

Criterion = Literal["f1", "youden", "balanced"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Evaluate on test, with a threshold chosen on val."""

    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The trained model, a .keras file."""
    data_dir: str = "data/processed"
    """Directory with val/{real,fake} and test/{real,fake}."""
    reports_dir: str = "reports"
    """Where evaluation.json, quarantine.csv and the figures are written."""
    batch_size: int = 48
    """Images per prediction step."""
    optimize_threshold: bool = True
    """Also report the metrics at the threshold that is best on val."""
    threshold_criterion: Criterion = "f1"
    """What "best" means: F1, Youden's J, or recall and specificity balanced."""
    generate_plots: bool = True
    """Draw the figures of the test split."""
    pipeline: Pipeline = "auto"
    """Input pipeline; auto is tf on TensorFlow, grain elsewhere."""


def evaluate_model_v3(
    config: EvaluateConfig | None = None, **overrides: Any
) -> dict[str, Any]:
    """Evaluates a trained detector on the test split.

    The threshold is chosen on the validation split: chosen on the test split, it
    would flatter the detector.

    Args:
        config: The options; None for the defaults.
        **overrides: Single options that replace those of `config`, such as
            `model_path="models/mine.keras"`.

    Returns:
        What `evaluation.json` in `reports_dir` holds: "model_path", "data_dir",
        "counts" of images per split, "lost", how many others could no longer be read
        after the check and are left out, "default_threshold" and "optimal_threshold"
        (both `compute_metrics` on test; the latter None without
        `optimize_threshold`), "threshold_criterion" and "figures", their paths.

    Raises:
        TypeError: If an override is not a field of `EvaluateConfig`.
        FileNotFoundError: If there is no model at `model_path`.
        ValueError: If an option is out of range, or the model is no detector.
    """
    config = dataclasses.replace(config or EvaluateConfig(), **overrides)
    _check_criterion("threshold_criterion", config.threshold_criterion)
    model = load_detector(config.model_path)
    reports = Path(config.reports_dir)
    report_path = reports / "quarantine.csv"
    splits = check_data_dir(config.data_dir, ("val", "test"), report_path)
    # An image in another's place would count twice.
    lost = LostImages(report_path, replaced=False)

    def predict(images: ImageList) -> tuple[np.ndarray, np.ndarray]:
        """Labels and scores of the images that could be read."""
        dataset = make_dataset(
            images,
            image_size=model.input_shape[1],
            batch_size=config.batch_size,
            training=False,
            pipeline=config.pipeline,
            lost=lost,
        )
        # A bar on a terminal only, not in log files.
        verbose = 1 if sys.stdout.isatty() else 0
        with lost.ending_readably():
            scores = np.asarray(model.predict(dataset, verbose=verbose), np.float64)
        read = ~lost.marked(images)
        return images.labels[read], scores[read]

    test_labels, test_scores = predict(splits["test"])
    default = optimal = compute_metrics(test_labels, test_scores)
    if config.optimize_threshold:
        threshold = find_optimal_threshold(
            *predict(splits["val"]), config.threshold_criterion
        )
        optimal = compute_metrics(test_labels, test_scores, threshold)

    figures = []
    if config.generate_plots:
        figures = save_figures(
            test_labels, test_scores, optimal["threshold"], reports / "figures"
        )
    lost_counts = {
        split: int(lost.marked(images).sum()) for split, images in splits.items()
    }
    results = {
        "model_path": str(config.model_path),
        "data_dir": str(config.data_dir),
        "counts": {
            split: len(images) - lost_counts[split] for split, images in splits.items()
        },
        "lost": lost_counts,
        "default_threshold": default,
        "optimal_threshold": optimal if config.optimize_threshold else None,
        "threshold_criterion": config.threshold_criterion,
        "figures": [str(path) for path in figures],
    }
    with replacing(reports / "evaluation.json") as partial:
        partial.write_text(json.dumps(results, indent=2) + "\n")
    _print_summary(results)
    print(
        f"Saved {reports / 'evaluation.json'}"
        + (f", figures in {reports / 'figures'}" if figures else "")
        + f", unusable files in {report_path}."
    )
    return results


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
        (expected calibration error over 15 bins of equal width) and "brier".

    Raises:
        ValueError: If labels, scores or threshold are not as described.
    """
    labels, scores = _checked(y_true, y_score)
    if not 0 <= threshold <= 1:
        raise ValueError(
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
        "auc_pr": float(average_precision_score(labels, scores)),
        "ece": _expected_calibration_error(labels, scores),
        "brier": float(np.mean((scores - labels) ** 2)),
        "true_negatives": tn,
        "false_positives": fp,
        "false_negatives": fn,
        "true_positives": tp,
    }


def find_optimal_threshold(
    y_true: np.ndarray, y_score: np.ndarray, criterion: Criterion = "f1"
) -> float:
    """Finds the threshold that serves a criterion best on these scores.

    Every way to cut the sorted scores in two is tried, no grid. The threshold is
    halfway between the two distinct scores around the best cut, where a small shift
    of the scores changes nothing; below the lowest score, halfway to 0. Of equally
    good cuts the threshold nearest to 0.5 is taken. Calling nothing fake is not
    tried, since calling everything fake is never worse by any of the criteria.

    Args:
        y_true: Labels, real 0 and fake 1, both of them there.
        y_score: Probabilities of fake in [0, 1], of the same length.
        criterion: "f1" for the highest F1 score of fake, "youden" for the highest
            recall + specificity - 1, "balanced" for the smallest difference between
            recall and specificity.

    Returns:
        The threshold: fake is what scores at least this.

    Raises:
        ValueError: If labels, scores or criterion are not as described.
    """
    _check_criterion("criterion", criterion)
    labels, scores = _checked(y_true, y_score)
    distinct, group = np.unique(scores, return_inverse=True)
    fakes = np.bincount(group[labels == 1], minlength=len(distinct))
    reals = np.bincount(group[labels == 0], minlength=len(distinct))
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
    else:
        quality = -abs(tp * negatives - tn * positives)

    below = np.concatenate([[0.0], distinct[:-1]])
    thresholds = below + (distinct - below) / 2
    # Between neighbouring floats there is no middle: the upper one cuts the same.
    thresholds = np.where(thresholds > below, thresholds, distinct)
    best = np.flatnonzero(quality == quality.max())
    return float(thresholds[best[np.argmin(abs(thresholds[best] - 0.5))]])


def _print_summary(results: dict[str, Any]) -> None:
    print("test       threshold  accuracy  recall  specificity  f1_score  auc_roc")
    for name in ("default", "optimal"):
        if metrics := results[f"{name}_threshold"]:
            print(
                f"{name:<10} {metrics['threshold']:9.3f} {metrics['accuracy']:9.4f} "
                f"{metrics['recall']:7.4f} {metrics['specificity']:12.4f} "
                f"{metrics['f1_score']:9.4f} {metrics['auc_roc']:8.4f}"
            )


def _check_criterion(argument: str, value: str) -> None:
    if value not in get_args(Criterion):
        raise ValueError(
            f"`{argument}` must be one of {', '.join(get_args(Criterion))}. "
            f"Received: {argument}={value!r}"
        )


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
        raise ValueError(
            "`y_true` must hold both real (0) and fake (1) images, or there is "
            f"nothing to tell apart. Received: only {found.tolist()}"
        )
    wrong = scores[~((scores >= 0) & (scores <= 1))]  # NaN is neither
    if wrong.size:
        raise ValueError(
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


def _expected_calibration_error(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean distance of score and frequency of fakes over bins of equal width."""
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges[1:-1], scores)  # upper edge included
    # Per bin the sum, not the mean: its weight n_bin / n cancels the division.
    distance = np.bincount(bins, scores - labels, minlength=CALIBRATION_BINS)
    return float(abs(distance).sum() / len(labels))
