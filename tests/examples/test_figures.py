"""Figures of an evaluation."""

import io

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.evaluation.figures import (
    draw_figures,
    save_figures,
    small_png,
)

LABELS = np.array([0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.3, 0.8, 0.2, 0.5, 0.7, 0.9])
NAMES = ["confusion_matrix", "roc", "precision_recall", "calibration"]
NAMES += ["score_distribution"]


def test_figures_are_png_files_800_pixels_wide(tmp_path):
    figures = draw_figures(LABELS, SCORES, 0.5)
    paths = save_figures(figures, tmp_path / "new" / "figures")
    assert [path.name for path in paths] == [f"{name}.png" for name in NAMES]
    for path in paths:
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.size) == ("PNG", (800, 600))


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_figures_are_drawn_when_all_or_nothing_is_called_fake(tmp_path, threshold):
    figures = draw_figures(LABELS, SCORES, threshold)
    assert len(save_figures(figures, tmp_path)) == 5


def test_calibrated_scores_get_a_line_of_their_own():
    def lines(calibrated):
        figure = draw_figures(LABELS, SCORES, 0.5, calibrated)["calibration"]
        return [line.get_xdata() for line in figure.axes[0].lines]

    assert len(lines(None)) == 2  # the diagonal and the detector
    _, before, after = lines(SCORES / 2)
    assert (before.max(), after.max()) == (SCORES.max(), SCORES.max() / 2)


def test_a_small_figure_leaves_the_large_one_as_it_was(tmp_path):
    figure = draw_figures(LABELS, SCORES, 0.5)["roc"]
    with Image.open(io.BytesIO(small_png(figure))) as image:
        assert (image.format, image.width) == ("PNG", 896)
    (path,) = save_figures({"roc": figure}, tmp_path)
    with Image.open(path) as image:
        assert image.size == (800, 600)
