"""Classical processing of a picture, none of which makes a photograph a fake.

Each function takes an image, uint8 `(height, width, 3)`, and a level, to another image
of the same kind. `KINDS` draw the level, for training; evaluation sets it.
"""

import io
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from examples.deepfake_v3.errors import InputError

OTHER_GRID = (3, 5)  # rows and columns, which no grid of 8 or 16 pixels shares

MARGIN = 32  # pixels around a crop, on which what `KINDS` make of it may depend

_KERNELS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
_ROUND_FACTORS = (3 / 4, 2 / 3, 1 / 2, 1 / 2, 2 / 5, 1 / 3, 1 / 4)


def compress(image: np.ndarray, quality: int, subsampling: str = "4:2:0") -> np.ndarray:
    """JPEG of this quality, by default with colours at half resolution."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
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


def resize(
    image: np.ndarray,
    factor: float,
    kernel: Image.Resampling = Image.Resampling.BICUBIC,
) -> np.ndarray:
    """Interpolation to `factor` times the size, with antialiasing."""
    height, width = (max(1, round(factor * length)) for length in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), kernel))


def resize_and_back(
    image: np.ndarray,
    factor: float,
    kernel: Image.Resampling = Image.Resampling.BICUBIC,
    kernel_back: Image.Resampling = Image.Resampling.BICUBIC,
) -> np.ndarray:
    """Interpolation to `factor` times the size, and to the old size again."""
    height, width = image.shape[:2]
    resized = resize(image, factor, kernel)
    return np.asarray(Image.fromarray(resized).resize((width, height), kernel_back))


def enlarge(
    image: np.ndarray,
    factor: float,
    kernel: Image.Resampling,
    place: Sequence[float] = (0.5, 0.5),
) -> np.ndarray:
    """A window of the image, `factor` times as large, which has the image's old size.

    Args:
        image: The image.
        factor: At least 1.
        kernel: Of the interpolation.
        place: Of the window, down and to the right, 0 to 1.
    """
    height, width = image.shape[:2]
    top, left = (
        share * length * (1 - 1 / factor)
        for share, length in zip(place, (height, width), strict=True)
    )
    box = (left, top, left + width / factor, top + height / factor)
    return np.asarray(Image.fromarray(image).resize((width, height), kernel, box=box))


def take_median(image: np.ndarray, side: int) -> np.ndarray:
    """The median of each colour in windows of `side` pixels a side."""
    return ndimage.median_filter(image, (side, side, 1))


def sharpen(image: np.ndarray, percent: float, radius: float = 2) -> np.ndarray:
    """Unsharp masking; `radius` in pixels."""
    mask = ImageFilter.UnsharpMask(radius, round(percent), threshold=0)
    return np.asarray(Image.fromarray(image).filter(mask))


def add_noise(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian noise; `sigma` in grey levels. The same image gets the same noise."""
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    return _to_levels(image + rng.normal(0, sigma, image.shape))


def denoise(image: np.ndarray, deviation: float, radius: int = 2) -> np.ndarray:
    """Bilateral filter: means of neighbours, of which similar ones count more.

    Args:
        image: The image.
        deviation: Grey levels by which a neighbour may differ, over all colours.
        radius: Pixels to the furthest neighbour; half of it is the deviation in space.
    """
    padding = ((radius, radius), (radius, radius), (0, 0))
    padded = np.pad(image, padding, "reflect").astype(np.float32)
    height, width = image.shape[:2]
    total = np.zeros(image.shape, np.float32)
    weights = np.zeros((height, width, 1), np.float32)
    for row, column in np.ndindex(2 * radius + 1, 2 * radius + 1):
        neighbours = padded[row : row + height, column : column + width]
        distance = ((row - radius) ** 2 + (column - radius) ** 2) / (radius / 2) ** 2
        difference = np.sum((neighbours - image) ** 2, axis=2, keepdims=True)
        weight = np.exp(-0.5 * (distance + difference / deviation**2))
        total += weight * neighbours
        weights += weight
    return _to_levels(total / weights)


def _to_levels(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _draw_resizing(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    round_one = rng.random() < 0.5
    factor = rng.choice(_ROUND_FACTORS) if round_one else 1 / rng.uniform(1.25, 4)
    kernel, kernel_back = rng.choice(_KERNELS), rng.choice(_KERNELS[1:])
    return resize_and_back(
        image, factor, Image.Resampling(kernel), Image.Resampling(kernel_back)
    )


def _draw_enlarging(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kernel = Image.Resampling(rng.choice(_KERNELS[1:]))
    return enlarge(image, rng.uniform(1.1, 2.5), kernel, (rng.random(), rng.random()))


def _draw_blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.7:
        return blur(image, rng.uniform(0.4, 1.6))
    # Of a defocused or shaken camera.
    height, width = rng.choice(((2, 2), (3, 3), (4, 4), (1, 3), (3, 1)))
    return _to_levels(
        ndimage.uniform_filter(image.astype(np.float32), (height, width, 1))
    )


def _draw_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # Of each colour, or of all alike.
    channels = 3 if rng.random() < 0.5 else 1
    noise = rng.normal(0, rng.uniform(1, 6), (*image.shape[:2], channels))
    return _to_levels(image + noise)


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "resizing": _draw_resizing,
    "enlarging": _draw_enlarging,
    "denoising": lambda image, rng: denoise(
        image, rng.uniform(10, 50), int(rng.integers(1, 4))
    ),
    "median": lambda image, rng: take_median(image, int(rng.choice((3, 3, 5)))),
    "blur": _draw_blur,
    "sharpening": lambda image, rng: sharpen(
        image, rng.uniform(50, 200), rng.uniform(0.5, 2.5)
    ),
    "noise": _draw_noise,
    "JPEG": lambda image, rng: compress(
        image, int(rng.integers(50, 96)), str(rng.choice(("4:4:4", "4:2:0")))
    ),
}
"""Kinds of processing by name: a function of an image and what draws the strength, to
an image of the same size. Resizing is down and up again, by factors from 1.25 to 4 and
five kernels."""


def process_at_random(
    image: np.ndarray,
    rng: np.random.Generator,
    kinds: Sequence[str] = tuple(KINDS),
) -> np.ndarray:
    """Processes an image in one way, drawn with its strength.

    Args:
        image: The image, of at least 4 pixels a side.
        rng: Draws the kind and its strength.
        kinds: What to draw from: names in `KINDS`.

    Returns:
        An image of the same size.

    Raises:
        ValueError: If a kind is unknown, or there is none.
    """
    if not kinds or not set(kinds) <= set(KINDS):
        raise InputError(
            f"`kinds` must be some of {', '.join(KINDS)}. Received: kinds={kinds}"
        )
    return KINDS[str(rng.choice(kinds))](image, rng)
