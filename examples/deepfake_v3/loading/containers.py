"""The parts of an image file beside its pixels, as the container names them.

Pillow reads metadata of the kinds that it knows, and not always those that stand after
the image data. This reads no pixels and knows no kind: it walks from part to part, in
JPEG, PNG, WebP and the boxes of AVIF and HEIC, at a bounded effort.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Literal

MAX_PARTS = 10_000  # of a file
MAX_BYTES = 2**20  # of a part; longer ones are cut
BLOCK = 2**16  # bytes read at a time while looking for the end of a scan

PNG = b"\x89PNG\r\n\x1a\n"
JXL_STREAM = b"\xff\x0a"
JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))

# In the data of a scan, 0xFF stands before 0 or the number of a restart only.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_ARITHMETIC = {"SOF9", "SOF10", "SOF11"}


def walk_parts(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The parts of a file, in their order.

    Args:
        file: An open file. Where it stands afterwards is not defined.

    Yields:
        Name and content: segments of JPEG (`"APP1"`, `"COM"`, `"SOF0"`, `"SOS"`),
        chunks of PNG and WebP but for the pixels, boxes of AVIF and HEIC. Nothing for
        other files, and no more after a part that is damaged.
    """
    file.seek(0)
    head = file.read(12)
    if head.startswith(b"\xff\xd8"):
        found = _segments(file)
    elif head.startswith(PNG):
        found = _chunks(file, len(PNG), "big", 4, ("IDAT",))
    elif head[:4] == b"RIFF":
        found = _chunks(file, 12, "little", 0, ("VP8 ", "VP8L", "ALPH", "ANMF"))
    elif head[4:8] in (b"ftyp", b"JXL "):
        found = _boxes(file)
    else:
        return
    for _, part in zip(range(MAX_PARTS), found, strict=False):
        yield part


def is_arithmetic(file: BinaryIO) -> bool:
    """Whether a JPEG is coded arithmetically."""
    for name, _ in walk_parts(file):
        if name in _ARITHMETIC:
            return True
        if name == "SOS":
            break
    return False


def read_jxl_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of a JPEG XL by its header; None without one.

    Its plug-in decodes a file as soon as it is opened, so that nobody else says how
    much that will be. ISO/IEC 18181-1, SizeHeader.
    """
    file.seek(0)
    stream = file.read(16)
    if not stream.startswith(JXL_STREAM):
        found = (part for part in walk_parts(file) if part[0] in ("jxlc", "jxlp"))
        name, content = next(found, ("", b""))
        stream = content[4:] if name == "jxlp" else content  # a number stands before
    if len(stream) < 12 or not stream.startswith(JXL_STREAM):
        return None
    bits = int.from_bytes(stream[2:12], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    small = take(1)

    def length() -> int:
        return 8 * (take(5) + 1) if small else 1 + take((9, 13, 18, 30)[take(2)])

    height = length()
    if ratio := take(3):
        across, down = JXL_RATIOS[ratio - 1]
        return height * across // down, height
    return length(), height


def _segments(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    file.seek(2)
    while len(marker := file.read(2)) == 2 and marker[0] == 0xFF:
        code = marker[1]
        if code == 0xD9:  # the end of the image
            return
        if code == 0xFF:  # filling
            file.seek(-1, 1)
            continue
        if code == 0x01 or 0xD0 <= code <= 0xD8:  # of no length
            continue
        size = int.from_bytes(file.read(2), "big") - 2
        if size < 0:
            return
        end = file.tell() + size
        yield _segment_name(code), file.read(min(size, MAX_BYTES))
        file.seek(end)
        if code == 0xDA:
            _skip_scan(file)


def _segment_name(code: int) -> str:
    if 0xE0 <= code <= 0xEF:
        return f"APP{code - 0xE0}"
    if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
        return f"SOF{code - 0xC0}"
    return {0xFE: "COM", 0xDA: "SOS"}.get(code, f"{code:02X}")


def _skip_scan(file: BinaryIO) -> None:
    """Goes to the marker after the data of a scan, or to the end of the file."""
    while block := file.read(BLOCK):
        if found := _MARKER.search(block):
            file.seek(found.start() - len(block), 1)
            return
        if block.endswith(b"\xff") and len(block) > 1:  # the first half of one
            file.seek(-1, 1)


def _chunks(
    file: BinaryIO,
    start: int,
    order: Literal["big", "little"],
    checksum: int,
    pixels: tuple[str, ...],
) -> Iterator[tuple[str, bytes]]:
    """Chunks of PNG, length before name, or of RIFF, name before length."""
    file.seek(start)
    while len(head := file.read(8)) == 8:
        length, name = (head[:4], head[4:]) if checksum else (head[4:], head[:4])
        size = int.from_bytes(length, order)
        end = file.tell() + size + (checksum or size % 2)
        text = name.decode("latin-1")
        if text not in pixels:
            yield text, file.read(min(size, MAX_BYTES))
        file.seek(end)


def _boxes(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Boxes of the first level."""
    start = 0
    file.seek(start)
    while len(head := file.read(8)) == 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:].decode("latin-1")
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        content = b"" if name == "mdat" else file.read(min(max(size, 0), MAX_BYTES))
        yield name, content
        if size < 8:  # to the end of the file, or damaged
            return
        start += size
        file.seek(start)
