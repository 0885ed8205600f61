"""PNG: all its depths, transparent colours, interlacing and pieces."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import HEIGHT, WIDTH, encode, grey, noise


def files() -> Iterator[Messy]:
    rgb, levels = noise(), noise()[:, :, 0]
    image = Image.fromarray(rgb)
    palette = image.quantize(64)
    few = np.asarray(palette.convert("RGB"))
    table = bytes(range(0, 256, 4))
    wide = rgb.astype("u2") * 256 + 77  # low bytes that must not matter
    for index, transparency in enumerate((0, 7, table)):
        content = encode(palette, "PNG", transparency=transparency)
        yield Messy("mode", f"modes/transparent_{index}.png", content, few)
    for mode, source, pixels, key in (
        ("L", Image.fromarray(levels), grey(levels), 3),
        ("RGB", image, rgb, (1, 2, 3)),
    ):
        content = encode(source, "PNG", transparency=key)
        yield Messy("mode", f"modes/key_{mode}.png", content, pixels)
    for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        stack = np.dstack([wide, wide[:, :, :1]])[:, :, :channels]
        rows = np.ascontiguousarray(stack, ">u2").reshape(HEIGHT, -1)
        content = png(WIDTH, HEIGHT, 16, colour, png_rows(rows))
        pixels = rgb if channels > 2 else grey(rgb[:, :, 0])
        yield Messy("16 bits", f"modes/16_{colour}.png", content, pixels)
    for depth in (1, 2, 4):
        small = levels >> (8 - depth)
        shifts = np.arange(8 - depth, -1, -depth)
        packed = (small.reshape(HEIGHT, -1, 8 // depth) << shifts).sum(-1)
        content = png(WIDTH, HEIGHT, depth, 0, png_rows(packed.astype("u1")))
        pixels = grey(np.round(small * (255 / (2**depth - 1))))
        yield Messy("mode", f"modes/depth_{depth}.png", content, pixels)
    yield Messy("mode", "modes/interlaced.png", interlaced(rgb), rgb)
    many = b"".join(
        chunk(b"IDAT", bytes([byte])) for byte in png_rows(rgb.reshape(HEIGHT, -1))
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + many
    content += chunk(b"IEND", b"")
    yield Messy("mode", "modes/byte_by_byte.png", content, rgb)


def png(
    width: int, height: int, depth: int, colour: int, data: bytes, extra: bytes = b""
) -> bytes:
    """A PNG with a header of choice; `data` is what the IDAT chunk holds."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


def png_rows(rows: np.ndarray) -> bytes:
    """Unfiltered, compressed rows; `rows` are the bytes of each."""
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))


def interlaced(rgb: np.ndarray) -> bytes:
    """An Adam7 PNG."""
    passes = b""
    for top, left, down, right in (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):
        part = rgb[top::down, left::right]
        passes += b"".join(b"\0" + row.tobytes() for row in part)
    height, width = rgb.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(passes))
        + chunk(b"IEND", b"")
    )
