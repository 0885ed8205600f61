"""The oracle of JPEG: Pillow, which writes and reads with libjpeg-turbo."""

import io

import numpy as np
from PIL import Image

SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}  # as Pillow calls them


def encode(pixels, quality, subsampling="4:2:0") -> bytes:
    """The file of one uint8 image, `(height, width)` or `(height, width, 3)`."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file, "JPEG", quality=quality, subsampling=SUBSAMPLINGS[subsampling]
    )
    return file.getvalue()


def decode(file: bytes):
    """The pixels of a file, uint8."""
    return np.asarray(Image.open(io.BytesIO(file)))


def round_trip(images, qualities, subsampling="4:2:0"):
    """What a batch of uint8 images `(batch, height, width, channels)` is as files.

    Args:
        images: Array with 1 or 3 channels.
        qualities: One for all images, or one for each.
        subsampling: A key of `SUBSAMPLINGS`.
    """
    opened = []
    qualities = np.broadcast_to(qualities, len(images)).tolist()
    for pixels, quality in zip(images, qualities, strict=True):
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        file = encode(pixels, quality, subsampling)
        opened.append(decode(file).reshape(images.shape[1:]))
    return np.stack(opened)
