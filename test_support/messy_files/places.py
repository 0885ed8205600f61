"""What is strange about names and places."""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from test_support.messy_files.messy import Messy
from test_support.messy_files.pixels import encode, noise

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


def names() -> Iterator[Messy]:
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


def links_and_devices() -> Iterator[Messy]:
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
