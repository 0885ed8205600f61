"""One image file, from bytes to pixels.

`check_image` meets every file first: whatever it holds, it costs bounded time and
memory and gives pixels or a reason. Training then reads with `read_image` alone.
"""

import contextlib
import dataclasses
import hashlib
import importlib
import importlib.util
import io
import os
import stat
import struct
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.loading.containers import is_arithmetic, read_jxl_size
from examples.deepfake_v3.loading.provenance import Mark, read_marks

_JPEG_EXTENSIONS = {".jpg", ".jpeg", ".jpe", ".jfif"}
EXTENSIONS = {
    "JPEG": _JPEG_EXTENSIONS,
    "MPO": _JPEG_EXTENSIONS | {".mpo"},  # a phone's JPEG with a preview behind it
    "PNG": {".png"},
    "WEBP": {".webp"},
    "BMP": {".bmp"},
    "TIFF": {".tif", ".tiff"},
    "AVIF": {".avif"},
    "HEIF": {".heic", ".heif", ".hif"},
    "JXL": {".jxl"},
}
OPENED = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF"]
"""What Pillow opens by itself; MPO it opens as JPEG."""

PLUGINS = {
    "HEIC": ("pillow_heif", "pillow-heif"),
    "JPEG XL": ("pillow_jxl", "pillow-jxl-plugin"),
}
"""What reads other formats: a module, and the package that it is in."""

UNREAD_EXTENSIONS = {
    *(".gif", ".jp2", ".j2k", ".jpf", ".jxr", ".psd", ".ico", ".tga", ".exr", ".hdr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    *(".ppm", ".pgm", ".pnm", ".pbm", ".pcx", ".bpg", ".svg"),
}
"""Of images, too, which are not read: a folder's are reported, not passed over."""

RAW = "a camera's raw file"
NO_IMAGE = "not an image"
"""How the reason begins why something is refused that is no image at all."""

# How image files begin.
SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"8BPS\0": "Photoshop",
    **dict.fromkeys((b"FUJIFILM", b"IIRO", b"IIRS", b"IIU\0"), RAW),
}
BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"crx ": RAW} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)
"""What a file in ISO boxes is, by the first brand that it names."""

# How other files begin that are often found among images, in small letters.
STRANGERS = {
    b"%pdf": "PDF",
    b"pk\3\4": "a zip archive",
    b"<!doctype html": "a web page (a failed download?)",
    b"<html": "a web page (a failed download?)",
    b"<svg": "SVG",
    b"<?xml": "XML or SVG",
}

THREADS = os.cpu_count() or 1  # Pillow decodes outside the interpreter's lock

MAX_PIXELS = 2**28 // 3  # Pillow's limit: 256 MiB of RGB
MAX_BYTES = 2**29  # of a file: 16-bit RGB of so many pixels
MAX_READS = 1_000_000  # pieces in which a file is read; Pillow's parsers are Python
MAX_TIFF_VALUES = 100_000  # of one tag, such as the places of the strips
TIFF_BYTES = (1, 2, 7)  # types of tags that Pillow keeps as bytes
MAX_SCANS = 100  # of a progressive JPEG, which has 10; each may cost as all of it

# Decoding takes up to 18 bytes a pixel. Images above this size, in pixels, are decoded
# one at a time, however many threads there are, and by a thread of their own: what one
# has given back to the system's allocator, another cannot use.
LARGE = 2**24
_large_images = ThreadPoolExecutor(1)

# Pillow warns of damaged metadata, which leaves the pixels whole, and of images between
# one and two times its limit of pixels, which are refused here.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


class UnusableImageError(InputError):
    """A file that cannot be used as an image; the message says why."""


def read_image(source) -> np.ndarray:
    """Decodes an image to RGB.

    The grey levels are those in the file. Colour profiles are not applied. An alpha
    channel is dropped, as Keras's `load_img` and TensorFlow's `decode_image` do: what
    is transparent shows the colour that is stored beneath, since a blend with some
    background would change the noise that a detector looks at. Of 16 bits a channel
    the upper 8 are kept, and CMYK becomes `(255 - ink) * (255 - black) / 255`.

    Args:
        source: Path or binary file.

    Returns:
        Array of shape `(height, width, 3)`, uint8, upright (EXIF orientation applied).

    Raises:
        UnusableImageError: If it is no image or no regular file, is truncated, too
            large or animated, or holds pixels of unknown range.
    """
    with _one_error():
        if isinstance(source, str | os.PathLike):
            _require_file(source)
            with open(source, "rb") as file, open_image(file) as image:
                return _pixels(image)[0]
        with open_image(source) as image:
            return _pixels(image)[0]


def check_image(path: Path) -> tuple[str, str]:
    """Decodes a file that may be anything.

    Returns:
        `(hash of the pixels, "")`, or `("", reason why it cannot be used)`.
    """
    try:
        pixels = read_any_file(path, path.suffix.lower())
    except UnusableImageError as error:
        return "", str(error)
    digest = hashlib.sha256(f"{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest(), ""


def read_any_file(path: str | os.PathLike, extension: str | None = None) -> np.ndarray:
    """`read_image` of a file that may be anything, at a bounded effort.

    Args:
        path: The file.
        extension: What its content must fit, such as ".png"; anything without it.
    """
    with _one_error():
        _require_file(path)
        with _PatientReader(io.FileIO(path)) as file, _opened(file, extension) as image:
            return _pixels(image)[0]


@dataclasses.dataclass(frozen=True)
class Facts:
    """What there is to know of an image beside its pixels.

    Attributes:
        width: Columns of the upright image in pixels.
        height: Its rows.
        hidden: Share of its pixels that are more transparent than not.
        marks: What the file says of where it comes from.
    """

    width: int
    height: int
    hidden: float = 0.0
    marks: tuple[Mark, ...] = ()


def look_at(source: str | os.PathLike | bytes) -> tuple[np.ndarray, Facts]:
    """`read_any_file`, and the facts about the image.

    Args:
        source: The file, or its content.
    """
    with _one_error():
        raw: io.BytesIO | io.FileIO
        if isinstance(source, bytes):
            raw = io.BytesIO(source)
        else:
            _require_file(source)
            raw = io.FileIO(source)
        with _PatientReader(raw) as file, _opened(file, None) as image:
            pixels, hidden = _pixels(image)
            marks = read_marks(image, file)
        return pixels, Facts(pixels.shape[1], pixels.shape[0], hidden, marks)


def look_at_opened(image: Image.Image) -> tuple[np.ndarray, Facts]:
    """The same of an image that Pillow has opened, which stays as it is."""
    with _one_error():
        _check_size(*image.size)
        pixels, hidden = _pixels(image.copy())
        return pixels, Facts(pixels.shape[1], pixels.shape[0], hidden)


def open_image(file: BinaryIO) -> Image.Image:
    """Opens an image of one of our formats; its pixels are not decoded yet.

    Raises:
        UnusableImageError: If it is none.
    """
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    kind = image_format(head)
    if kind == "TIFF" and head[8:10] == b"CR":  # Canon's, with a preview in front
        raise UnusableImageError(_unread(RAW))
    try:
        if kind in PLUGINS:
            return _open_by_plugin(file, kind)
        image = Image.open(file, formats=OPENED)
    except UnidentifiedImageError:
        raise UnusableImageError(_describe_stranger(head)) from None
    if kind == "JPEG" and isinstance(image, ImageFile.ImageFile):
        size = file.seek(0, os.SEEK_END)
        if size > image.decodermaxblock and is_arithmetic(file):
            # libjpeg cannot wait for more of it: all must be there at once.
            image.decodermaxblock = size
        file.seek(0)
    return image


def _open_by_plugin(file: BinaryIO, kind: str) -> Image.Image:
    module, package = PLUGINS[kind]
    if importlib.util.find_spec(module) is None:
        raise UnusableImageError(
            f"the content is {kind}, which {package} reads: python -m pip install "
            f"{package}"
        )
    plugin = importlib.import_module(module)
    if kind == "HEIC":
        # Not registered: other code opens what it opened before.
        return plugin.HeifImageFile(file)
    size = read_jxl_size(file)
    if size is None:
        raise UnusableImageError(f"{kind} with a damaged header")
    _check_size(*size)
    file.seek(0)
    return Image.open(file, formats=["JXL"])


def crop_to_size(
    image: np.ndarray, size: int, place: Sequence[float] = (0.5, 0.5)
) -> np.ndarray:
    """Crops a square without interpolation; only smaller images are enlarged.

    Args:
        image: Array of shape `(height, width, 3)`, uint8.
        size: Side of the square in pixels.
        place: Where to crop, down and to the right: 0 is the first possible row or
            column, and just under 1 the last. The centre by default.

    Returns:
        Array of shape `(size, size, 3)`, uint8.
    """
    side = min(size, *image.shape[:2])
    top, left = (
        int(share * (length - side + 1))
        for share, length in zip(place, image.shape[:2], strict=True)
    )
    image = image[top : top + side, left : left + side]
    if side == size:
        return image
    # Cropped first: a line of pixels, enlarged, would not fit in memory.
    enlarged = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(enlarged)


@contextlib.contextmanager
def _one_error() -> Iterator[None]:
    """Turns whatever decoding raises into an `UnusableImageError`."""
    try:
        yield
    except UnusableImageError:
        raise
    except Exception as error:  # Pillow's plugins raise what they like
        # Without the path, which is said beside it.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        # In one line, whatever a library has to say.
        reason = " ".join(str(reason).split())
        raise UnusableImageError(f"not readable: {reason}") from error


def _require_file(path: str | os.PathLike) -> None:
    """Refuses what would hang, such as a pipe, and what is far too large."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if "://" in os.fsdecode(path):
            raise UnusableImageError(
                "an address, not a file: download it first"
            ) from None
        raise
    if stat.S_ISDIR(status.st_mode):
        raise UnusableImageError(_describe_folder(path))
    if not stat.S_ISREG(status.st_mode):
        raise UnusableImageError("not a regular file")
    if status.st_size > MAX_BYTES:
        raise UnusableImageError(
            f"too large: {status.st_size} bytes, more than {MAX_BYTES}"
        )


def _describe_folder(path: str | os.PathLike) -> str:
    if os.path.islink(path):
        return "a link to a folder: name the folder itself"
    try:
        with os.scandir(os.fspath(path)):
            return "a folder, not a file: give the files in it"
    except OSError as error:
        return f"a folder that cannot be read: {error.strerror}"


def _pixels(image: Image.Image) -> tuple[np.ndarray, float]:
    """The pixels of an opened image that can be used, and the share that is hidden."""
    _check_size(*image.size)
    # Not `n_frames`: it would walk through all pages of a TIFF. MPO and HEIC hold
    # previews, too.
    if getattr(image, "is_animated", False) and image.format not in ("MPO", "HEIF"):
        raise UnusableImageError("animated, or of several pages")
    if image.format == "TIFF" and hasattr(image, "tag_v2"):
        _refuse_odd_levels(image)
    if image.width * image.height > LARGE:
        return _large_images.submit(_decode, image).result()
    return _decode(image)


def _check_size(width: int, height: int) -> None:
    if not 0 < width * height <= MAX_PIXELS:
        raise UnusableImageError(f"{width}x{height} pixels; the limit is {MAX_PIXELS}")


def _hidden_share(image: Image.Image) -> float:
    """Share of the pixels that are more transparent than not."""
    if "A" in image.getbands():
        alpha = image.getchannel("A")
    elif "transparency" in image.info and image.mode in ("P", "L", "RGB", "1"):
        alpha = image.convert("RGBA").getchannel("A")
    else:
        return 0.0
    return sum(alpha.histogram()[:128]) / (image.width * image.height)


def _decode(image: Image.Image) -> tuple[np.ndarray, float]:
    # Pillow copies for an orientation or a mode that is there already.
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        ImageOps.exif_transpose(image, in_place=True)
    hidden = _hidden_share(image)
    return _as_rgb(image), hidden


def _as_rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "RGB":
        # np.asarray would ask Pillow for the bytes twice.
        pixels = np.frombuffer(image.tobytes(), "uint8")
        return pixels.reshape(image.height, image.width, 3)
    if image.mode in ("I", "F"):
        raise UnusableImageError("32-bit or signed pixels, of unknown range")
    if image.mode.startswith("I;16"):  # convert() would clip
        levels = (np.asarray(image) >> 8).astype("uint8")
        return np.repeat(levels[:, :, None], 3, axis=2)
    # With it, Pillow would warn that it is lost.
    image.info.pop("transparency", None)
    return np.asarray(image.convert("RGB"))


def _refuse_odd_levels(image: Image.Image) -> None:
    """Refuses TIFFs of which Pillow would give other grey levels than are meant."""
    tags = image.tag_v2  # type: ignore[attr-defined]  # TIFF has it
    base = ExifTags.Base
    if tags.get(base.NewSubfileType, 0) & 1:
        raise UnusableImageError(_unread(RAW))
    if any(kind != 1 for kind in tags.get(base.SampleFormat, (1,))):
        raise UnusableImageError("signed or floating-point pixels, of unknown range")
    if image.mode.startswith("I;16") and (
        tags.get(base.BitsPerSample) != (16,)
        or tags.get(base.PhotometricInterpretation) != 1
    ):
        raise UnusableImageError("12-bit pixels, or 16-bit ones with 0 for white")


class _PatientReader(io.BufferedReader):
    """A file whose readers run out of patience: Pillow reads headers bit by bit."""

    reads = 0

    def read(self, size=-1, /):
        self.reads += 1
        if self.reads > MAX_READS:
            raise UnusableImageError(f"in more than {MAX_READS} pieces")
        return super().read(size)


def _opened(file: _PatientReader, extension: str | None) -> Image.Image:
    """An open file as an image, which costs a bounded effort."""
    head = file.read(64)
    if not head:
        raise UnusableImageError("empty: 0 bytes")
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        _refuse_endless_tables(file, head)
    image = open_image(file)
    kind = image.format or ""
    if extension is not None and extension not in EXTENSIONS[kind]:
        raise UnusableImageError(f"wrongly named: the content is {kind}")
    if image.info.get("progressive"):
        _refuse_endless_scans(file)
    return image


def _refuse_endless_tables(file: _PatientReader, head: bytes) -> None:
    """Refuses TIFFs with so many strips that Pillow's lists of them fill the memory."""
    if b"+" in head[2:4]:
        raise UnusableImageError("BigTIFF, which is for larger files")
    order = "<" if head.startswith(b"II") else ">"
    file.seek(*struct.unpack(order + "I", head[4:8]))
    length = file.read(2)
    if len(length) < 2:
        return  # damaged, as Pillow will say
    entries = file.read(12 * struct.unpack(order + "H", length)[0])
    whole = entries[: len(entries) // 12 * 12]
    for tag, kind, count in struct.iter_unpack(order + "HHI4x", whole):
        if count > MAX_TIFF_VALUES and kind not in TIFF_BYTES:
            raise UnusableImageError(f"TIFF with {count} values of tag {tag}")


def _refuse_endless_scans(file: _PatientReader) -> None:
    """Refuses JPEGs that are decoded over and over again."""
    position = file.tell()
    file.seek(0)
    scans = file.read().count(b"\xff\xda")
    file.seek(position)
    if scans > MAX_SCANS:
        raise UnusableImageError(f"progressive JPEG in {scans} scans")


def image_format(head: bytes) -> str:
    """The format that an image file begins like; "" for what is none."""
    for start, name in SIGNATURES.items():
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and head[6:10] == bytes(4):  # which text would not have
        return "BMP"
    return BRANDS.get(head[8:12], "") if head[4:8] == b"ftyp" else ""


def _unread(name: str) -> str:
    return f"the content is {name}, which is not read: save it as PNG, unscaled"


def _describe_stranger(head: bytes) -> str:
    """Why a file that is none of our formats cannot be used, from how it begins."""
    if name := image_format(head):
        if name in OPENED:
            return f"{name} with a damaged header"
        return _unread(name)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = (name for key, name in STRANGERS.items() if start.startswith(key))
    if name := "a video" if head[4:8] == b"ftyp" else next(found, ""):
        return f"{NO_IMAGE}: {name}"
    return f"{NO_IMAGE}, or with a damaged header"
