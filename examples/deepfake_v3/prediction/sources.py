"""The files that a command is to look at."""

import collections
import glob
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from examples.deepfake_v3.errors import NotThereError
from examples.deepfake_v3.loading.data import list_files
from examples.deepfake_v3.loading.images import EXTENSIONS

UNREADABLE = 3
"""Exit code when files could not be read; 1 is an error, 2 a wrong command line."""

IMAGE_EXTENSIONS = frozenset().union(*EXTENSIONS.values())


def find_files(sources: Iterable[str]) -> tuple[list[str], dict[str, int]]:
    """The files that sources stand for, in their order.

    Of folders, files with the extension of an image are taken; hidden ones are not. A
    name that stands for nothing stays as it is, to be reported as unreadable.

    Returns:
        `(files, ignored)`: how many files of which extension folders hold besides.

    Raises:
        FileNotFoundError: If there is no file at all.
    """
    found: list[str] = []
    ignored: collections.Counter[str] = collections.Counter()
    for source in _expand(sources):
        if not Path(source).is_dir():
            found.append(source)
            continue
        for path in list_files(Path(source)):
            extension = path.suffix.lower()
            if extension in IMAGE_EXTENSIONS:
                found.append(str(path))
            else:
                ignored[extension] += 1
    if not found:
        raise NotThereError(
            "There is nothing to score. Give files, folders with images "
            f"({', '.join(sorted(IMAGE_EXTENSIONS))}), or globs. Received: "
            f"sources={tuple(sources)}"
        )
    return found, dict(ignored)


def _expand(sources: Iterable[str]) -> Iterator[str]:
    for source in sources:
        if source == "-":
            # Names need not be valid UTF-8.
            listed = io.TextIOWrapper(
                sys.stdin.buffer, "utf-8", "surrogateescape", newline="\n"
            )
            yield from filter(None, (line.rstrip("\r\n") for line in listed))
            listed.detach()
        elif glob.has_magic(source) and not Path(source).exists():
            yield from sorted(glob.glob(source, recursive=True)) or [source]
        else:
            yield source
