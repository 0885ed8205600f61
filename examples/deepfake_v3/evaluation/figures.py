"""Figures of an evaluation, drawn without pyplot and its global state."""

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from examples.deepfake_v3.evaluation.metrics import CALIBRATION_BINS

REAL, FAKE, GREY = "#3b6fb6", "#d1603d", "#7f7f7f"
SIZE, DPI = (8, 6), 100  # inches, pixels per inch: 800 x 600 pixels
SMALL, FINE = (5.6, 4.2), 160  # larger letters, for a column of a page


def draw_figures(
    y_true: np.ndarray,
    y_score: np.ndarray,
    threshold: float,
    calibrated: np.ndarray | None = None,
) -> dict[str, Figure]:
    """Draws the five figures of an evaluation.

    Args:
        y_true: Labels, real 0 and fake 1, of shape `(n,)` or `(n, 1)`.
        y_score: Probabilities of fake in [0, 1], of the same length.
        threshold: An image is called fake when its score is at least this.
        calibrated: The scores after temperature scaling, for a second line in
            "calibration".

    Returns:
        Figures by name: "confusion_matrix", "roc", "precision_recall", "calibration"
        and "score_distribution".
    """
    labels, scores = np.ravel(y_true), np.ravel(y_score)
    with _style():
        return {
            "confusion_matrix": confusion_matrix_figure(labels, scores, threshold),
            "roc": roc_figure(labels, scores, threshold),
            "precision_recall": precision_recall_figure(labels, scores, threshold),
            "calibration": calibration_figure(labels, scores, threshold, calibrated),
            "score_distribution": score_distribution_figure(labels, scores, threshold),
        }


def save_figures(figures: Mapping[str, Figure], directory: str | Path) -> list[Path]:
    """Writes each figure to `directory`, made if need be, as a PNG file of its name."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        with _style():
            figure.savefig(path)
    return paths


def small_png(figure: Figure) -> bytes:
    """A figure as PNG that can be read in the width of a phone."""
    figure.set_size_inches(SMALL)
    file = io.BytesIO()
    with _style():
        figure.savefig(file, dpi=FINE)
    figure.set_size_inches(SIZE)
    return file.getvalue()


def confusion_matrix_figure(
    labels: np.ndarray, scores: np.ndarray, threshold: float
) -> Figure:
    """Counts, and their share of each true class."""
    figure = _figure()
    axes = figure.add_subplot()
    counts = confusion_matrix(labels, scores >= threshold, labels=[0, 1])
    share = counts / counts.sum(axis=1, keepdims=True)
    display = ConfusionMatrixDisplay(share, display_labels=["real", "fake"])
    display.plot(ax=axes, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1})
    for text, count, part in zip(
        display.text_.flat, counts.flat, share.flat, strict=True
    ):
        text.set(text=f"{count}\n{part:.1%}", fontsize=20)
    axes.set(
        xlabel=f"called (fake from a score of {threshold:.3f})",
        ylabel="true class",
        title=f"Confusion matrix, {_count(labels)}",
    )
    return figure


def roc_figure(labels: np.ndarray, scores: np.ndarray, threshold: float) -> Figure:
    """True against false positive rate, with the threshold's place on it."""
    figure = _figure()
    axes = figure.add_subplot()
    false_positive_rate, true_positive_rate, _ = roc_curve(labels, scores)
    auc = roc_auc_score(labels, scores)
    axes.plot(
        false_positive_rate, true_positive_rate, color=FAKE, label=f"AUC {auc:.4f}"
    )
    axes.plot([0, 1], [0, 1], "--", color=GREY, label="chance, AUC 0.5")
    called_fake = scores >= threshold
    _mark_threshold(
        axes,
        called_fake[labels == 0].mean(),
        called_fake[labels == 1].mean(),
        threshold,
    )
    axes.set(
        xlabel="real called fake (false positive rate)",
        ylabel="fake called fake (recall)",
        title=f"ROC, {_count(labels)}",
    )
    _unit_square(axes)
    axes.legend(loc="lower right")
    return figure


def precision_recall_figure(
    labels: np.ndarray, scores: np.ndarray, threshold: float
) -> Figure:
    """Precision against recall, with the threshold's place on it."""
    figure = _figure()
    axes = figure.add_subplot()
    precision, recall, _ = precision_recall_curve(labels, scores)
    average = average_precision_score(labels, scores)
    axes.step(
        recall,
        precision,
        where="post",
        color=FAKE,
        label=f"average precision {average:.4f}",
    )
    share = labels.mean()
    axes.axhline(share, ls="--", color=GREY, label=f"chance, {share:.2f} are fake")
    called_fake = scores >= threshold
    if called_fake.any():  # precision is undefined otherwise
        _mark_threshold(
            axes,
            called_fake[labels == 1].mean(),
            labels[called_fake].mean(),
            threshold,
        )
    axes.set(
        xlabel="fake called fake (recall)",
        ylabel="of those called fake, fake (precision)",
        title=f"Precision and recall, {_count(labels)}",
    )
    _unit_square(axes)
    axes.legend(loc="lower left")
    return figure


def calibration_figure(
    labels: np.ndarray,
    scores: np.ndarray,
    threshold: float,
    calibrated: np.ndarray | None = None,
) -> Figure:
    """How often an image with a given score is fake, and how many there are."""
    figure = _figure()
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    # The bins of the expected calibration error in evaluation.json.
    top.plot([0, 1], [0, 1], "--", color=GREY, label="perfectly calibrated")
    lines = [(scores, FAKE, "detector")]
    if calibrated is not None:
        lines.append((calibrated, REAL, "after scaling"))
    for values, colour, name in lines:
        frequency, mean = calibration_curve(labels, values, n_bins=CALIBRATION_BINS)
        top.plot(mean, frequency, "o-", color=colour, clip_on=False, label=name)
    top.set(
        ylabel="share that is fake",
        title=f"Calibration in {CALIBRATION_BINS} bins, {_count(labels)}",
    )
    _unit_square(top)
    top.legend(loc="best")
    bottom.hist(
        scores, bins=CALIBRATION_BINS, range=(0, 1), color=GREY, edgecolor="white"
    )
    bottom.axvline(threshold, color="black", label=f"threshold {threshold:.3f}")
    bottom.set(xlabel="score (probability of fake)", ylabel="images")
    bottom.legend(loc="upper center")
    return figure


def score_distribution_figure(
    labels: np.ndarray, scores: np.ndarray, threshold: float
) -> Figure:
    """Histogram of the scores of either class."""
    figure = _figure()
    axes = figure.add_subplot()
    for label, (name, colour) in enumerate((("real", REAL), ("fake", FAKE))):
        axes.hist(
            scores[labels == label],
            bins=40,
            range=(0, 1),
            color=colour,
            alpha=0.6,
            label=f"{name}, {np.sum(labels == label)} images",
        )
    axes.axvline(threshold, color="black", label=f"threshold {threshold:.3f}")
    axes.set(
        xlim=(0, 1),
        xlabel="score (probability of fake)",
        ylabel="images",
        title=f"Scores, {_count(labels)}",
    )
    axes.legend(loc="upper center")
    return figure


def _style() -> AbstractContextManager[None]:
    """For drawing, and for saving too: ticks are made as late as that."""
    return matplotlib.rc_context({"font.size": 13, "lines.linewidth": 2})


def _figure() -> Figure:
    figure = Figure(SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _mark_threshold(axes: Axes, x: float, y: float, threshold: float) -> None:
    label = f"threshold {threshold:.3f}"
    axes.plot(x, y, "o", color="black", clip_on=False, label=label)


def _count(labels: np.ndarray) -> str:
    return f"n = {len(labels)}"


def _unit_square(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.grid(alpha=0.3)
