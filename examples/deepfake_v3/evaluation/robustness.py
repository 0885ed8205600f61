"""How a detector holds up when its test images are processed once more."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage
from tqdm import tqdm

from examples.deepfake_v3.evaluation.scoring import Scored, Scorer
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.pipeline import PixelCache

CACHE = 1.0  # GB of decoded images, which are read once for each change
JPEG_GRID = 16  # pixels: a block of JPEG, with its colours at half resolution
OTHER_GRID = (3, 5)  # rows and columns, which no grid of 8 or 16 pixels shares

METRICS = ("auc_roc", "accuracy", "specificity", "recall")


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """JPEG of this quality, colours at half resolution."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


def compress_on_another_grid(image: np.ndarray, quality: int) -> np.ndarray:
    """JPEG of this quality, whose blocks begin `OTHER_GRID` pixels further up and left.

    As of a picture that was cropped between two compressions, but as large as before.
    """
    rows, columns = OTHER_GRID
    padding = ((rows, 0), (columns, 0), (0, 0))
    padded = np.pad(image, padding, "symmetric")
    return compress(padded, quality)[rows:, columns:]


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; `sigma` in pixels."""
    blurred = ndimage.gaussian_filter(image.astype(np.float32), (sigma, sigma, 0))
    return _to_levels(blurred)


def resize(image: np.ndarray, factor: float) -> np.ndarray:
    """Bicubic interpolation to `factor` times the size, with antialiasing."""
    height, width = (max(1, round(factor * length)) for length in image.shape[:2])
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def resize_and_back(image: np.ndarray, factor: float) -> np.ndarray:
    """Bicubic interpolation to `factor` times the size, and to the old size again."""
    height, width = image.shape[:2]
    smaller = Image.fromarray(resize(image, factor))
    return np.asarray(smaller.resize((width, height), Image.Resampling.BICUBIC))


def take_median(image: np.ndarray, side: int) -> np.ndarray:
    """The median of each colour in windows of `side` pixels a side."""
    return ndimage.median_filter(image, (side, side, 1))


def sharpen(image: np.ndarray, percent: float) -> np.ndarray:
    """Unsharp masking with a radius of 2 pixels."""
    mask = ImageFilter.UnsharpMask(radius=2, percent=round(percent), threshold=0)
    return np.asarray(Image.fromarray(image).filter(mask))


def add_noise(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian noise; `sigma` in grey levels. The same image gets the same noise."""
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    return _to_levels(image + rng.normal(0, sigma, image.shape))


def _to_levels(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


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
