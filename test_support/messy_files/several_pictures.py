"""Animations, pages, and a phone's photo with a preview behind it."""

import struct
from collections.abc import Iterator

from PIL import Image

from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import (
    JPEG_TOLERANCE,
    encode,
    grey,
    noise,
    smooth,
)
from test_support.messy_files.tiff import tiff


def files() -> Iterator[Messy]:
    first, other = Image.fromarray(smooth()), Image.fromarray(noise())
    several = {"save_all": True, "append_images": [other, first]}
    for kind, extension in (("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif")):
        content = encode(first, kind, **several)
        reason = "animated, or of several pages"
        yield Messy("animated", f"animated/3{extension}", content, None, reason)
    pages = encode(first, "TIFF", save_all=True, append_images=[other] * 500)
    yield Messy("animated", "animated/500.tif", pages, None, "several pages")
    yield Messy(
        "animated", "animated/3.gif", encode(first, "GIF", **several), None, "GIF"
    )
    for extension in (".mpo", ".jpg", ".jpeg"):
        content = encode(first, "MPO", quality=95, subsampling=0, **several)
        name = f"animated/phone{extension}"
        yield Messy("phone", name, content, smooth(), None, JPEG_TOLERANCE)
        cut = content[: len(encode(first, "JPEG", quality=95, subsampling=0)) + 300]
        name = f"animated/phone_without_its_preview{extension}"
        yield Messy("phone", name, cut, smooth(), "truncated|not read", JPEG_TOLERANCE)
    # A directory that names itself as the next one.
    content = bytearray(tiff(noise()[:, :, 0].tobytes()))
    struct.pack_into("<I", content, 8 + 2 + 12 * 9, 8)
    pixels = grey(noise()[:, :, 0])
    yield Messy("endless pages", "animated/circle.tif", bytes(content), pixels)
