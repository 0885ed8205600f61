"""What an image file says of where it comes from: camera, editor, generator.

Such marks are written by whoever wants to, and lost by whoever saves the image anew.
They are facts about the file, never about its pixels.
"""

import contextlib
import dataclasses
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from examples.deepfake_v3.loading.containers import MAX_BYTES, walk_parts

Kind = Literal["camera", "editor", "generator", "content credentials"]

SHOWN = 60  # letters of a value

# Names in lower case. Of a text that names several, the first list counts.
GENERATORS = (
    *("midjourney", "dall-e", "dall·e", "dalle", "openai", "chatgpt", "gpt-4o"),
    *("stable diffusion", "stable-diffusion", "stablediffusion", "stability ai"),
    *("sdxl", "automatic1111", "comfyui", "invokeai", "novelai", "fooocus"),
    *("dreamstudio", "draw things", "drawthings", "firefly", "made with google ai"),
    *("imagen", "gemini", "flux.1", "black forest labs", "leonardo.ai", "ideogram"),
    *("bing image creator", "image creator", "grok", "recraft", "kandinsky"),
    *("craiyon", "nightcafe", "runwayml", "stylegan", "imagined with ai"),
)
EDITORS = (
    *("photoshop", "lightroom", "adobe", "gimp", "affinity", "snapseed", "picasa"),
    *("paint.net", "capture one", "darktable", "rawtherapee", "dxo", "picsart"),
    *("canva", "imagemagick", "pixelmator", "facetune", "faceapp", "luminar"),
    *("faststone", "irfanview", "krita", "photos", "vsco", "corel", "acdsee"),
)

# Keys under which generators write what they were asked for.
PROMPT_KEYS = frozenset(
    (
        *("parameters", "prompt", "negative_prompt", "workflow", "dream"),
        *("sd-metadata", "invokeai_metadata", "invokeai_graph", "generation_data"),
        *("fooocus_scheme", "postprocessing", "aigc"),
    )
)
# And what such texts hold, under whatever key.
PROMPT = re.compile(
    r"negative prompt:|\bsteps: \d+, |\bcfg scale: |\bsampler: |\"class_type\"|"
    r"\"sampler(_name)?\"|\"cfg_scale\"|\"negative_prompt\"|^(prompt|workflow):\s*\S|"
    r"\"prompt\"\s*:|\bjob id: [0-9a-f]{8}-",
    re.IGNORECASE,
)

# https://cv.iptc.org/newscodes/digitalsourcetype/
SOURCE_TYPES: dict[str, Kind] = {
    "trainedAlgorithmicMedia": "generator",
    "compositeWithTrainedAlgorithmicMedia": "generator",
    "compositeSynthetic": "generator",
    "algorithmicMedia": "generator",
    "digitalCapture": "camera",
    "computationalCapture": "camera",
    "negativeFilm": "camera",
    "positiveFilm": "camera",
    "print": "camera",
}
C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")

_SOURCE_TYPE = re.compile(r"digitalsourcetype/(\w+)", re.IGNORECASE)
_XMP = {
    name: re.compile(rf"\b{name}(?:\s*=\s*[\"']|>\s*(?:<[^>]*>\s*){{0,3}})([^\"'<]+)")
    for name in ("CreatorTool", "Software", "Make", "Model", "Credit", "UserComment")
}
# Keys whose value is a name. In a caption, Kandinsky is a painter.
NAME_KEYS = frozenset(
    (
        *("software", "creatortool", "program", "make", "model", "credit", "artist"),
        *("source", "author", "generator", "creator"),
    )
)
_EXIF = ("Make", "Model", "Software", "ImageDescription", "Artist", "XPComment")


@dataclasses.dataclass(frozen=True, order=True)
class Mark:
    """One fact of where a file comes from.

    Attributes:
        place: The part of the file that holds it, such as "EXIF" or "PNG tEXt".
        key: Its name there.
        kind: What it points at.
        value: What it says, shortened.
    """

    place: str
    key: str
    kind: Kind
    value: str = ""

    @property
    def name(self) -> str:
        """Place and key, whatever the value."""
        return f"{self.place} {self.key}"

    def describe(self) -> str:
        """The mark in a line."""
        value = f" {self.value!r}" if self.value else ""
        return f"{self.kind}: {self.name}{value}"


def read_marks(image: Image.Image, file: BinaryIO) -> tuple[Mark, ...]:
    """The marks of an opened image, each name once.

    Args:
        image: The image, whose EXIF and XMP Pillow reads.
        file: The file that it was opened from, of which the rest is read.
    """
    found: dict[tuple[str, str], Mark] = {}
    info = image.info
    with contextlib.suppress(Exception):  # damaged metadata, which are no marks
        _add(found, _exif_marks(image.getexif()))
    _add(found, _xmp_marks(info.get("xmp")))
    _add(found, _iptc_marks(image))
    for name, content in walk_parts(file):
        _add(found, _marks_in(image.format or "", name, content))
    return tuple(sorted(found.values()))


def _add(found: dict[tuple[str, str], Mark], marks: Iterator[Mark]) -> None:
    with contextlib.suppress(Exception):  # Pillow's readers raise what they like
        for mark in marks:
            found.setdefault((mark.place, mark.key), mark)


def _marks_in(kind: str, name: str, content: bytes) -> Iterator[Mark]:
    """The marks in one part of a file."""
    if _is_c2pa(name, content):
        yield Mark(
            f"{kind} {name.strip()}", "C2PA", "content credentials", _who(content)
        )
    elif name in ("APP1", "EXIF", "eXIf") and not content.startswith(b"http"):
        exif = Image.Exif()
        exif.load(content)
        yield from _exif_marks(exif)
    elif name == "XMP " or (name == "APP1" and content.startswith(b"http")):
        yield from _xmp_marks(content)
    elif name in ("tEXt", "zTXt", "iTXt"):
        key, text = _png_text(name, content)
        if key == "XML:com.adobe.xmp":
            yield from _xmp_marks(text.encode())
        else:
            yield from _text_marks(f"{kind} {name}", key, text)
    elif name == "COM":
        yield from _text_marks(kind, "comment", content.decode("utf-8", "replace"))


def _is_c2pa(name: str, content: bytes) -> bool:
    return (
        name in ("caBX", "C2PA")
        or (name == "APP11" and b"jumb" in content and b"c2pa" in content)
        or (name == "uuid" and content.startswith(C2PA_BOX))
    )


def _who(manifest: bytes) -> str:
    """What a manifest says in plain text: a kind of source, a generator's name."""
    text = manifest.decode("latin-1")
    types, lower = _SOURCE_TYPE.findall(text), text.lower()
    names = [name for name in GENERATORS if name in lower]
    return ", ".join(dict.fromkeys([*types, *names[:1]]))


def _exif_marks(exif: Image.Exif) -> Iterator[Mark]:
    tags: dict[str, Any] = {
        ExifTags.TAGS.get(tag, str(tag)): value for tag, value in exif.items()
    }
    with contextlib.suppress(Exception):
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        tags["UserComment"] = inner.get(ExifTags.Base.UserComment)
    for key in (*_EXIF, "UserComment"):
        if tags.get(key):
            yield from _text_marks("EXIF", key, _exif_text(tags[key]))


def _exif_text(value: Any) -> str:
    if isinstance(value, tuple):
        value = bytes(value)
    if not isinstance(value, bytes):
        return str(value)
    # Eight bytes name the alphabet of a comment.
    if value[:8] == b"UNICODE\0":
        value = value[8:]
        wide = "utf-16-be" if value[:1] == b"\0" else "utf-16-le"
        return value.decode(wide, "replace")
    if value[:8] in (b"ASCII\0\0\0", bytes(8)):
        return value[8:].decode("utf-8", "replace")
    encoding = "utf-16-le" if value[1:2] == b"\0" else "utf-8"  # Windows' own tags
    return value.decode(encoding, "replace")


def _xmp_marks(xmp: Any) -> Iterator[Mark]:
    if not xmp:
        return
    text = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
    for kind in _SOURCE_TYPE.findall(text):
        known = SOURCE_TYPES.get(kind, "editor")
        yield Mark("XMP", "DigitalSourceType", known, kind)
    for key, pattern in _XMP.items():
        if found := pattern.search(text):
            yield from _text_marks("XMP", key, found[1])


def _iptc_marks(image: Image.Image) -> Iterator[Mark]:
    if not isinstance(image, ImageFile.ImageFile):
        return
    fields: Mapping[Any, Any] = IptcImagePlugin.getiptcinfo(image) or {}
    for number, key in ((65, "Program"), (110, "Credit"), (120, "Caption")):
        value = fields.get((2, number))
        if isinstance(value, bytes):
            yield from _text_marks("IPTC", key, value.decode("utf-8", "replace"))


def _png_text(name: str, content: bytes) -> tuple[str, str]:
    """Keyword and text of a chunk, of which no more is unpacked than may be kept."""
    keyword, _, rest = content.partition(b"\0")
    packed = name == "zTXt"
    if name == "iTXt":
        packed = rest[:1] == b"\1"
        rest = b"\0".join(rest[2:].split(b"\0", 2)[2:])
    elif packed:
        rest = rest[1:]
    if packed:
        rest = zlib.decompressobj().decompress(rest, MAX_BYTES)
    return keyword.decode("latin-1"), rest.decode("utf-8", "replace")


def _text_marks(place: str, key: str, text: str) -> Iterator[Mark]:
    """A mark, if a text under a key is one."""
    text = text.replace("\0", "").strip()
    if kind := _kind_of(key, text):
        shown = " ".join(text.split())
        yield Mark(place, key, kind, shown[:SHOWN] + "…" * (len(shown) > SHOWN))


def _kind_of(key: str, text: str) -> Kind | None:
    lower = text.lower()
    if not text:
        return None
    if key.lower() in PROMPT_KEYS or PROMPT.search(text):
        return "generator"
    if key.lower() in NAME_KEYS and any(_names(lower, name) for name in GENERATORS):
        return "generator"
    if key in ("Make", "Model"):
        return "camera"
    if key.lower() in ("software", "creatortool", "program"):
        # Cameras, too, write their firmware there.
        return "editor" if any(_names(lower, name) for name in EDITORS) else None
    return None


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![a-z]){re.escape(name)}(?![a-z])", text) is not None
