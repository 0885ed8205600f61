"""TIFF: compressions, layouts and depths, and tags that contradict each other."""

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


def files() -> Iterator[Messy]:
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
