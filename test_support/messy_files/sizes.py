"""Single pixels, single lines, no pixels, and as many as may be."""

import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from examples.deepfake_v3.loading.images import MAX_PIXELS
from test_support.messy_files.jpeg import resized
from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import JPEG_TOLERANCE, encode, smooth
from test_support.messy_files.png import png

SAMPLE = 100  # of large images, every hundredth row and column is compared


def files() -> Iterator[Messy]:
    """Single pixels and single lines."""
    for height, width in ((1, 1), (1, 2), (3, 2), (1, 5000), (5000, 1), (1, 65_000)):
        # One colour, so that chroma subsampling changes nothing.
        pixels = np.full((height, width, 3), (200, 120, 40), "uint8")
        for kind, extension, options in (
            ("JPEG", ".jpg", {"quality": 95}),
            ("JPEG", ".progressive.jpg", {"quality": 95, "progressive": True}),
            ("PNG", ".png", {}),
            ("BMP", ".bmp", {}),
            ("TIFF", ".tif", {}),
            ("TIFF", ".packed.tif", {"compression": "tiff_deflate"}),
            ("WEBP", ".webp", {"lossless": True}),
        ):
            if kind == "WEBP" and width > 16_383:
                continue
            yield Messy(
                "single lines",
                f"sizes/{height}x{width}{extension}",
                encode(pixels, kind, **options),
                pixels,
                tolerance=JPEG_TOLERANCE if kind == "JPEG" else 0,
            )
    for width, height in ((0, 5), (5, 0), (0, 0)):
        name = f"sizes/{height}x{width}.png"
        content = png(width, height, 8, 2, zlib.compress(b""))
        reason = "damaged header|pixels; the limit|not readable"
        yield Messy("no pixels", name, content, None, reason)
    whole = encode(smooth(), "JPEG")
    for name, (height, width) in {"h": (0, 8), "w": (8, 0), "hw": (0, 0)}.items():
        content = resized(whole, height, width)
        reason = "damaged header|pixels; the limit|not readable"
        yield Messy("no pixels", f"sizes/{name}.jpg", content, None, reason)


def large_files() -> list[Messy]:
    """Good images just below the limit of pixels, which take the most memory."""
    side, colour = int(MAX_PIXELS**0.5), (200, 120, 40)
    image = Image.new("RGB", (side, side), colour)
    sampled = len(range(0, side, SAMPLE))
    pixels = np.full((sampled, sampled, 3), colour, "uint8")
    return [
        Messy(
            "large",
            f"large/{index}{extension}",
            encode(image, kind, **options),
            pixels,
            tolerance=JPEG_TOLERANCE if kind == "JPEG" else 0,
        )
        for index in range(2)
        for kind, extension, options in (
            ("JPEG", ".jpg", {"quality": 95}),
            ("JPEG", ".progressive.jpg", {"quality": 95, "progressive": True}),
            ("PNG", ".png", {}),
            ("WEBP", ".webp", {"lossless": True, "method": 0}),
        )
    ]
