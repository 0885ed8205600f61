"""Where files say that they come from: found by name, in every container."""

import io
import re
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from examples.deepfake_v3.audit import audit_data_dir
from examples.deepfake_v3.loading import provenance
from examples.deepfake_v3.loading.containers import MAX_BYTES
from examples.deepfake_v3.loading.images import look_at
from test_support.scenes import scene

FEW = 8  # images of a class
KINDS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
PROMPT = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
    b'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/'
    b'%s"/></rdf:RDF></x:xmpmeta>'
)
MANIFEST = b"JP\0\1\0\0\0\1\0\0\0\x40jumb\0\0\0\x1ejumdc2pa\0\x11\0\x10" + bytes(30)


def encode(seed, kind, *, exif=(), comment=None, xmp=None, text=(), c2pa=False):
    """A small picture with metadata; texts of PNG stand after its pixels."""
    tags = Image.Exif()
    for tag, value in exif:
        tags[tag] = value
    if comment is not None:
        tags.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + comment.encode()
    options = {"exif": tags} if len(tags) or comment else {}
    info = PngInfo()
    if kind == "PNG":
        for key, value in text:
            info.add(b"tEXt", f"{key}\0{value}".encode(), after_idat=True)
        if xmp:
            info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options["pnginfo"] = info
    elif xmp:
        options["xmp"] = xmp
    file = io.BytesIO()
    Image.fromarray(scene(seed, size=16)).save(file, kind, **options)
    return with_manifest(file.getvalue(), kind) if c2pa else file.getvalue()


def with_manifest(content, kind):
    """Content credentials, where each container has them."""
    if kind == "JPEG":
        return (
            content[:2]
            + b"\xff\xeb"
            + struct.pack(">H", len(MANIFEST) + 2)
            + (MANIFEST + content[2:])
        )
    if kind == "PNG":
        chunk = b"caBX" + MANIFEST
        chunk = (
            struct.pack(">I", len(MANIFEST))
            + chunk
            + struct.pack(">I", zlib.crc32(chunk))
        )
        return content[:-12] + chunk + content[-12:]  # before IEND
    if kind == "AVIF":
        data = b"uuid" + bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + MANIFEST
        return content + struct.pack(">I", len(data) + 4) + data
    data = MANIFEST + bytes(len(MANIFEST) % 2)
    body = content[8:] + b"C2PA" + struct.pack("<I", len(MANIFEST)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


CAMERA = ((0x010F, "Canon"), (0x0110, "EOS R5"))
PLANTED = {
    "content credentials": ({"c2pa": True}, "C2PA (content credentials)"),
    "source type": (
        {"xmp": XMP % b"trainedAlgorithmicMedia"},
        "XMP DigitalSourceType (generator such as 'trainedAlgorithmicMedia')",
    ),
    "prompt": ({"comment": PROMPT}, "EXIF UserComment (generator such as 'a cat"),
    "software": (
        {"exif": (*CAMERA, (0x0131, "Midjourney 6"))},
        "EXIF Software (generator such as 'Midjourney 6')",
    ),
}


def audited(tmp_path, kind_of, real, fake):
    for label, (name, options) in enumerate((("real", real), ("fake", fake))):
        folder = tmp_path / "data" / "train" / name
        folder.mkdir(parents=True)
        for index in range(FEW):
            kind = kind_of(index)
            content = encode([label, index], kind, **options)
            (folder / f"{index}{KINDS[kind]}").write_bytes(content)
    for split in ("val", "test"):  # not looked at here
        (tmp_path / "data" / split).mkdir()
    result = audit_data_dir(
        data_dir=str(tmp_path / "data"), reports_dir=str(tmp_path / "reports")
    )
    assert result["unusable"] == []
    return [text for text in result["warnings"] if "No usable image" not in text]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_mark_is_warned_of_by_its_name(tmp_path, kind, planted):
    options, name = PLANTED[planted]
    base = {"exif": CAMERA}
    (warning,) = audited(tmp_path, lambda _: kind, base, base | options)
    if planted == "content credentials":
        part = {"JPEG": "APP11", "PNG": "caBX", "WEBP": "C2PA"}[kind]
        name = f"{kind} {part} {name}"
    assert f"{name}" in warning
    assert f"0 of {FEW} real and {FEW} of {FEW} fake files" in warning


RICH = {
    "exif": (*CAMERA, (0x0131, "Adobe Photoshop 25.0")),
    "comment": "holiday",
    "xmp": XMP % b"digitalCapture",
    "text": (("Title", "a cat"), ("Software", "GIMP 2.10")),
    "c2pa": True,
}


@pytest.mark.parametrize("kinds", [["JPEG"], ["PNG"], ["WEBP"], list(KINDS)])
def test_equal_metadata_are_no_reason_to_warn(tmp_path, kinds):
    found = audited(tmp_path, lambda index: kinds[index % len(kinds)], RICH, RICH)
    assert found == []


def test_other_values_under_one_name_are_found(tmp_path):
    first, second = audited(
        tmp_path,
        lambda _: "JPEG",
        {"exif": ((0x010F, "Canon"),)},
        {"exif": ((0x010F, "Phase One"),)},
    )
    assert "EXIF Make (camera 'Canon') is in 8 of 8 real and 0 of 8 fake" in first
    assert "(camera 'Phase One') is in 0 of 8 real and 8 of 8 fake" in second


def test_where_sizes_differ_too_marks_are_the_fact_that_is_named(tmp_path):
    for label, (name, exif) in enumerate(
        {"real": CAMERA, "fake": ((0x0131, "Midjourney 6, job " + "x" * 99),)}.items()
    ):
        folder = tmp_path / "data" / "train" / name
        folder.mkdir(parents=True)
        for index in range(20):
            content = encode([label, index], "JPEG", exif=exif)
            (folder / f"{index}.jpg").write_bytes(content)
    result = audit_data_dir(
        data_dir=str(tmp_path / "data"), reports_dir=str(tmp_path / "reports")
    )
    (leak,) = (text for text in result["warnings"] if "file facts" in text)
    assert re.search("most by (camera|generator) mark: real", leak)
    assert sum("Marks of where files come from" in w for w in result["warnings"]) == 3


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("PNG", {"text": (("parameters", PROMPT),)}, "generator: PNG tEXt parameters"),
        ("PNG", {"text": (("Software", "GIMP 2.10"),)}, "editor: PNG tEXt Software"),
        ("PNG", {"text": (("Title", "Kandinsky"),)}, None),
        ("JPEG", {"comment": "fireflies over Gemini, imagen 3"}, None),
        ("JPEG", {"exif": ((0x010F, "workflow: {...}"),)}, "generator: EXIF Make"),
        ("WEBP", {"exif": CAMERA}, "camera: EXIF Make 'Canon'"),
        ("JPEG", {"exif": ((0x0131, "Ver.1.0 firmware"),)}, None),
        ("JPEG", {"exif": ((0x010E, "a photograph"),)}, None),
        ("JPEG", {"c2pa": True}, "content credentials: JPEG APP11 C2PA"),
        ("AVIF", {"c2pa": True}, "content credentials: AVIF uuid C2PA"),
        ("AVIF", {"exif": CAMERA}, "camera: EXIF Make 'Canon'"),
        (
            "JPEG",
            {"xmp": b"<x><xmp:CreatorTool>Midjourney</xmp:CreatorTool></x>"},
            "generator: XMP CreatorTool 'Midjourney'",
        ),
        (
            "WEBP",
            {"xmp": b'<x xmp:CreatorTool="Adobe Photoshop 25.0 (Windows)"/>'},
            "editor: XMP CreatorTool 'Adobe Photoshop",
        ),
        ("PNG", {"xmp": XMP % b"minorHumanEdits"}, "editor: XMP DigitalSourceType"),
    ],
)
def test_each_mark_is_of_its_kind(kind, options, expected):
    _, facts = look_at(encode(0, kind, **options))
    found = [mark.describe() for mark in facts.marks]
    if expected is None:
        assert found == []
    else:
        assert found[0].startswith(expected)


def test_compressed_text_is_unpacked_to_a_bound():
    packed = zlib.compress(b"Steps: 20, Sampler: x " + bytes(50_000_000))
    key, text = provenance._png_text("zTXt", b"comment\0\0" + packed)
    assert key == "comment"
    assert len(text) == MAX_BYTES


@pytest.mark.parametrize(
    "xmp", [b"Make>" + b"<Make>" * 150_000, b"Software=" * 100_000, b"<Make" * 150_000]
)
def test_no_text_takes_long_to_search(xmp):
    start = time.perf_counter()
    assert list(provenance._xmp_marks(xmp)) == []
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_metadata_cost_no_image(kind):
    content = encode(0, kind, **RICH)
    rng = np.random.default_rng(0)
    whole = look_at(encode(0, kind))[0]
    start = content.index(b"Canon") - 60
    for _ in range(20):
        damaged = bytearray(content)
        damaged[start + int(rng.integers(100))] ^= 0x55
        try:
            pixels, _ = look_at(bytes(damaged))
        except ValueError:
            continue  # the container itself
        assert pixels.shape == whole.shape
