"""What an image file tells before one looks at its pixels."""

import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin

from examples.deepfake_v3.loading.images import open_image

Fact = str | float | None

METADATA = ("exif", "icc_profile", "xmp", "comment", "dpi", "jfif", "photoshop")
SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


def read_file_facts(path: Path) -> dict[str, Fact]:
    """Reads the header of an image that `check_image` found usable.

    Returns:
        Text for "extension", "format", "mode" and "chroma_subsampling"; numbers for
        "width", "height", "bytes_per_pixel", "jpeg_quality" (1 to 100) and
        "progressive"; 0 or 1 for each kind of metadata. What the format does not have
        is None.
    """
    with path.open("rb") as file, open_image(file) as image:
        info = image.info
        facts: dict[str, Fact] = {
            "extension": path.suffix.lower(),
            "format": image.format,
            "mode": image.mode,
            "width": image.width,
            "height": image.height,
            "bytes_per_pixel": path.stat().st_size / (image.width * image.height),
            "jpeg_quality": None,
            "chroma_subsampling": None,
            "progressive": None,
            **{f"has_{name}": float(name in info) for name in METADATA},
            # Where image generators write their prompt.
            "has_text": float(
                isinstance(image, PngImagePlugin.PngImageFile)
                and any(isinstance(value, str) for value in info.values())
            ),
        }
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            facts["jpeg_quality"] = estimate_jpeg_quality(image.quantization)
            sampling = JpegImagePlugin.get_sampling(image)
            facts["chroma_subsampling"] = SUBSAMPLING.get(sampling, "other")
            facts["progressive"] = float("progressive" in info)
    return facts


def estimate_jpeg_quality(tables: Mapping[int, Sequence[int]]) -> float | None:
    """The libjpeg quality whose luminance table is nearest to that of a file.

    Exact for files written by libjpeg; an estimate for encoders with tables of their
    own, such as Photoshop's.

    Args:
        tables: Quantisation tables of 64 steps, by number, as Pillow gives them.

    Returns:
        1 to 100, or None without a table.
    """
    if not tables:
        return None
    luminance = np.array(tables[min(tables)])
    distances = np.abs(_libjpeg_tables() - luminance).sum(axis=1)
    return float(1 + distances.argmin())


@functools.cache
def _libjpeg_tables() -> np.ndarray:
    """The luminance table of each quality from 1 to 100, shape `(100, 64)`."""
    tables = []
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        file.seek(0)
        tables.append(JpegImagePlugin.JpegImageFile(file).quantization[0])
    return np.array(tables)


def as_columns(rows: Sequence[Mapping[str, Fact]]) -> dict[str, np.ndarray]:
    """Facts of many files as numbers that a classifier takes.

    Returns:
        `{name: float array}` of the facts that differ between the files. Text becomes
        the rank of its value, None becomes NaN.
    """
    columns = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        present = sorted({value for value in values if value is not None}, key=str)
        if len(present) + (None in values) < 2:
            continue
        ranks = {value: rank for rank, value in enumerate(present)}
        columns[name] = np.array(
            [
                np.nan
                if value is None
                else ranks[value]
                if isinstance(value, str)
                else value
                for value in values
            ],
            "float64",
        )
    return columns
