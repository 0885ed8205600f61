"""Formats beside JPEG and PNG: read, or refused by name with what to do."""

import importlib.util
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from examples.deepfake_v3.loading import images
from examples.deepfake_v3.loading.containers import read_jxl_size
from examples.deepfake_v3.loading.decoding import decode_ahead
from examples.deepfake_v3.loading.images import (
    UnusableImageError,
    check_image,
    look_at,
    open_image,
    read_any_file,
    read_image,
)
from examples.deepfake_v3.prediction.sources import find_files
from examples.deepfake_v3.preparing.plan import SUFFIXES
from test_support.messy_files import arithmetic

HEIGHT, WIDTH = 40, 48
CLOSE = 8  # grey levels that a lossy format of high quality may be off


def ramp():
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([columns * 5, rows * 6, (rows + columns) * 2], -1).astype("uint8")


def encode(kind, **options):
    file = io.BytesIO()
    if kind == "HEIF":
        heif = pytest.importorskip("pillow_heif")
        heif.from_pillow(Image.fromarray(ramp())).save(file, **options)
    else:
        if kind == "JXL":
            pytest.importorskip("pillow_jxl")
        Image.fromarray(ramp()).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "extension", "options"),
    [
        ("AVIF", ".avif", {"quality": 100}),
        ("HEIF", ".heic", {"quality": 100, "chroma": 444}),
        ("JXL", ".jxl", {"lossless": True}),
    ],
)
def test_newer_formats_are_read_wherever_images_are(tmp_path, kind, extension, options):
    content = encode(kind, **options)
    path = tmp_path / f"photo{extension.upper()}"
    path.write_bytes(content)
    (decoded,) = decode_ahead(path, size=None, ahead=1)
    with path.open("rb") as file, open_image(file) as image:
        assert image.format == kind and SUFFIXES[kind] == extension
    for pixels in (
        read_image(path),
        read_image(io.BytesIO(content)),
        read_any_file(path, extension),
        look_at(content)[0],
        decoded.pixels,
    ):
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        assert abs(pixels.astype(int) - ramp()).max() <= CLOSE
    assert check_image(path)[1] == ""
    assert find_files([str(tmp_path)]).files == [str(path)]
    with pytest.raises(UnusableImageError, match="wrongly named"):
        read_any_file(path, ".jpg")


def test_size_is_checked_before_pixels_are_decoded(monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", HEIGHT * WIDTH - 1)
    for kind in ("AVIF", "HEIF", "JXL"):
        try:
            content = encode(kind)
        except pytest.skip.Exception:
            continue
        with pytest.raises(UnusableImageError, match="48x40 pixels; the limit"):
            read_image(io.BytesIO(content))


@pytest.mark.parametrize(
    ("size", "start"),
    [
        # The first bytes that libjxl writes.
        ((48, 40), "ff0a8940240800010050"),
        ((1, 1), "ff0a0010100908000100"),
        ((300, 200), "ff0a3141240804010088"),
        ((1000, 37), "ff0a2081ce0788040802"),
        ((1920, 1080), "ff0aba21059108020100"),
        ((513, 512), "ff0af88f000488040802"),
        ((9000, 3), "ff0a10004f4600910802"),
    ],
)
def test_size_of_jpeg_xl_is_known_before_it_is_opened(size, start):
    stream = bytes.fromhex(start) + bytes(9)
    boxes = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
    box = (len(stream) + 8).to_bytes(4, "big") + b"jxlc" + stream
    part = (len(stream) + 12).to_bytes(4, "big") + b"jxlp\0\0\0\0" + stream
    for content in (stream, boxes + box, boxes + part):
        assert read_jxl_size(io.BytesIO(content)) == size
    assert read_jxl_size(io.BytesIO(stream[:5])) is None


@pytest.mark.parametrize(
    ("content", "package"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "pillow-heif"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "pillow-jxl-plugin"),
        (b"\xff\x0a" + bytes(99), "pillow-jxl-plugin"),
    ],
)
def test_a_missing_plug_in_is_named(monkeypatch, content, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnusableImageError, match=f"pip install {package}$"):
        look_at(content)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.gif", b"GIF89a" + bytes(60), "GIF, which is not read: save it as PNG"),
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60), "JPEG 2000, which"),
        ("a.psd", b"8BPS\0\1" + bytes(60), "Photoshop, which"),
        ("a.raf", b"FUJIFILMCCD-RAW " + bytes(60), "a camera's raw file, which"),
        ("a.cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(60), "a camera's raw file, which"),
        ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1" + bytes(60), "raw file, which"),
    ],
)
def test_an_image_that_is_not_read_is_found_and_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "notes.txt").write_text("no image")
    found = find_files([str(tmp_path)])
    assert found.files == [str(tmp_path / name)]
    assert found.ignored == {".txt": 1}
    with pytest.raises(UnusableImageError, match=said):
        read_any_file(tmp_path / name)


def test_the_preview_of_a_raw_file_is_not_taken_for_the_photograph(tmp_path):
    # As in DNG, NEF and ARW: the first picture is one of reduced size.
    Image.fromarray(ramp()).save(tmp_path / "photo.dng", "TIFF", tiffinfo={254: 1})
    with pytest.raises(UnusableImageError, match="a camera's raw file"):
        read_any_file(tmp_path / "photo.dng")


def test_arithmetic_jpegs_longer_than_a_block_are_read(tmp_path):
    expected = np.asarray(Image.open(io.BytesIO(arithmetic.SMALL)))
    content = arithmetic.over_a_block()
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(OSError, match="broken data stream"):
        Image.open(io.BytesIO(content)).load()  # by Pillow's own block
    for pixels in (
        read_image(tmp_path / "photo.jpg"),
        read_any_file(tmp_path / "photo.jpg", ".jpg"),
        look_at(content)[0],
    ):
        np.testing.assert_array_equal(pixels, expected)
    assert check_image(tmp_path / "photo.jpg")[1] == ""
    with pytest.raises(UnusableImageError):
        look_at(content[:-100])


def test_blocks_of_other_threads_and_files_stay_as_they_are():
    before = ImageFile.MAXBLOCK
    content, seen = arithmetic.over_a_block(), set()
    barrier = threading.Barrier(4)

    def read(_):
        barrier.wait()
        pixels = read_image(io.BytesIO(content))
        seen.add(ImageFile.MAXBLOCK)
        return pixels

    with ThreadPoolExecutor(4) as pool:
        first, *rest = pool.map(read, range(4))
    assert seen == {before}
    assert all((other == first).all() for other in rest)
