"""What a JPEG file says about its compression: tables, quality, coefficients.

Nothing here runs in a graph. Files are read by `jpeglib`, of the extra `jpeg`:
`pip install "keras-forensics[jpeg]"`.
"""

import dataclasses
import os

import numpy as np

from keras_forensics import quantization_tables


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
