"""One image file, from bytes to pixels."""

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},  # a phone's JPEG with a preview behind it
    "PNG": {".png"},
    "WEBP": {".webp"},
    "BMP": {".bmp"},
    "TIFF": {".tif", ".tiff"},
}

THREADS = os.cpu_count() or 1  # Pillow decodes outside the interpreter's lock

# Past Pillow's limit of pixels, refuse the file before it is decoded.
warnings.simplefilter("error", Image.DecompressionBombWarning)


class UnusableImageError(ValueError):
    """A file that cannot be used as an image; the message says why."""


def read_image(source) -> np.ndarray:
    """Decodes an image to RGB.

    Args:
        source: Path or binary file.

    Returns:
        Array of shape `(height, width, 3)`, uint8, upright (EXIF orientation applied).

    Raises:
        UnusableImageError: If it is no image, is truncated, too large or animated.
    """
    try:
        with Image.open(source) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise UnusableImageError(f"animated, {frames} frames")
            # Pillow copies for an orientation or a mode that is there already.
            if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                ImageOps.exif_transpose(image, in_place=True)
            if image.mode == "RGB":
                return np.asarray(image)
            if image.mode == "F":
                raise UnusableImageError("floating-point pixels, of unknown range")
            if image.mode.startswith("I"):  # convert() would clip more than 8 bits
                levels = np.asarray(image)
                if levels.min() < 0 or levels.max() > 0xFFFF:
                    raise UnusableImageError("more than 16 bits a pixel")
                return np.asarray(
                    Image.fromarray((levels >> 8).astype("uint8")).convert("RGB")
                )
            return np.asarray(image.convert("RGB"))
    except UnusableImageError:
        raise
    except Exception as error:  # Pillow's plugins raise what they like
        raise UnusableImageError(f"not readable: {error}") from error


def check_image(path: Path) -> tuple[str, str]:
    """Opens a file and decodes it.

    Returns:
        `(hash of the pixels, "")`, or `("", reason why it cannot be used)`.
    """
    try:
        with Image.open(path) as image:
            kind = image.format
        if kind not in EXTENSIONS:
            raise UnusableImageError(f"{kind} is not one of {sorted(EXTENSIONS)}")
        if path.suffix.lower() not in EXTENSIONS[kind]:
            raise UnusableImageError(f"wrongly named: the content is {kind}")
        pixels = read_image(path)
    except UnusableImageError as error:
        return "", str(error)
    except Exception as error:  # a broken file must not end the run
        return "", f"not readable: {error}"
    size = f"{pixels.shape}".encode()
    return hashlib.sha256(size + pixels.tobytes()).hexdigest(), ""


def crop_to_size(
    image: np.ndarray, size: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Crops a square without interpolation; only smaller images are enlarged.

    Args:
        image: Array of shape `(height, width, 3)`, uint8.
        size: Side of the square in pixels.
        rng: Draws the position of the crop; the centre without it.

    Returns:
        Array of shape `(size, size, 3)`, uint8.
    """
    height, width = image.shape[:2]
    if min(height, width) < size:
        scale = size / min(height, width)
        width, height = round(width * scale), round(height * scale)
        enlarged = Image.fromarray(image).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        image = np.asarray(enlarged)
    room = (height - size, width - size)
    top, left = (
        (free // 2 if rng is None else int(rng.integers(free + 1))) for free in room
    )
    return image[top : top + size, left : left + size]
