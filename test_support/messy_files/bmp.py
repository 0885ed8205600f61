"""BMP: depths, runs and directions, and headers that cannot be true."""

import struct
from collections.abc import Iterator

import numpy as np

from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import HEIGHT, WIDTH, grey, noise


def files() -> Iterator[Messy]:
    rgb, levels = noise(), noise()[:, :, 0]
    rows = rgb[::-1, :, ::-1]
    opaque = np.dstack([rows, np.full((HEIGHT, WIDTH), 255, "uint8")])
    five = rgb.astype(int) >> 3
    packed = (five[:, :, 0] << 10) | (five[:, :, 1] << 5) | five[:, :, 2]
    ramp = b"".join(bytes([level, level, level, 0]) for level in range(256))
    runs = b"".join(bytes([WIDTH, row]) + b"\0\0" for row in range(HEIGHT)) + b"\0\1"
    lines = np.repeat(np.arange(HEIGHT)[::-1, None], WIDTH, axis=1)
    for key, content, pixels, tolerance in (
        ("24", bmp(WIDTH, HEIGHT, 24, rows.tobytes()), rgb, 0),
        ("top_down", bmp(WIDTH, -HEIGHT, 24, rows[::-1].tobytes()), rgb, 0),
        ("32", bmp(WIDTH, HEIGHT, 32, opaque.tobytes()), rgb, 0),
        # Five bits are stretched to eight.
        (
            "16",
            bmp(WIDTH, HEIGHT, 16, packed[::-1].astype("<u2").tobytes()),
            five * 255 // 31,
            1,
        ),
        ("8", bmp(WIDTH, HEIGHT, 8, levels[::-1].tobytes(), 0, ramp), grey(levels), 0),
        ("runs", bmp(WIDTH, HEIGHT, 8, runs, 1, ramp), grey(lines), 0),
        ("no_runs", bmp(WIDTH, HEIGHT, 8, b"\0\2\xff\xff" * 99, 1, ramp), 0 * rgb, 0),
        ("trailing", bmp(WIDTH, HEIGHT, 24, rows.tobytes() + bytes(999)), rgb, 0),
    ):
        yield Messy("BMP", f"bmp/{key}.bmp", content, pixels, None, tolerance)
    for key, content in {
        "no_width": bmp(0, HEIGHT, 24, rows.tobytes()),
        "no_height": bmp(WIDTH, 0, 24, rows.tobytes()),
        "negative_width": bmp(-WIDTH, HEIGHT, 24, rows.tobytes()),
        "depth": bmp(WIDTH, HEIGHT, 77, rows.tobytes()),
        "compression": bmp(WIDTH, HEIGHT, 24, rows.tobytes(), 99),
    }.items():
        reason = "damaged header|not readable|pixels; the limit"
        yield Messy("odd BMP", f"bmp/odd/{key}.bmp", content, None, reason)


def bmp(
    width: int, height: int, bits: int, data: bytes, compression: int = 0, palette=b""
) -> bytes:
    """A BMP with a header of choice."""
    start = 54 + len(palette)
    return (
        struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start)
        + struct.pack(
            "<IiiHHIIiiII",
            *(40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0),
        )
        + palette
        + data
    )
