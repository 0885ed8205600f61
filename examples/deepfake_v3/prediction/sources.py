"""The files that a command is to look at."""

import collections
import dataclasses
import functools
import glob
import os
import sys
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from examples.deepfake_v3.errors import InputError, NotThereError
from examples.deepfake_v3.loading.data import list_files
from examples.deepfake_v3.loading.images import (
    EXTENSIONS,
    NO_IMAGE,
    UNREAD_EXTENSIONS,
    image_format,
)

UNREADABLE = 3
"""Exit code when files could not be read; 1 is an error, 2 a wrong command line."""

READ_EXTENSIONS = frozenset().union(*EXTENSIONS.values())
IMAGE_EXTENSIONS = READ_EXTENSIONS | UNREAD_EXTENSIONS
"""Of what folders are looked through for: an image that is not read is reported."""

BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}


@dataclasses.dataclass(frozen=True)
class Found:
    """The files that sources stand for.

    Attributes:
        files: Each once, in the order of the sources.
        ignored: How many files of which extension folders hold besides.
        repeated: Names that stand for a file that another source names, too.
    """

    files: list[str]
    ignored: dict[str, int]
    repeated: list[str]

    def notes(self) -> list[str]:
        """What a user should know of them, as sentences."""
        notes = []
        if self.ignored:
            counts = ", ".join(
                f"{n} {name or 'without'}" for name, n in self.ignored.items()
            )
            notes.append(
                f"Ignored in folders, by their extension: {counts}. A glob takes them."
            )
        if self.repeated:
            notes.append(
                f"Named more than once, and looked at once: {len(self.repeated)}, such "
                f"as {self.repeated[0]!r}."
            )
        return notes


def find_files(sources: Iterable[str]) -> Found:
    """The files that sources stand for, each once.

    Of folders, files with the extension of an image are taken; hidden ones are not. A
    name that stands for nothing stays as it is, to be reported as unreadable, as do
    folders inside that are links or cannot be read.

    Raises:
        FileNotFoundError: If there is no file at all.
        ValueError: If standard input holds no list of paths.
    """
    sources = tuple(sources)
    found: dict[str, tuple[str, int]] = {}
    repeated: list[str] = []
    ignored: collections.Counter[str] = collections.Counter()
    real_folder = functools.lru_cache(1024)(os.path.realpath)  # of this call alone
    for number, source in enumerate(_expand(sources)):
        # What one source names twice, as `**` does, is nobody's mistake.
        for name in source:
            for file in _files_in(name, ignored):
                key = _identity(file, real_folder)
                if key not in found:
                    found[key] = (file, number)
                elif found[key][1] != number:
                    repeated.append(file)
    if not found:
        raise NotThereError(
            "There is nothing to score. Give files, folders with images "
            f"({', '.join(sorted(READ_EXTENSIONS))}), or globs. Received: "
            f"sources={sources}"
        )
    return Found([file for file, _ in found.values()], dict(ignored), repeated)


def is_failure(file: str, error: str) -> bool:
    """Whether an unreadable file counts for the exit code.

    What is no image, neither by its content nor by its name, does not: a glob or a list
    may well name it.
    """
    named = Path(file).suffix.lower() in IMAGE_EXTENSIONS
    return named or not error.startswith(NO_IMAGE)


def _files_in(name: str, ignored: collections.Counter[str]) -> Iterator[str]:
    """The images in a folder; of what is no folder, itself."""
    if not os.path.isdir(name):
        yield name
        return
    for path in list_files(Path(name)):
        extension = path.suffix.lower()
        if extension in IMAGE_EXTENSIONS or path.is_dir():
            yield str(path)
        else:
            ignored[extension] += 1


def _identity(name: str, real_folder: Callable[[str], str]) -> str:
    """Equal for names of one file, whatever links they go through."""
    try:
        path = os.path.join(real_folder(os.path.dirname(name)), os.path.basename(name))
        return os.path.realpath(path) if os.path.islink(path) else path
    except (OSError, ValueError):  # a name that no file can have
        return name


def _expand(sources: Iterable[str]) -> Iterator[list[str]]:
    """The names that each source stands for: files and folders."""
    for source in sources:
        if source == "-":
            for line in _split_list(sys.stdin.buffer.read()):
                yield [_as_meant(line)]
            continue
        name = _as_meant(source)
        if glob.has_magic(name) and not os.path.lexists(name):
            yield _matches(name) or [name]
        else:
            yield [name]


def _matches(pattern: str) -> list[str]:
    """What a glob matches, where brackets may belong to the name of a folder."""
    parts, place = list(Path(pattern).parts), ""
    for index, part in enumerate(parts):
        place = os.path.join(place, part)
        if not os.path.lexists(place):
            break
        parts[index] = glob.escape(part)
    found = glob.glob(os.path.join(*parts), recursive=True)
    # Below `**` nobody can tell beforehand.
    return sorted(found or glob.glob(pattern.replace("[", "[[]"), recursive=True))


def _as_meant(name: str) -> str:
    """A name without the quotes, the `~` or the `file://` that its file has not."""
    if os.path.lexists(name):
        return name
    if len(bare := name.strip()) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
        bare = bare[1:-1]
    if bare.lower().startswith("file://"):
        bare = urllib.parse.unquote(urllib.parse.urlsplit(bare).path)
    bare = os.path.expanduser(bare)
    return bare if bare != name.strip() or os.path.lexists(bare) else name


def _split_list(content: bytes) -> list[str]:
    """The paths in a list: a line each, or between NULs as `find -print0` writes them.

    Raises:
        ValueError: If it is an image, or text of which nobody can tell the alphabet.
    """
    if kind := image_format(content):
        raise InputError(
            "`-` reads a list of paths on standard input, one a line. Save the image "
            f"to a file, and give that. Received: an image, {kind}"
        )
    encoding = "utf-8"
    for mark, name in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            content, encoding = content[len(mark) :], name
            break
    # Names need not be valid UTF-8.
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    text = content.decode(encoding, errors)
    if "\0" not in text:
        return [line.rstrip("\r") for line in text.split("\n") if line.strip("\r")]
    names = [name for name in text.split("\0") if name.strip("\r\n")]
    if len(names) > 3 and all(len(name) == 1 for name in names):
        raise InputError(
            "The list of paths on standard input looks like UTF-16 without a mark. "
            f"Write it as UTF-8. Received: {content[:20]!r}"
        )
    return names
