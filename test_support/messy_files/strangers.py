"""Files that are not what they are called."""

import io
from collections.abc import Iterator

from examples.deepfake_v3.loading.images import read_image
from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import encode, smooth


def wrong_extensions() -> Iterator[Messy]:
    extensions = (".jpg", ".png", ".webp", ".bmp", ".tif", ".avif")
    kinds = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")
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


def strangers() -> Iterator[Messy]:
    """Files of other kinds, under their own name and as .jpg."""
    page = b"<!DOCTYPE html><html><title>404 Not Found</title></html>"
    box = b"\0\0\0\x18ftyp%b\0\0\0\0mif1heic" + bytes(200)
    for extension, content, reason in (
        (".gif", encode(smooth(), "GIF"), "GIF"),
        # Of what is missing, or of the plug-in that is not installed.
        (".heic", box % b"heic", "No meta box|pip install pillow-heif"),
        (".heif", box % b"mif1", "No meta box|pip install pillow-heif"),
        (
            ".jxl",
            b"\xff\x0a" + bytes(60),
            "not readable|damaged header|pip install pillow-jxl",
        ),
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
