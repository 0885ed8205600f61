"""The edits of a photograph that the networks tell apart."""

import dataclasses
import io

import numpy as np
from PIL import Image
from scipy import ndimage

CLASSES = ("untouched", "median", "blur", "noise", "resampling", "JPEG")
"""What was done to a patch, in the order of the labels."""


@dataclasses.dataclass(frozen=True)
class Strengths:
    """How strong each edit is."""

    median: int
    """Side of the median filter in pixels."""
    blur: float
    """Standard deviation of the Gaussian blur in pixels."""
    noise: float
    """Standard deviation of the Gaussian noise in grey levels."""
    resampling: float
    """Factor of the enlargement."""
    jpeg: int
    """Quality of the JPEG compression, 1 to 100."""


SETS = {
    "easy": Strengths(median=5, blur=1.1, noise=2, resampling=1.5, jpeg=70),
    "harder": Strengths(median=3, blur=0.7, noise=1, resampling=1.1, jpeg=90),
}
"""Edits by name: the first as in Bayar & Stamm (2018)."""

BLUR_RADIUS = 2  # pixels: a kernel of 5x5, as in the paper


def edit(
    photograph: np.ndarray, name: str, strengths: Strengths, rng: np.random.Generator
) -> np.ndarray:
    """Edits a whole photograph, so that its border is all that borders can change.

    Args:
        photograph: Grey levels, uint8 `(height, width)`.
        name: One of `CLASSES`.
        strengths: How strong the edits are.
        rng: Draws the noise, and the window of an enlarged photograph.

    Returns:
        Grey levels, uint8 of the same shape. What becomes larger is cut to that shape
        at a place drawn at random, so that patches of every class are drawn alike.

    Raises:
        ValueError: If the name is not one of `CLASSES`.
    """
    match name:
        case "untouched":
            return photograph
        case "median":
            return ndimage.median_filter(photograph, strengths.median)
        case "blur":
            return to_grey_levels(
                ndimage.gaussian_filter(
                    photograph.astype("float64"), strengths.blur, radius=BLUR_RADIUS
                )
            )
        case "noise":
            return to_grey_levels(
                photograph + rng.normal(0, strengths.noise, photograph.shape)
            )
        case "resampling":
            enlarged = enlarge(photograph, strengths.resampling)
            top, left = (
                rng.integers(large - small + 1)
                for large, small in zip(enlarged.shape, photograph.shape, strict=True)
            )
            height, width = photograph.shape
            return enlarged[top : top + height, left : left + width]
        case "JPEG":
            return compress(photograph, strengths.jpeg)
    raise ValueError(f"`name` must be one of {CLASSES}. Received: name={name!r}")


def to_grey_levels(values: np.ndarray) -> np.ndarray:
    """Rounds to the nearest whole grey level in 0..255."""
    return np.clip(np.rint(values), 0, 255).astype("uint8")


def enlarge(photograph: np.ndarray, factor: float) -> np.ndarray:
    """Interpolates linearly between pixels, at exactly this factor.

    What does not fill a pixel at the right and at the bottom is left out.
    """
    height, width = (int(side * factor) for side in photograph.shape)
    return np.asarray(
        Image.fromarray(photograph).resize(
            (width, height),
            Image.Resampling.BILINEAR,
            box=(0, 0, width / factor, height / factor),
        )
    )


def compress(photograph: np.ndarray, quality: int) -> np.ndarray:
    """Compresses to JPEG and decodes it again."""
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
