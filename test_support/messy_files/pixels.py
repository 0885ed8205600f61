"""The pixels of the files, and their encoding by Pillow."""

import io
import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 64
JPEG_TOLERANCE = 6  # grey levels, at quality 95 and on smooth pixels


def smooth() -> np.ndarray:
    """Colours that change slowly, so that JPEG hardly changes them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 3 + 20, y * 4 + 10, (x + y) * 2], -1).astype("uint8")


def noise(height=HEIGHT, width=WIDTH) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), "uint8")


def grey(levels: np.ndarray) -> np.ndarray:
    """The RGB of grey levels."""
    return np.repeat(levels[:, :, None], 3, axis=2).astype("uint8")


def encode(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    """An image file as Pillow writes it."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def numbered(kind: str, extension: str) -> Iterator[str]:
    """Names for the files of a kind."""
    for index in itertools.count():
        yield f"{kind.replace(' ', '_')}/{index:03}{extension}"
