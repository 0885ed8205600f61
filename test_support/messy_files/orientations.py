"""Photos that say which way is up."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import JPEG_TOLERANCE, encode, grey, smooth

UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels),
}


def files() -> Iterator[Messy]:
    """All orientations of EXIF, and values that are none."""
    rgb = smooth()
    for orientation in (*range(10), 255, 65_535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        pixels = UPRIGHT.get(orientation, lambda pixels: pixels)(rgb)
        for kind, extension, options in (
            ("JPEG", ".jpg", {"quality": 95, "subsampling": 0}),
            ("JPEG", ".grey.jpg", {"quality": 95}),
            ("MPO", ".mpo", {"quality": 95, "save_all": True}),
            ("PNG", ".png", {}),
            ("PNG", ".palette.png", {}),
            ("TIFF", ".tif", {}),
            ("TIFF", ".packed.tif", {"compression": "tiff_lzw"}),
            ("WEBP", ".webp", {"lossless": True}),
        ):
            source, expected = Image.fromarray(rgb), pixels
            if "grey" in extension:
                source = Image.fromarray(rgb[:, :, 0])
                expected = np.repeat(pixels[:, :, :1], 3, axis=2)
            if "palette" in extension:
                # The ramp of one channel needs no more colours than a palette has.
                source = Image.fromarray(grey(rgb[:, :, 0])).quantize(256)
                expected = np.repeat(pixels[:, :, :1], 3, axis=2)
            if "packed" in extension and orientation not in range(1, 9):
                continue  # libtiff writes no others
            if kind == "MPO":
                options = {**options, "append_images": [Image.new("RGB", (8, 6))]}
            yield Messy(
                "orientation",
                f"orientation/{orientation}{extension}",
                encode(source, kind, exif=exif, **options),
                expected,
                tolerance=JPEG_TOLERANCE if kind in ("JPEG", "MPO") else 0,
            )
    for orientation in range(1, 9):
        note = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/>'
        yield Messy(
            "orientation",
            f"orientation/{orientation}.xmp.jpg",
            encode(rgb, "JPEG", quality=95, subsampling=0, xmp=note.encode()),
            UPRIGHT.get(orientation, lambda pixels: pixels)(rgb),
            tolerance=JPEG_TOLERANCE,
        )
