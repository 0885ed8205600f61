"""The ways to store colours that several formats have."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import encode, grey, noise


def files() -> Iterator[Messy]:
    """Every mode in every format that has it."""
    rgb, levels = noise(), noise()[:, :, 0]
    bits = levels > 127
    alpha = noise()[:, :, 1]
    image = Image.fromarray(rgb)
    palette = image.quantize(64)
    few = np.asarray(palette.convert("RGB"))
    seen = Image.fromarray(np.dstack([rgb, alpha]), "RGBA")
    pairs = Image.fromarray(np.dstack([levels, alpha]), "LA")
    with_alpha = palette.copy()
    with_alpha.putalpha(Image.fromarray(alpha))
    stored = [
        ("RGB", image, rgb, ("PNG", "TIFF", "BMP", "WEBP")),
        ("L", Image.fromarray(levels), grey(levels), ("PNG", "TIFF", "BMP", "WEBP")),
        ("1", Image.fromarray(bits), grey(255 * bits), ("PNG", "TIFF", "BMP")),
        ("P", palette, few, ("PNG", "TIFF", "BMP")),
        ("RGBA", seen, rgb, ("PNG", "TIFF", "BMP", "WEBP")),
        ("LA", pairs, grey(levels), ("PNG", "TIFF")),
        ("PA", with_alpha, few, ("TIFF",)),
    ]
    extensions = {"PNG": ".png", "TIFF": ".tif", "BMP": ".bmp", "WEBP": ".webp"}
    for mode, source, pixels, kinds in stored:
        for kind in kinds:
            # What is transparent keeps its colour with `exact`.
            options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
            name = f"modes/{mode}_{kind}{extensions[kind]}"
            yield Messy("mode", name, encode(source, kind, **options), pixels)
