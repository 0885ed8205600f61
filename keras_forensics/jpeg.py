"""What a JPEG file says about its compression, and its pixels before rounding.

Nothing here runs in a graph. Files are read by `jpeglib`, of the extra `jpeg`:
`pip install "keras-forensics[jpeg]"`.
"""

import dataclasses
import os

import numpy as np

from keras_forensics import quantization_tables
from keras_forensics.ops.dct import dct_matrix

_FRAMES = {
    0xC0: "baseline",
    0xC1: "extended",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC9: "arithmetic-coded",
    0xCA: "progressive, arithmetic-coded",
}
"""Coding processes by the second byte of their marker, SOF0 to SOF10 (T.81, B.1)."""

_SEQUENTIAL = ("baseline", "extended")


@dataclasses.dataclass(frozen=True)
class QualityEstimate:
    """Where quantisation tables come from, as far as they tell.

    Attributes:
        origin: `"standard"` if libjpeg writes exactly these tables at `quality`,
            `"photoshop"` if they are of a setting of Photoshop, `"scaled"` if each is
            the standard's example times one number, as of encoders that scale luma and
            chroma on their own or in finer steps, else `"unknown"`.
        quality: The quality on libjpeg's scale, 1..100: an integer for `"standard"`;
            for the others, that of the standard's luma table times the factor that fits
            best, at low frequencies if none fits.
        setting: Name of Photoshop's setting, or `None`.
    """

    origin: str
    quality: float
    setting: str | None = None


@dataclasses.dataclass(frozen=True)
class JPEGCoefficients:
    """What is stored in a JPEG file.

    Attributes:
        coefficients: Quantised DCT coefficients of each component (luma, then both
            chroma planes), int16 arrays of shape `(block rows, block columns, 8, 8)`,
            vertical frequency before horizontal.
        tables: Quantisation table of each component, int64 array of shape
            `(components, 8, 8)`.
        size: Height and width of the image in pixels.
    """

    coefficients: tuple[np.ndarray, ...]
    tables: np.ndarray
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class UnroundedPixels:
    """A grey JPEG file, decompressed and not rounded.

    Attributes:
        pixels: Grey levels, float64 array of shape `(height, width, 1)`; some are below
            0 or above 255.
        table: Quantisation table, int64 array of shape `(8, 8)`.
    """

    pixels: np.ndarray
    table: np.ndarray

    @property
    def quality(self) -> float:
        """The quality on libjpeg's scale, 1..100, as `estimate_quality` finds it."""
        return estimate_quality(self.table).quality


def estimate_quality(tables) -> QualityEstimate:
    """Finds out at which quality tables were made.

    Args:
        tables: Array of shape `(8, 8)` or `(tables, 8, 8)`: luma, then chroma, as
            `JPEGCoefficients.tables` or `quantization_tables.standard` have them.

    Returns:
        A `QualityEstimate`.

    Raises:
        ValueError: If these are no tables of positive integers.

    Example:

    ```python
    from keras_forensics import jpeg, quantization_tables

    tables = quantization_tables.standard(83)
    print(jpeg.estimate_quality(tables))
    #> QualityEstimate(origin='standard', quality=83, setting=None)
    ```
    """
    tables = _check_tables(tables)
    for quality in quantization_tables.QUALITIES:
        if _equals(tables, quantization_tables.standard(quality)):
            return QualityEstimate("standard", quality)
    factors = [
        _fit(table, example)
        for table, example in zip(
            tables, _of_each(tables, quantization_tables.standard(50)), strict=True
        )
    ]
    nearest = _quality(factors[0][0])
    for setting, pair in quantization_tables.PHOTOSHOP.items():
        if _equals(tables, np.array(pair)):
            return QualityEstimate("photoshop", nearest, setting)
    scaled = all(fits for _, fits in factors)
    return QualityEstimate("scaled" if scaled else "unknown", nearest)


def read_coefficients(path: str | os.PathLike) -> JPEGCoefficients:
    """Reads the quantised DCT coefficients of a file, and its tables.

    Args:
        path: A JPEG file.

    Returns:
        `JPEGCoefficients`.

    Raises:
        ImportError: If `jpeglib` is not installed.
        OSError: If the file cannot be read.
    """
    try:
        import jpeglib
    except ImportError as error:
        raise ImportError(
            'Coefficients are read by jpeglib: pip install "keras-forensics[jpeg]"'
        ) from error
    file = jpeglib.read_dct(os.fspath(path))
    planes = [plane for plane in (file.Y, file.Cb, file.Cr) if plane is not None]
    return JPEGCoefficients(
        tuple(planes),
        np.stack([file.get_component_qt(k) for k in range(len(planes))]).astype(int),
        (file.height, file.width),
    )


def read_unrounded(path: str | os.PathLike) -> UnroundedPixels:
    """Decompresses a file without rounding, as features of JPEG steganalysis want it.

    They are defined for grey files of whole blocks, coded sequentially with Huffman
    codes, whose grid of blocks begins at the first pixel.

    Args:
        path: A JPEG file.

    Returns:
        `UnroundedPixels`, for `DCTRFeatures` and `GFRFeatures`.

    Raises:
        ImportError: If `jpeglib` is not installed.
        OSError: If the file cannot be read.
        ValueError: If it is a JPEG file of another kind: in colour, progressive,
            arithmetic-coded, or cropped to sides that are no multiples of 8.

    Example:

    ```python {needs="jpeglib"}
    import numpy as np
    from keras_forensics import DCTRFeatures, jpeg
    from PIL import Image

    grey = np.random.default_rng(0).integers(0, 256, (32, 40), "uint8")
    Image.fromarray(grey).save("grey.jpg", quality=95)
    file = jpeg.read_unrounded("grey.jpg")
    features = DCTRFeatures(file.quality)(file.pixels[None])
    print(file.quality, features.shape)
    #> 95 (1, 8000)
    ```
    """
    coding, (height, width), components = _read_frame(path)
    if components != 1:
        raise ValueError(
            f"{os.fspath(path)}: in colour, and the features are of grey files. Take "
            f"its luma: `jpegtran -grayscale`. Received: {components} components"
        )
    if coding not in _SEQUENTIAL:
        raise ValueError(
            f"{os.fspath(path)}: the features are of files that are coded sequentially "
            "with Huffman codes. `jpegtran` without options makes it one, with the "
            f"same coefficients. Received: a file that is {coding}"
        )
    if height % 8 or width % 8:
        raise ValueError(
            f"{os.fspath(path)}: the features are of whole blocks. Cut the incomplete "
            f"ones off: `jpegtran -crop {width - width % 8}x{height - height % 8}+0+0`."
            f" Received: height {height} and width {width}"
        )
    stored = read_coefficients(path)
    table = stored.tables[0]
    blocks = dct_matrix().T @ (stored.coefficients[0] * table) @ dct_matrix()
    pixels = blocks.transpose(0, 2, 1, 3).reshape(height, width, 1)
    return UnroundedPixels(pixels + 128, table)


def _read_frame(path) -> tuple[str, tuple[int, int], int]:
    """How a file is coded, its height and width, and its number of components."""
    with open(path, "rb") as file:
        if file.read(2) == b"\xff\xd8":
            while len(marker := file.read(2)) == 2 and marker[0] == 0xFF:
                if marker[1] == 0xFF:  # a byte of filling
                    file.seek(-1, os.SEEK_CUR)
                    continue
                length = int.from_bytes(file.read(2))
                if marker[1] in _FRAMES:
                    frame = file.read(6)  # precision, height, width, components
                    size = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
                    return _FRAMES[marker[1]], size, frame[5]
                file.seek(max(length - 2, 0), os.SEEK_CUR)
    raise OSError(f"{os.fspath(path)}: not a JPEG file, or damaged before its frame")


def _check_tables(tables) -> np.ndarray:
    array = np.asarray(tables)
    if array.ndim == 2:
        array = array[None]
    if (
        array.shape[1:] != (8, 8)
        or array.dtype.kind not in "iu"
        or not len(array)
        or array.min() < 1
    ):
        raise ValueError(
            "`tables` must be positive integers of shape (8, 8) or (tables, 8, 8). "
            f"Received: tables of shape {np.shape(tables)} and dtype {array.dtype}"
        )
    return array


def _of_each(tables: np.ndarray, luma_and_chroma: np.ndarray) -> np.ndarray:
    """The luma table for the first, that of chroma for all others."""
    return luma_and_chroma[[0, *[1] * (len(tables) - 1)]]


def _equals(tables: np.ndarray, luma_and_chroma: np.ndarray) -> bool:
    return np.array_equal(tables, _of_each(tables, luma_and_chroma))


def _fit(table: np.ndarray, example: np.ndarray) -> tuple[float, bool]:
    """The factor by which `example` is `table`, and whether it is but for rounding."""
    for below, above in ((0.5, 0.5), (0, 1)):  # rounded or cut off
        # Clipped values say only that the factor is small or large enough.
        low = np.where(table == 1, 0, (table - below) / example).max()
        high = np.where(table == 255, np.inf, (table + above) / example).min()
        if low < high < np.inf:
            return (low + high) / 2, True
    low_frequencies = np.add.outer(range(8), range(8)) < 4  # seen most
    return float(np.median((table / example)[low_frequencies])), False


def _quality(factor: float) -> float:
    """The quality at which libjpeg multiplies its tables by `factor`."""
    quality = 50 / factor if factor > 1 else 100 - 50 * factor
    return round(float(np.clip(quality, 1, 100)), 1)
