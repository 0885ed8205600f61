"""Files that would fill the memory, or take long to read."""

import os
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from examples.deepfake_v3.loading.images import MAX_BYTES
from test_support.messy_files.bmp import bmp
from test_support.messy_files.jpeg import resized
from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import (
    HEIGHT,
    WIDTH,
    encode,
    grey,
    noise,
    smooth,
)
from test_support.messy_files.png import chunk, png
from test_support.messy_files.tiff import tiff


def header_bombs() -> Iterator[Messy]:
    """Headers of huge images, with next to nothing behind them."""
    reason = "pixels; the limit|exceeds limit|damaged header|not readable"
    sizes = (
        (9_500, 9_500),
        (12_000, 12_000),
        (20_000, 20_000),
        (65_535, 65_535),
        (100_000, 100_000),
        (2**31 - 1, 2**31 - 1),
        (1, 2**31 - 1),
        (90_000_000, 1),
    )
    photo = encode(smooth(), "JPEG")
    slow_photo = encode(smooth(), "JPEG", progressive=True)
    for width, height in sizes:
        bombs = {}
        for depth, colour in ((1, 0), (8, 2), (16, 6), (8, 3)):
            content = png(width, height, depth, colour, zlib.compress(bytes(999)))
            bombs[f"{depth}_{colour}.png"] = content
        for order, name in (("<", "little"), (">", "big")):
            size = {"t256": (4, [width]), "t257": (4, [height])}
            rows = {"t278": (4, [height])}
            for compression in (1, 5, 8):
                packed = {"t259": (3, [compression])}
                content = tiff(
                    zlib.compress(bytes(99)), order, **size, **rows, **packed
                )
                bombs[f"{name}_{compression}.tif"] = content
        for bits, compression in ((24, 0), (8, 1), (32, 0)):
            content = bmp(width, height, bits, bytes(99), compression)
            bombs[f"{bits}.bmp"] = content
        bombs["top_down.bmp"] = bmp(width, -height, 24, bytes(99))
        if max(width, height) < 2**16:
            bombs["photo.jpg"] = resized(photo, height, width)
            bombs["slow_photo.jpg"] = resized(slow_photo, height, width)
        if max(width, height) < 2**24:
            canvas = struct.pack("<II", (width - 1), (height - 1))
            flags = bytes(4) + canvas[:3] + canvas[4:7]
            bombs["canvas.webp"] = webp(b"VP8X", flags)
        if max(width, height) < 2**14:
            both = struct.pack("<I", (width - 1) | ((height - 1) << 14))
            bombs["lossless.webp"] = webp(b"VP8L", b"\x2f" + both + b"\x88\x88\x08")
            frame = b"\x10\x02\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
            bombs["lossy.webp"] = webp(b"VP8 ", frame + bytes(40))
        for name, content in bombs.items():
            path = f"bombs/{width}x{height}_{name}"
            yield Messy("header bomb", path, content, None, reason)
    screen = b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + bytes(9)
    yield Messy("header bomb", "bombs/screen.gif", screen, None, "GIF")


def compressed_bombs() -> Iterator[Messy]:
    """Little that becomes much, and much that takes long to read."""
    zeros = zlib.compress(bytes(200_000_000), 1)
    pixel = zlib.compress(bytes(4))
    white = grey(np.zeros((1, 1)))

    def png_of_one(extra):
        return png(1, 1, 8, 2, pixel, extra)

    large = "too large|Too much memory|exceeds"
    for name, content, pixels, reason in (
        ("profile.png", png_of_one(chunk(b"iCCP", b"x\0\0" + zeros)), white, large),
        ("text.png", png_of_one(chunk(b"zTXt", b"x\0\0" + zeros)), white, large),
        (
            "itext.png",
            png_of_one(chunk(b"iTXt", b"x\0\1\0\0\0" + zeros)),
            white,
            large,
        ),
        ("pixels.png", png(1, 1, 8, 2, zeros), white, "not readable"),
        (
            "image.png",
            png(20_000, 20_000, 1, 0, zlib.compress(bytes(2_501 * 20_000), 1)),
            None,
            "exceeds limit",
        ),
        (
            "texts.png",
            png_of_one(chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(900_000))) * 99),
            white,
            large,
        ),
        (
            "tiles.tif",
            tiff(
                zeros,
                t273=None,
                t278=None,
                t279=None,
                t256=(4, [8]),
                t257=(4, [8]),
                t259=(3, [8]),
                t322=(4, [2**20]),
                t323=(4, [2**20]),
                t324=(4, [-1]),
                t325=(4, [len(zeros)]),
            ),
            None,
            "not readable|damaged header",
        ),
        (
            "one_strip.tif",
            tiff(zeros, t259=(3, [8]), t278=(4, [2**32 - 1])),
            grey(np.zeros((HEIGHT, WIDTH))),
            "not readable",
        ),
        (
            "strips.tif",
            tiff(
                bytes(HEIGHT * WIDTH),
                t273=(4, [-1] * 300_000),
                t279=(4, [1] * 300_000),
            ),
            None,
            "TIFF with 300000 values of tag 27",
        ),
        (
            "values.tif",
            tiff(bytes(HEIGHT * WIDTH), t65000=(3, [0] * 1_000_000)),
            None,
            "TIFF with 1000000 values of tag 65000",
        ),
    ):
        yield Messy("compressed bomb", f"bombs/{name}", content, pixels, reason)
    photo = encode(smooth(), "JPEG", progressive=True)
    last = photo.rindex(b"\xff\xda")
    scans = photo[:-2] + photo[last:-2] * 300 + photo[-2:]
    yield Messy("slow", "bombs/scans.jpg", scans, None, r"3\d\d scans")
    pieces = photo[:2] + b"\xff\xfe\0\2" * 400_000 + photo[2:]
    yield Messy("slow", "bombs/comments.jpg", pieces, None, "more than 1000000 pieces")
    junk = photo[:20] + bytes(3_000_000)
    yield Messy("slow", "bombs/junk.jpg", junk, None, "more than 1000000 pieces")
    chunks = png_of_one(chunk(b"prVt", b"") * 600_000)
    yield Messy("slow", "bombs/chunks.png", chunks, None, "more than 1000000 pieces")

    def endless(path):
        path.write_bytes(encode(noise(), "PNG"))
        os.truncate(path, MAX_BYTES + 1)  # takes no room on the disk

    yield Messy("slow", "bombs/endless.png", endless, None, "too large")


def webp(name: bytes, data: bytes) -> bytes:
    """A WebP of one chunk."""
    data += bytes(len(data) % 2)
    body = b"WEBP" + name + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
