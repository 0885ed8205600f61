"""How a detector holds up when its test images are processed once more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from examples.deepfake_v3.evaluation.scoring import Scored, Scorer
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.pipeline import PixelCache
from examples.deepfake_v3.loading.processing import (
    add_noise,
    blur,
    compress,
    compress_on_another_grid,
    resize,
    resize_and_back,
    sharpen,
    take_median,
)

CACHE = 1.0  # GB of decoded images, which are read once for each change
JPEG_GRID = 16  # pixels: a block of JPEG, with its colours at half resolution

METRICS = ("auc_roc", "accuracy", "specificity", "recall")


GRID: dict[str, tuple[Callable[..., np.ndarray], tuple[float, ...]]] = {
    "JPEG quality": (compress, (95, 90, 75, 50, 30)),
    "JPEG quality, other grid": (compress_on_another_grid, (90, 75)),
    "blur sigma": (blur, (0.5, 1, 2)),
    "median side": (take_median, (3,)),
    "sharpening per cent": (sharpen, (100,)),
    "resize factor": (resize, (0.5, 0.75, 1.5)),
    "resize factor, and back": (resize_and_back, (0.5, 0.75)),
    "noise sigma": (add_noise, (1, 2, 5)),
}
"""Kinds of change: a function of an image, uint8 `(height, width, 3)`, and a level, to
another image; and its levels."""

SLIGHT = (
    ("JPEG quality", 90),
    ("JPEG quality, other grid", 90),
    ("blur sigma", 0.5),
    ("median side", 3),
    ("sharpening per cent", 100),
    ("resize factor, and back", 0.5),
    ("resize factor, and back", 0.75),
)
"""Changes by kind and level that people and platforms make without a thought, and that
make no real image a fake."""


def measure_robustness(
    model: keras.Model,
    scorer: Scorer,
    scored: Scored,
    threshold: float,
    images_per_class: int,
) -> dict[str, Any]:
    """Scores changed images, a part of those that have been scored unchanged.

    They are changed between decoding and cropping, in full size but for what is far
    from the crop.

    Args:
        model: The detector.
        scorer: What has scored them.
        scored: The scores of the unchanged images.
        threshold: An image is called fake when its score is at least this.
        images_per_class: How many are taken, drawn at random.

    Returns:
        "counts" of the images, and "rows", of which the first has "kind" None: the
        images as they are. Each has "kind", "level", whether it is "slight", and the
        `METRICS` with intervals.
    """
    images = ImageList(scored.paths, scored.labels).limited(images_per_class, seed=0)
    unchanged = scored.only(images.paths)
    rows = [_row(None, None, unchanged, threshold)]
    grid = [
        (kind, change, level)
        for kind, (change, levels) in GRID.items()
        for level in levels
    ]
    with PixelCache(CACHE) as cache:
        for kind, change, level in tqdm(grid, "changing images", disable=None):
            changed = Changed(cache, change, level, model.input_shape[1])
            rows.append(_row(kind, level, scorer(model, images, changed), threshold))
    return {"counts": unchanged.counts(), "rows": rows}


def _row(
    kind: str | None, level: float | None, scored: Scored, threshold: float
) -> dict[str, Any]:
    values = scored.measure(threshold)
    return {
        "kind": kind,
        "level": level,
        "slight": (kind, level) in SLIGHT,
        **{name: values[name] for name in METRICS},
    }


class Changed(PixelCache):
    """The images of a cache, changed each time that they are read."""

    def __init__(
        self,
        cache: PixelCache,
        change: Callable[..., np.ndarray],
        level: float,
        image_size: int,
    ):
        super().__init__()
        self.cache = cache
        self.change = change
        self.level = level
        self.image_size = image_size

    def read(self, path: Path) -> np.ndarray:
        image = middle(self.cache.read(path), self.image_size)
        return self.change(image, self.level)


def middle(image: np.ndarray, size: int) -> np.ndarray:
    """What the centre crop of the changed image can depend on.

    A photograph of 12 megapixels would take seconds to change, for a crop of few
    pixels. What is left has its centre crop, and its blocks of JPEG, in place.

    Args:
        image: Array of shape `(height, width, 3)`.
        size: Side in pixels of the crop.
    """
    side = min(size, *image.shape[:2])
    windows = []
    for length in image.shape[:2]:
        first = (length - side + 1) // 2  # of the crop
        start = max(0, first - size) // JPEG_GRID * JPEG_GRID
        windows.append(slice(start, 2 * first - start + side if start else length))
    return image[tuple(windows)]
