"""Good files that were cut, changed, or never written to their end."""

import io
import itertools
import re
from collections.abc import Iterator

import numpy as np
from PIL import Image

from examples.deepfake_v3.loading.images import read_image
from test_support.messy_files.messy import ANY, Messy
from test_support.messy_files.pixels import (
    HEIGHT,
    JPEG_TOLERANCE,
    encode,
    noise,
    numbered,
    smooth,
)
from test_support.messy_files.png import interlaced

DAMAGE = (
    "truncated|Truncated|not readable|damaged header|empty: 0 bytes|wrongly named"
    "|animated|the limit|12-bit|signed|BigTIFF|TIFF with|the content is|not an image"
)


def truncated() -> Iterator[Messy]:
    """Cut at many points: refused, or read whole if only the end mark is gone."""
    for extension, content, pixels, tolerance in wholes():
        names = numbered("truncated", extension)
        ends = {*np.linspace(0, len(content) - 1, 20, dtype=int).tolist()}
        ends |= {1, 2, 3, 8, 16, 30, len(content) - 2, len(content) - 3}
        for end in sorted(ends):
            name, cut = next(names), content[:end]
            # Within the last bytes nothing but the end mark or padding is lost.
            whole = pixels if end > len(content) - 16 else None
            yield Messy("truncated", name, cut, whole, DAMAGE, tolerance)


def flipped() -> Iterator[Messy]:
    """One byte changed, in headers and in bodies."""
    for extension, content, pixels, tolerance in wholes():
        names = numbered("flipped", extension)
        head = np.arange(0, min(80, len(content)), 5)
        body = np.linspace(80, len(content) - 1, 16, dtype=int)
        for place in (*head.tolist(), *body.tolist()):
            changed = bytearray(content)
            changed[place] ^= 0x10 if place % 2 else 0xFF
            # PNG has checksums: read right, or not at all.
            expected = pixels if extension.endswith(".png") else ANY
            yield Messy(
                "flipped byte" + ("" if expected is pixels else ", no checksum"),
                next(names),
                bytes(changed),
                expected,
                DAMAGE,
                tolerance,
            )
    yield from flipped_levels()


def flipped_levels() -> Iterator[Messy]:
    """One byte changed where it is known what that must do."""
    rgb = noise()
    names = numbered("flipped level", ".tif")
    content = encode(rgb, "TIFF")
    start = content.index(rgb.tobytes())
    for place in range(0, rgb.size, rgb.size // 10):
        pixels = rgb.copy()
        pixels.flat[place] ^= 0x55
        changed = content[:start] + pixels.tobytes() + content[start + rgb.size :]
        yield Messy("flipped level", next(names), changed, pixels)
    # Restart marks after each row of blocks keep the damage of a JPEG within one.
    names = numbered("flipped level", ".jpg")
    content = encode(smooth(), "JPEG", quality=95, subsampling=0, restart_marker_rows=1)
    scan = content.index(b"\xff\xda") + 14
    marks = re.finditer(rb"\xff[\xd0-\xd7]", content[scan:])
    starts = [0, *(mark.start() for mark in marks)]
    for row, (start, end) in enumerate(itertools.pairwise(starts)):
        for place in (scan + start + (end - start) // 3, scan + end - 4):
            changed = bytearray(content)
            changed[place] ^= 0x04
            if 0xFF in content[place - 1 : place + 1] or changed[place] == 0xFF:
                continue
            intact = np.ones(HEIGHT, bool)
            intact[8 * row : 8 * row + 8] = False
            yield Messy(
                "flipped level",
                next(names),
                bytes(changed),
                smooth(),
                DAMAGE,
                JPEG_TOLERANCE,
                intact,
            )


def garbage() -> Iterator[Messy]:
    """Nothing, zeros, and noise behind a good beginning."""
    rng = np.random.default_rng(1)
    for extension, content, _, _ in wholes():
        names = numbered("garbage", extension)
        # The beginning of a file that was given its full size before its download.
        for kept in (0, 1, 16, 40, len(content) // 2):
            zeros = content[:kept] + bytes(len(content) - kept)
            # A body without checksums may well be zeros.
            pixels = ANY if kept >= 40 else None
            yield Messy("zeros", next(names), zeros, pixels, DAMAGE)
        for kept in (0, 4, 12, 24):
            garbage = content[:kept] + rng.bytes(500)
            yield Messy("garbage", next(names), garbage, ANY, DAMAGE)
        yield Messy("empty", next(names), b"", None, "empty: 0 bytes")
        yield Messy("text", next(names), b"no image\n" * 9, None, "not an image")


def wholes() -> Iterator[tuple[str, bytes, np.ndarray, int]]:
    """Good files: their extension, content, pixels and tolerance."""
    rgb = smooth()
    best = {"quality": 95, "subsampling": 0}
    yield ".jpg", encode(rgb, "JPEG", **best), rgb, JPEG_TOLERANCE
    yield ".p.jpg", encode(rgb, "JPEG", progressive=True, **best), rgb, JPEG_TOLERANCE
    yield ".png", encode(noise(), "PNG"), noise(), 0
    yield ".i.png", interlaced(noise()), noise(), 0
    palette = Image.fromarray(noise()).quantize(64)
    yield ".p.png", encode(palette, "PNG"), np.asarray(palette.convert("RGB")), 0
    yield ".webp", encode(noise(), "WEBP", lossless=True), noise(), 0
    yield (
        ".l.webp",
        encode(rgb, "WEBP", quality=95),
        read_image(io.BytesIO(encode(rgb, "WEBP", quality=95))),
        0,
    )
    content = encode(rgb, "AVIF", quality=95)
    yield ".avif", content, read_image(io.BytesIO(content)), 0
    yield ".bmp", encode(noise(), "BMP"), noise(), 0
    yield ".tif", encode(noise(), "TIFF"), noise(), 0
    for compression in ("tiff_deflate", "tiff_lzw", "packbits"):
        content = encode(noise(), "TIFF", compression=compression)
        yield f".{compression}.tif", content, noise(), 0
