"""JPEG: everything that a file may hold beside and instead of the usual."""

import base64
import re
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import (
    HEIGHT,
    JPEG_TOLERANCE,
    WIDTH,
    encode,
    grey,
    noise,
    smooth,
)

# 16x16 pixels, coded by libjpeg-turbo's `jpegtran -arithmetic`, the second also with
# `-progressive`: Pillow reads such files and writes none.
ARITHMETIC = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA"
    "8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/2wBDAQMDAwQDBAgEBAgQCwkLEBAQEBAQEBAQEBAQEBAQ"
    "EBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBD/yQARCAAQABADAREAAhEBAxEB/8wACgAQEA"
    "UBEBEF/9oADAMBAAIRAxEAPwD/AMfCZCJVvgXu/dQQqreYg5aBz7O9nm5sI75RJjseSKKlFVhlJYLcse/y"
    "vHSi1vEUor/IN3py+P/Z",
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA"
    "8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/2wBDAQMDAwQDBAgEBAgQCwkLEBAQEBAQEBAQEBAQEBAQ"
    "EBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBD/ygARCAAQABADAREAAhEBAxEB/8wABgAQAR"
    "D/2gAMAwEAAhADEAAAAf8Aj3EyEBt7TGzEKLO+F9VI/8wABBAF/9oACAEBAAEFAhOPwt962DcF/8wABBEF"
    "/9oACAEDAQE/ARWnWD6ttueA/8wABBEF/9oACAECAQE/AR5VuCox/8wABBAF/9oACAEBAAY/Al4U/8wABB"
    "AF/9oACAEBAAE/IddBZP/aAAwDAQACAAMAAAAQkJD/zAAEEQX/2gAIAQMBAT8QqA//AK3/zAAEEQX/2gAI"
    "AQIBAT8QfP/MAAQQBf/aAAgBAQABPxAfa822WAj/2Q==",
)


def files() -> Iterator[Messy]:
    rgb = smooth()
    whole = encode(rgb, "JPEG", quality=95, subsampling=0)

    def read(name, content, pixels=rgb):
        return Messy("JPEG", f"jpeg/{name}.jpg", content, pixels, None, JPEG_TOLERANCE)

    for name, options in {
        "progressive": {"progressive": True, "subsampling": 0},
        "optimized": {"optimize": True, "subsampling": 0},
        "422": {"subsampling": 1},
        "420": {"subsampling": 2},
        "rgb": {"keep_rgb": True},
        "restarts": {"restart_marker_blocks": 1, "subsampling": 0},
        "comment": {"comment": b"x" * 65_000, "subsampling": 0},
        "colour_profile": {"icc_profile": bytes(200_000), "subsampling": 0},
        "thumbnail": {"exif": thumbnail(), "subsampling": 0},
        "metadata_of_garbage": {"exif": b"Exif\0\0" + noise().tobytes()[:500]},
        "metadata_that_ends": {"exif": b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"},
        "empty_metadata": {"exif": b"Exif\0\0"},
    }.items():
        yield read(name, encode(rgb, "JPEG", quality=95, **options))
    levels = smooth()[:, :, 0]
    yield read("grey", encode(levels, "JPEG", quality=95), grey(levels))
    for black in (0, 100):
        ink = np.dstack([smooth(), np.full((HEIGHT, WIDTH), black, "uint8")])
        content = encode(Image.fromarray(ink, "CMYK"), "JPEG", quality=95)
        pixels = (255 - smooth().astype(int)) * (255 - black) // 255
        yield read(f"cmyk_{black}", content, pixels)
        # The same planes, said to be luminance, colour and black.
        planes = np.asarray(Image.fromarray(255 - rgb).convert("YCbCr"))
        stored = np.dstack([255 - planes, np.full((HEIGHT, WIDTH), black, "uint8")])
        content = encode(Image.fromarray(stored, "CMYK"), "JPEG", quality=95)
        adobe = content.index(b"Adobe") + 11
        content = content[:adobe] + b"\2" + content[adobe + 1 :]
        yield read(f"ycck_{black}", content, rgb.astype(int) * (255 - black) // 255)
    y, x = np.mgrid[:16, :16]
    ramp = np.stack([x * 8 + 40, y * 8 + 60, (x + y) * 4 + 50], -1)
    for index, text in enumerate(ARITHMETIC):
        yield read(f"arithmetic_{index}", base64.b64decode(text), ramp)
    for name, garbage in {
        "zeros": bytes(5000),
        "noise": noise().tobytes(),
        "itself": whole,
        "another": encode(noise(8, 8), "JPEG"),
        "zip": b"PK\3\4" + noise().tobytes()[:2000],
    }.items():
        yield read(f"trailing_{name}", whole + garbage)
    yield read("fill_bytes", whole[:2] + b"\xff" * 50 + whole[2:])
    yield read("junk_before_a_marker", whole[:20] + bytes(20) + whole[20:])
    app = b"\xff\xe5" + struct.pack(">H", 65_002) + bytes(65_000)
    yield read("a_megabyte_of_segments", whole[:2] + app * 16 + whole[2:])
    yield Messy("JPEG", "jpeg/no_end.jpg", whole[:-2], None, "truncated")


def thumbnail() -> bytes:
    """EXIF with a small JPEG inside."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    preview = encode(noise(8, 8), "JPEG")
    return exif.tobytes() + preview


def resized(jpeg: bytes, height: int, width: int) -> bytes:
    """A JPEG with another size in its header."""
    frame = re.search(rb"\xff[\xc0\xc2]\0.\x08", jpeg, re.DOTALL)
    assert frame
    size = struct.pack(">HH", height, width)
    return jpeg[: frame.end()] + size + jpeg[frame.end() + 4 :]
