"""Files that are malformed or unusual, each with what must become of it."""

import base64
import csv
import dataclasses
import io
import itertools
import os
import re
import resource
import socket
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from examples.deepfake_v3.loading import data
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS, check_data_dir
from examples.deepfake_v3.loading.images import (
    LARGE,
    MAX_BYTES,
    MAX_PIXELS,
    crop_to_size,
    read_image,
)

HEIGHT, WIDTH = 48, 64
JPEG_TOLERANCE = 6  # grey levels, at quality 95 and on smooth pixels
SAMPLE = 100  # of large images, every hundredth row and column is compared
ANY = np.zeros((0, 0, 3), "uint8")  # damage that nothing in the format gives away


@dataclasses.dataclass(frozen=True)
class Messy:
    """A file and its outcome: how it is read, or why it is quarantined, or either.

    Attributes:
        kind: What is messy about it.
        name: Its path below the folder of a class.
        content: Its bytes, or what makes it.
        pixels: What it must be read as, where it may be read; `ANY` for anything.
        reason: Pattern of the reason, where it may be quarantined.
        tolerance: Largest difference of the pixels in grey levels.
        intact: The rows that the pixels are compared in; all of them without it.
        listed: Whether it is looked at at all.
    """

    kind: str
    name: str
    content: bytes | Callable[[Path], Path | None]
    pixels: np.ndarray | None = None
    reason: str | None = None
    tolerance: int = 0
    intact: np.ndarray | None = None
    listed: bool = True

    def write(self, folder: Path) -> Path:
        """Makes the file, and the folders on its way, and returns its path."""
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(self.content):
            return self.content(path) or path
        path.write_bytes(self.content)
        return path

    def complaint(self, pixels: np.ndarray | None, reason: str | None) -> str:
        """What is wrong about an outcome; an empty text if it is as it must be."""
        if reason is not None:
            if self.reason is None:
                return f"quarantined: {reason}"
            return "" if re.search(self.reason, reason) else f"other reason: {reason}"
        if pixels is None:
            return "neither read nor quarantined" if self.listed else ""
        if self.pixels is None:
            return f"read as {pixels.shape}"
        if self.pixels is ANY:
            return ""
        if pixels.shape != self.pixels.shape:
            return f"read with shape {pixels.shape}, not {self.pixels.shape}"
        differences = abs(pixels.astype(int) - self.pixels)
        if self.intact is not None:
            differences = differences[self.intact]
        difference = differences.max()
        return f"off by {difference}" if difference > self.tolerance else ""


def messy_files() -> list[Messy]:
    """All of them, more than a thousand."""
    groups = (
        _modes,
        _jpegs,
        _tiffs,
        _bmps,
        _orientations,
        _sizes,
        _several_pictures,
        _truncated,
        _flipped,
        _garbage,
        _wrong_extensions,
        _strangers,
        _header_bombs,
        _compressed_bombs,
        _names,
        _links_and_devices,
    )
    return [messy for group in groups for messy in group()]


def large_files() -> list[Messy]:
    """Good images just below the limit of pixels, which take the most memory."""
    side, colour = int(MAX_PIXELS**0.5), (200, 120, 40)
    image = Image.new("RGB", (side, side), colour)
    sampled = len(range(0, side, SAMPLE))
    pixels = np.full((sampled, sampled, 3), colour, "uint8")
    return [
        Messy(
            "large",
            f"large/{index}{extension}",
            encode(image, kind, **options),
            pixels,
            tolerance=JPEG_TOLERANCE if kind == "JPEG" else 0,
        )
        for index in range(2)
        for kind, extension, options in (
            ("JPEG", ".jpg", {"quality": 95}),
            ("JPEG", ".progressive.jpg", {"quality": 95, "progressive": True}),
            ("PNG", ".png", {}),
            ("WEBP", ".webp", {"lossless": True, "method": 0}),
        )
    ]


# Pixels and their encodings.


def smooth() -> np.ndarray:
    """Colours that change slowly, so that JPEG hardly changes them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 3 + 20, y * 4 + 10, (x + y) * 2], -1).astype("uint8")


def noise(height=HEIGHT, width=WIDTH) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), "uint8")


def grey(levels: np.ndarray) -> np.ndarray:
    """The RGB of grey levels."""
    return np.repeat(levels[:, :, None], 3, axis=2).astype("uint8")


def encode(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    """An image file as Pillow writes it."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


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


def tiff(data: bytes, order: str = "<", **tags) -> bytes:
    """An 8-bit grey TIFF whose tags can be replaced, `t256=…`, or left out, `None`.

    Values are `(type, [values])` with type 3 for 16 and 4 for 32 bits; the value
    `-1 - n` becomes the place of byte `n` of `data`.
    """
    entries = {
        256: (4, [WIDTH]),
        257: (4, [HEIGHT]),
        258: (3, [8]),
        259: (3, [1]),
        262: (3, [1]),
        273: (4, [-1]),
        277: (3, [1]),
        278: (4, [HEIGHT]),
        279: (4, [len(data)]),
        **{int(name[1:]): value for name, value in tags.items()},
    }
    kept = sorted((tag, value) for tag, value in entries.items() if value)
    size = {3: 2, 4: 4}
    table_at = 8 + 2 + 12 * len(kept) + 4
    lengths = [size[kind] * len(values) for _, (kind, values) in kept]
    data_at = table_at + sum(length for length in lengths if length > 4)
    directory, table = struct.pack(order + "H", len(kept)), b""
    for tag, (kind, values) in kept:
        found = [data_at - 1 - value if value < 0 else value for value in values]
        packed = struct.pack(f"{order}{len(found)}{'H' if kind == 3 else 'I'}", *found)
        directory += struct.pack(order + "HHI", tag, kind, len(found))
        if len(packed) > 4:
            directory += struct.pack(order + "I", table_at + len(table))
            table += packed
        else:
            directory += packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + directory + bytes(4) + table + data


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


def webp(name: bytes, data: bytes) -> bytes:
    """A WebP of one chunk."""
    data += bytes(len(data) % 2)
    body = b"WEBP" + name + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def numbered(kind: str, extension: str) -> Iterator[str]:
    """Names for the files of a kind."""
    for index in itertools.count():
        yield f"{kind.replace(' ', '_')}/{index:03}{extension}"


# What is unusual and must be read.


def _modes() -> Iterator[Messy]:
    """Every way to store colours, in the formats that have it."""
    rgb, levels = noise(), noise()[:, :, 0]
    bits = levels > 127
    alpha = noise()[:, :, 1]
    image = Image.fromarray(rgb)
    palette = image.quantize(64)
    few = np.asarray(palette.convert("RGB"))
    seen = Image.fromarray(np.dstack([rgb, alpha]), "RGBA")
    pairs = Image.fromarray(np.dstack([levels, alpha]), "LA")
    table = bytes(range(0, 256, 4))
    with_alpha = palette.copy()
    with_alpha.putalpha(Image.fromarray(alpha))
    wide = rgb.astype("u2") * 256 + 77  # low bytes that must not matter
    stored = [
        ("RGB", image, rgb, ("PNG", "TIFF", "BMP", "WEBP")),
        ("L", Image.fromarray(levels), grey(levels), ("PNG", "TIFF", "BMP", "WEBP")),
        ("1", Image.fromarray(bits), grey(255 * bits), ("PNG", "TIFF", "BMP")),
        ("P", palette, few, ("PNG", "TIFF", "BMP")),
        ("RGBA", seen, rgb, ("PNG", "TIFF", "BMP", "WEBP")),
        ("LA", pairs, grey(levels), ("PNG", "TIFF")),
        ("PA", with_alpha, few, ("TIFF",)),
    ]
    extensions = {"PNG": ".png", "TIFF": ".tif", "BMP": ".bmp", "WEBP": ".webp"}
    for mode, source, pixels, kinds in stored:
        for kind in kinds:
            # What is transparent keeps its colour with `exact`.
            options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
            name = f"modes/{mode}_{kind}{extensions[kind]}"
            yield Messy("mode", name, encode(source, kind, **options), pixels)
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
    many = b"".join(chunk(b"IDAT", bytes([byte])) for byte in png_rows(flat(rgb)))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + many
    content += chunk(b"IEND", b"")
    yield Messy("mode", "modes/byte_by_byte.png", content, rgb)


def flat(rgb: np.ndarray) -> np.ndarray:
    return rgb.reshape(len(rgb), -1)


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


def _jpegs() -> Iterator[Messy]:
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


def _tiffs() -> Iterator[Messy]:
    rgb, levels = noise(), noise()[:, :, 0]
    bits = levels > 127
    for source, pixels, compressions in (
        (rgb, rgb, "tiff_deflate tiff_adobe_deflate tiff_lzw packbits lzma zstd"),
        (Image.fromarray(bits), grey(255 * bits), "group3 group4 tiff_ccitt"),
    ):
        for compression in compressions.split():
            content = encode(source, "TIFF", compression=compression)
            yield Messy("TIFF", f"tiff/{compression}.tif", content, pixels)
    content = encode(smooth(), "TIFF", compression="jpeg", quality=95)
    yield Messy("TIFF", "tiff/jpeg.tif", content, smooth(), None, JPEG_TOLERANCE)

    data, count = levels.tobytes(), levels.size
    deep = np.arange(count).reshape(levels.shape) * 21
    thin = np.full_like(levels, 128)
    halved = np.dstack([rgb // 2, thin]).tobytes()
    no_strips = {"t273": None, "t278": None, "t279": None}
    halves = levels[:, :32].tobytes() + levels[:, 32:].tobytes()
    colours = {"t262": (3, [2]), "t277": (3, [3])}
    eight = {"t258": (3, [8, 8, 8])}
    four = {"t262": (3, [2]), "t277": (3, [4]), "t258": (3, [8, 8, 8, 8])}
    for order, name in (("<", "little"), (">", "big")):
        for key, content, pixels in (
            ("grey", tiff(data, order), grey(levels)),
            ("white_is_0", tiff(data, order, t262=(3, [0])), grey(255 - levels)),
            ("rgb", tiff(rgb.tobytes(), order, **eight, **colours), rgb),
            (
                "planes",
                tiff(
                    np.moveaxis(rgb, 2, 0).tobytes(),
                    order,
                    **eight,
                    **colours,
                    t273=(4, [-1, -1 - count, -1 - 2 * count]),
                    t279=(4, [count] * 3),
                    t284=(3, [2]),
                ),
                rgb,
            ),
            (
                "tiles",
                tiff(
                    halves,
                    order,
                    **no_strips,
                    t322=(4, [32]),
                    t323=(4, [HEIGHT]),
                    t324=(4, [-1, -1 - count // 2]),
                    t325=(4, [count // 2] * 2),
                ),
                grey(levels),
            ),
            (
                "16_bits",
                tiff(deep.astype(order + "u2").tobytes(), order, t258=(3, [16])),
                grey(deep >> 8),
            ),
            (
                "16_bits_rgb",
                tiff(
                    (rgb.astype(order + "u2") * 257).tobytes(),
                    order,
                    **colours,
                    t258=(3, [16, 16, 16]),
                ),
                rgb,
            ),
            ("opaque_4th", tiff(halved, order, **four, t338=(3, [0])), rgb // 2),
            ("straight_4th", tiff(halved, order, **four, t338=(3, [2])), rgb // 2),
        ):
            yield Messy("TIFF", f"tiff/{key}_{name}.tif", content, pixels)
        # Colours that were multiplied with alpha are divided by it again.
        content = tiff(halved, order, **four, t338=(3, [1]))
        name = f"tiff/premultiplied_{name}.tif"
        yield Messy("TIFF", name, content, rgb, None, tolerance=2)

    wide, words = deep.astype("<u2").tobytes(), np.zeros(levels.shape, "<u4").tobytes()
    neutral = np.dstack([255 * bits, 0 * levels, 0 * levels]).astype("uint8").tobytes()
    content = tiff(neutral, **eight, t262=(3, [8]), t277=(3, [3]))
    yield Messy("TIFF", "tiff/lab.tif", content, grey(255 * bits), None, tolerance=2)
    for key, content, reason in (
        ("12_bits", tiff(wide[: count * 3 // 2], t258=(3, [12])), "12-bit"),
        ("white_is_0", tiff(wide, t258=(3, [16]), t262=(3, [0])), "0 for white"),
        ("signed", tiff(data, t339=(3, [2])), "signed"),
        ("signed_16", tiff(wide, t258=(3, [16]), t339=(3, [2])), "signed"),
        ("32_bits", tiff(words, t258=(3, [32])), "32-bit"),
        ("float", tiff(words, t258=(3, [32]), t339=(3, [3])), "floating-point"),
        ("big", encode(rgb, "TIFF", big_tiff=True), "BigTIFF"),
        ("64_bits", tiff(data, t258=(3, [64])), "damaged header"),
        ("no_tags", b"II*\0\x08\0\0\0\0\0\0\0\0\0", "damaged header"),
        ("table_nowhere", b"II*\0\xff\xff\xff\xff" + bytes(64), "damaged header"),
        ("unknown_compression", tiff(data, t259=(3, [999])), "damaged header"),
        ("strips_nowhere", tiff(data, t273=(4, [2**32 - 1])), "truncated"),
        ("strips_in_the_head", tiff(b"", t273=(4, [0])), "truncated"),
        ("no_width", tiff(data, t256=(4, [0])), "damaged header"),
        ("no_height", tiff(data, t257=(4, [0])), "damaged header"),
        ("samples", tiff(data, t277=(3, [60_000])), "damaged header"),
        (
            "depths",
            tiff(data, t277=(3, [60_000]), t258=(3, [8] * 60_000)),
            "damaged header",
        ),
    ):
        yield Messy("odd TIFF", f"tiff/odd/{key}.tif", content, None, reason)


def _bmps() -> Iterator[Messy]:
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


UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels),
}


def _orientations() -> Iterator[Messy]:
    """All orientations of EXIF, and values that are none."""
    rgb = smooth()
    for orientation in (*range(10), 255, 65_535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        pixels = UPRIGHT.get(orientation, lambda pixels: pixels)(rgb)
        for kind, extension, options in (
            ("JPEG", ".jpg", {"quality": 95, "subsampling": 0}),
            ("JPEG", ".grey.jpg", {"quality": 95}),
            ("MPO", ".mpo", {"quality": 95, "save_all": True}),
            ("PNG", ".png", {}),
            ("PNG", ".palette.png", {}),
            ("TIFF", ".tif", {}),
            ("TIFF", ".packed.tif", {"compression": "tiff_lzw"}),
            ("WEBP", ".webp", {"lossless": True}),
        ):
            source, expected = Image.fromarray(rgb), pixels
            if "grey" in extension:
                source = Image.fromarray(rgb[:, :, 0])
                expected = np.repeat(pixels[:, :, :1], 3, axis=2)
            if "palette" in extension:
                # The ramp of one channel needs no more colours than a palette has.
                source = Image.fromarray(grey(rgb[:, :, 0])).quantize(256)
                expected = np.repeat(pixels[:, :, :1], 3, axis=2)
            if "packed" in extension and orientation not in range(1, 9):
                continue  # libtiff writes no others
            if kind == "MPO":
                options = {**options, "append_images": [Image.new("RGB", (8, 6))]}
            yield Messy(
                "orientation",
                f"orientation/{orientation}{extension}",
                encode(source, kind, exif=exif, **options),
                expected,
                tolerance=JPEG_TOLERANCE if kind in ("JPEG", "MPO") else 0,
            )
    for orientation in range(1, 9):
        note = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/>'
        yield Messy(
            "orientation",
            f"orientation/{orientation}.xmp.jpg",
            encode(rgb, "JPEG", quality=95, subsampling=0, xmp=note.encode()),
            UPRIGHT.get(orientation, lambda pixels: pixels)(rgb),
            tolerance=JPEG_TOLERANCE,
        )


def _sizes() -> Iterator[Messy]:
    """Single pixels and single lines."""
    for height, width in ((1, 1), (1, 2), (3, 2), (1, 5000), (5000, 1), (1, 65_000)):
        # One colour, so that chroma subsampling changes nothing.
        pixels = np.full((height, width, 3), (200, 120, 40), "uint8")
        for kind, extension, options in (
            ("JPEG", ".jpg", {"quality": 95}),
            ("JPEG", ".progressive.jpg", {"quality": 95, "progressive": True}),
            ("PNG", ".png", {}),
            ("BMP", ".bmp", {}),
            ("TIFF", ".tif", {}),
            ("TIFF", ".packed.tif", {"compression": "tiff_deflate"}),
            ("WEBP", ".webp", {"lossless": True}),
        ):
            if kind == "WEBP" and width > 16_383:
                continue
            yield Messy(
                "single lines",
                f"sizes/{height}x{width}{extension}",
                encode(pixels, kind, **options),
                pixels,
                tolerance=JPEG_TOLERANCE if kind == "JPEG" else 0,
            )
    for width, height in ((0, 5), (5, 0), (0, 0)):
        name = f"sizes/{height}x{width}.png"
        content = png(width, height, 8, 2, zlib.compress(b""))
        reason = "damaged header|pixels; the limit|not readable"
        yield Messy("no pixels", name, content, None, reason)
    whole = encode(smooth(), "JPEG")
    for name, (height, width) in {"h": (0, 8), "w": (8, 0), "hw": (0, 0)}.items():
        content = resized(whole, height, width)
        reason = "damaged header|pixels; the limit|not readable"
        yield Messy("no pixels", f"sizes/{name}.jpg", content, None, reason)


def resized(jpeg: bytes, height: int, width: int) -> bytes:
    """A JPEG with another size in its header."""
    frame = re.search(rb"\xff[\xc0\xc2]\0.\x08", jpeg, re.DOTALL)
    assert frame
    size = struct.pack(">HH", height, width)
    return jpeg[: frame.end()] + size + jpeg[frame.end() + 4 :]


def _several_pictures() -> Iterator[Messy]:
    """Animations, pages, and a phone's photo with a preview behind it."""
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


# What is damaged.


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
    yield ".bmp", encode(noise(), "BMP"), noise(), 0
    yield ".tif", encode(noise(), "TIFF"), noise(), 0
    for compression in ("tiff_deflate", "tiff_lzw", "packbits"):
        content = encode(noise(), "TIFF", compression=compression)
        yield f".{compression}.tif", content, noise(), 0


DAMAGE = (
    "truncated|Truncated|not readable|damaged header|empty: 0 bytes|wrongly named"
    "|animated|the limit|12-bit|signed|BigTIFF|TIFF with|the content is"
)


def _truncated() -> Iterator[Messy]:
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


def _flipped() -> Iterator[Messy]:
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
    yield from _flipped_levels()


def _flipped_levels() -> Iterator[Messy]:
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


def _garbage() -> Iterator[Messy]:
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


def _wrong_extensions() -> Iterator[Messy]:
    extensions = (".jpg", ".png", ".webp", ".bmp", ".tif")
    kinds = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
    for own, kind in zip(extensions, kinds, strict=True):
        content = encode(smooth(), kind)
        others = {*extensions, ".gif", ".txt", ".jpg_", ".heic", ""} - {own}
        for other in sorted(others):
            name = f"named/{kind}_as{other}"
            reason = f"wrongly named: the content is {kind}"
            yield Messy("wrong extension", name, content, None, reason)
        for extension in {own.upper(), own.title(), f".tar{own}"}:
            pixels = read_image(io.BytesIO(content))
            name = f"named/{kind}_right{extension}"
            yield Messy("right extension", name, content, pixels)
    for extension in (".jpe", ".jfif", ".JPEG", ".tiff"):
        content = encode(smooth(), "TIFF" if "t" in extension else "JPEG", quality=95)
        name = f"named/right{extension}"
        yield Messy("right extension", name, content, smooth(), None, 12)


def _strangers() -> Iterator[Messy]:
    """Files of other kinds, under their own name and as .jpg."""
    page = b"<!DOCTYPE html><html><title>404 Not Found</title></html>"
    box = b"\0\0\0\x18ftyp%b\0\0\0\0mif1heic" + bytes(200)
    for extension, content, reason in (
        (".gif", encode(smooth(), "GIF"), "GIF"),
        (".avif", encode(smooth(), "AVIF"), "AVIF"),
        (".heic", box % b"heic", "HEIC"),
        (".heif", box % b"mif1", "HEIC"),
        (".mp4", box % b"isom", "a video"),
        (".svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (".svg2", b'<?xml version="1.0"?><svg/>', "SVG"),
        (".html", page, r"a web page \(a failed download\?\)"),
        (".htm", b"\xef\xbb\xbf\n  <html>login</html>", "a web page"),
        (".txt", b"404: Not Found", "not an image"),
        (".json", b'{"error": "quota exceeded"}', "not an image"),
        (".pdf", b"%PDF-1.7\n%\xff\xff\xff\xff\n", "PDF"),
        (".zip", b"PK\3\4" + bytes(30), "a zip archive"),
        (".psd", b"8BPS\0\1" + bytes(30), "Photoshop"),
        (".jp2", encode(smooth(), "JPEG2000"), "JPEG 2000"),
        (".ico", encode(smooth(), "ICO"), "not an image"),
        (".ppm", encode(smooth(), "PPM"), "not an image"),
        (".tga", encode(smooth(), "TGA"), "not an image"),
        (".eps", encode(smooth(), "EPS"), "not an image"),
        (".npy", b"\x93NUMPY" + bytes(60), "not an image"),
    ):
        for name in (f"strangers/own{extension}", f"strangers/{extension[1:]}.jpg"):
            yield Messy("stranger", name, content, None, reason)


# What would fill the memory.


def _header_bombs() -> Iterator[Messy]:
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


def _compressed_bombs() -> Iterator[Messy]:
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


# What is strange about names and places.

NAMES = (
    *("картина", "图像", "画像", "이미지", "صورة", "תמונה", "ภาพ", "εικόνα", "चित्र"),
    *("Bild_äöüß", "caf\u00e9", "cafe\u0301", "ﬁle", "İstanbul", "\u202egnp"),
    *("a\u200bb", "😀", "👨\u200d👩\u200d👧", "🇺🇳", "a b", " a", "a ", "a.", "a.b.c"),
    *("-rf", "--help", "a,b", 'a"b', '"a"', '","', "a'b", "a;b", "a\tb", "a\nb"),
    *("a\r\nb", "\n", "\r", "|", "=1+1", "@a", "+a", "#", "%s", "%00", "{a}", "$HOME"),
    *("`a`", "a\\b", "a\\nb", "*", "?", "[a]", "~", "&", "<a>", "a:b", "!", "con"),
    *("nul", "\x01", "\x1b[31m", "\x7f", "0" * 250, "ж" * 120, "a" * 200 + " "),
)
# Linux lets them be any bytes.
BYTES = (b"\xff", b"\x80a", b"caf\xe9", b"\xc3\x28", b"\xed\xa0\x80", b'\xff\nb,"\xfe')


def _names() -> Iterator[Messy]:
    """Each for a good file and for a bad one, which stands in the report."""
    names = list(NAMES)
    if sys.platform == "linux":
        names += [os.fsdecode(name) for name in BYTES]
    rgb = noise()
    content = encode(rgb, "PNG")
    for name in names:
        yield Messy("name", f"names/good/{name}.png", content, rgb)
        yield Messy("name", f"names/bad/{name}.png", b"bad", None, "not an image")
        yield Messy("name", f"names/{name}/good.png", content, rgb)
    for name in ("a.png ", "a.png\n", "a.png~", "a.png.", "a"):
        yield Messy("name", f"names/{name}", content, None, "wrongly named")
    for name in (".a.png", ".png", ".a/b.png"):
        yield Messy("hidden", f"names/{name}", content, listed=False)


def _links_and_devices() -> Iterator[Messy]:
    rgb = noise()
    content = encode(rgb, "PNG")

    def link(target):
        return lambda path: path.symlink_to(target)

    def pipe(path):
        os.mkfifo(path)

    def listen(path):
        # Names of sockets are short, those of the tests' directories may not be.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            where = os.path.relpath(Path(folder) / "s")
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(where)
            os.rename(where, path)

    def outside(path):
        with tempfile.NamedTemporaryFile(delete=False, suffix=".png") as file:
            file.write(content)
        path.symlink_to(file.name)

    def too_deep(path):
        # Deeper than a path may be long, so that it is made folder by folder.
        descriptor = os.open(path.parent, os.O_RDONLY)
        path = path.parent
        while len(str(path)) < os.pathconf("/", "PC_PATH_MAX"):
            os.mkdir("d" * 250, dir_fd=descriptor)
            inner = os.open("d" * 250, os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
            path = path / ("d" * 250)
        os.close(descriptor)
        return path

    def forbidden(path):
        path.write_bytes(content)
        path.chmod(0)

    yield Messy("link", "links/target.png", content, rgb)
    for name, target, pixels, reason in (
        ("same.png", "target.png", rgb, None),
        ("again.png", "same.png", rgb, None),
        ("same.jpg", "target.png", None, "wrongly named"),
        ("broken.png", "nowhere.png", None, "No such file"),
        ("self.png", "self.png", None, "symbolic links"),
        ("ping.png", "pong.png", None, "symbolic links"),
        ("pong.png", "ping.png", None, "symbolic links"),
        ("folder", "../names", None, "a link to a folder"),
        ("folder.png", "../names", None, "a link to a folder"),
        ("up", "..", None, "a link to a folder"),
        ("here", ".", None, "a link to a folder"),
        ("root", "/", None, "a link to a folder"),
        ("zero.png", "/dev/zero", None, "not a regular file"),
        ("null.png", "/dev/null", None, "not a regular file"),
        ("random.jpg", "/dev/urandom", None, "not a regular file"),
        ("stdin.png", "/dev/stdin", None, "not a regular file|No such"),
        ("long.png", "x" * 255, None, "No such file"),
    ):
        yield Messy("link", f"links/{name}", link(target), pixels, reason)
    yield Messy("link", "links/outside.png", outside, rgb)
    yield Messy("device", "devices/pipe.jpg", pipe, None, "not a regular file")
    yield Messy("device", "devices/socket.jpg", listen, None, "not a regular file")
    yield Messy("folder", "folders/x.jpg", Path.mkdir, listed=False)
    yield Messy("folder", "folders/y.jpg/a.png", content, rgb)
    yield Messy("folder", "folders/" + "z/" * 300 + "a.png", content, rgb)
    yield Messy("folder", "deep/a.png", content, rgb)
    yield Messy(
        "folder", "deep/too_deep", too_deep, None, "a folder that cannot be read"
    )
    if os.geteuid():  # root may read everything
        yield Messy("forbidden", "forbidden/a.png", forbidden, None, "Permission")


# The check, in a process of its own.


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of the files.

    Attributes:
        read: Those that were read, as their names.
        quarantined: Those that were not, `{name: reason}`.
        complaints: `{name: what is wrong}`, empty if all is as it must be.
        memory: The most bytes that the check and the reading took at a time.
    """

    read: set[str]
    quarantined: dict[str, str]
    complaints: dict[str, str]
    memory: int


def outcome_of(files: list[Messy], directory: Path) -> Outcome:
    """Makes the files below a new directory, checks and reads them in a process."""
    from tests.backend import run_python  # with Keras, which that process needs not

    data_dir, result = directory / "data", directory / "outcome.npz"
    for index, part in enumerate(itertools.product(SPLITS, CLASS_NAMES)):
        (data_dir / Path(*part)).mkdir(parents=True)
        # A good image in each class, or the check would end there.
        Image.new("RGB", (8, 8), (index,) * 3).save(data_dir / Path(*part) / "0.png")
    folder = data_dir / "train" / "real"
    paths = {messy.name: messy.write(folder) for messy in files}
    module = "tests.examples.messy_files"
    run_python(f"import {module} as m; m.examine({str(data_dir)!r}, {str(result)!r})")
    with np.load(result) as stored:
        found = {
            os.fsdecode(bytes.fromhex(key)): stored[key]
            for key in set(stored.files) - {"memory"}
        }
        memory = int(stored["memory"])
    with result.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        reasons = {row["file"]: row["reason"] for row in csv.DictReader(file)}

    read, quarantined, complaints = set(), {}, {}
    for messy in files:
        path = str(paths[messy.name])
        pixels = found.pop(path, None)
        reason = reasons.pop(path.encode(errors="backslashreplace").decode(), None)
        if pixels is not None:
            read.add(messy.name)
        if reason is not None:
            quarantined[messy.name] = reason
        if complaint := messy.complaint(pixels, reason):
            complaints[messy.name] = complaint
    return Outcome(read, quarantined, complaints, memory)


def examine(data_dir: str, result: str) -> None:
    """Checks a data directory, reads what is usable, and writes what came of it."""
    # A failure must not take the machine with it.
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    data.THREADS = 8  # all of them may take memory at a time
    before = peak_memory()
    report = Path(result).with_suffix(".csv")
    images = check_data_dir(data_dir, report_path=report)["train"]
    images.fingerprints()
    found = {}
    for path in images.paths:
        pixels = read_image(path)
        crop_to_size(pixels, 224)
        if pixels.size > LARGE:
            pixels = pixels[::SAMPLE, ::SAMPLE].copy()
        found[os.fsencode(path).hex()] = pixels
    np.savez(result, memory=peak_memory() - before, **found)


def peak_memory() -> int:
    """The most bytes that this process has ever held; Linux only."""
    # Not `getrusage`, which counts the process that started this one.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])
