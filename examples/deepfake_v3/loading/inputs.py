"""What a detector takes for an image, and what it does not."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from examples.deepfake_v3.loading.images import MAX_BYTES

Image = str | os.PathLike | bytes | PillowImage.Image | np.ndarray
"""A file, its content, an opened image, or an array `(height, width, 3)` of uint8 in
grey levels 0..255."""

TAKEN = (
    "a path, the bytes of an image file, a file that is open for reading bytes, a PIL "
    "image, an array (height, width, 3) or (images, height, width, 3) of uint8 in grey "
    "levels 0..255, or a list of these"
)


def as_images(images: Any) -> Iterator[tuple[str | None, Image]]:
    """One image after the other, with the name of its file if it has one.

    Args:
        images: One of what `TAKEN` names.

    Raises:
        TypeError: If it is something else.
        ValueError: If an array is no image.
    """
    if (one := _as_one(images)) is not None:
        yield one
        return
    if isinstance(images, np.ndarray) and images.ndim > 3:
        if images.ndim != 4:
            check_pixels(images)
        for image in images:
            yield None, check_pixels(image)
        return
    if isinstance(images, Mapping) or not isinstance(images, Iterable):
        raise _wrong(images)
    if hasattr(images, "__array__") and not _holds_paths(images):
        raise _wrong(images)  # tensors, whose rows are no images
    for image in images:
        if (one := _as_one(image)) is not None:
            yield one
        elif isinstance(image, np.ndarray) and image.ndim == 4:
            yield from as_images(image)
        else:
            raise _wrong(image)


def _holds_paths(images: Any) -> bool:
    """Whether it is an array, or a column of a table, that holds paths."""
    return getattr(images, "ndim", 0) == 1 and getattr(
        getattr(images, "dtype", None), "kind", "O"
    ) in ("O", "U", "T")


def _as_one(image: Any) -> tuple[str | None, Image] | None:
    """A single image, or None."""
    if isinstance(image, str | os.PathLike):
        return os.fsdecode(image), image
    if isinstance(image, bytes | bytearray | memoryview):
        return None, bytes(image)
    if isinstance(image, PillowImage.Image):
        return getattr(image, "filename", None) or None, image
    if isinstance(image, np.ndarray) and image.ndim in (2, 3):
        return None, check_pixels(image)
    if callable(getattr(image, "read", None)):
        content = image.read(MAX_BYTES + 1)
        if not isinstance(content, bytes):
            raise TypeError(
                "A file must be open for reading bytes, with mode 'rb'. Received: "
                f"{type(image).__name__} that gives {type(content).__name__}"
            )
        name = getattr(image, "name", None)
        return name if isinstance(name, str) else None, content
    return None


def check_pixels(array: np.ndarray) -> np.ndarray:
    """The array, if it is an image in grey levels.

    Raises:
        ValueError: If not. Pixels from 0 to 1 would be scored without a complaint.
    """
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(
            "An array must be an image of shape (height, width, 3) in grey levels "
            "0..255 of type uint8. Received: "
            f"shape={array.shape}, dtype={array.dtype}"
        )
    if 0 in array.shape:
        raise ValueError(f"An image must have pixels. Received: shape={array.shape}")
    return array


def _wrong(what: Any) -> TypeError:
    kind = type(what)
    return TypeError(
        f"`images` must be {TAKEN}; convert a tensor with numpy first. Received: "
        f"{kind.__module__}.{kind.__qualname__}"
    )
