"""The files of a job's folders, and what is in each of them."""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from tqdm import tqdm

from examples.deepfake_v3.auditing.duplicates import perceptual_hash
from examples.deepfake_v3.errors import InputError, NotThereError
from examples.deepfake_v3.loading import groups as grouping
from examples.deepfake_v3.loading.data import list_files
from examples.deepfake_v3.loading.images import (
    THREADS,
    UnusableImageError,
    check_image,
    open_image,
    read_image,
)
from examples.deepfake_v3.options.prepare import PrepareConfig


@dataclasses.dataclass(frozen=True, order=True)
class SourceFile:
    """A file of a source folder."""

    name: str  # below the folder that all source folders share, with forward slashes
    path: Path
    folder: str
    label: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A file and what was found in it."""

    file: SourceFile
    reason: str = ""  # why it cannot be used
    sha256: str = ""  # of the file
    digest: str = ""  # of the pixels
    hash: int | None = None
    format: str = ""
    bytes: int = 0
    pixels: int = 0

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def label(self) -> int:
        return self.file.label


def list_sources(config: PrepareConfig, output: Path) -> list[SourceFile]:
    """The files of all source folders, in the order of their names."""
    folders = [
        (Path(os.path.abspath(folder)), label)
        for label, given in enumerate((config.real, config.fake))
        for folder in given
    ]
    for folder, _ in folders:
        if not folder.is_dir():
            raise NotThereError(
                "`real` and `fake` must be folders. "
                f"Received: {str(folder)!r}, which is none"
            )
    places = [folder.resolve() for folder, _ in folders]
    for place, other in combinations([*places, output.resolve()], 2):
        if place.is_relative_to(other) or other.is_relative_to(place):
            raise InputError(
                "`real`, `fake` and `output_dir` must be folders none of which holds "
                f"another. Received: {str(place)!r} and {str(other)!r}"
            )
    root = Path(os.path.commonpath([folder for folder, _ in folders]))
    return sorted(
        SourceFile(path.relative_to(root).as_posix(), path, folder.as_posix(), label)
        for folder, label in folders
        for path in list_files(folder)
    )


def find_groups(config: PrepareConfig, files: Sequence[SourceFile]) -> dict[str, str]:
    """`{name of a file: group}`."""
    if config.group_pattern is not None:
        names = [file.name for file in files]
        found = grouping.match_groups(names, config.group_pattern)
        return {n: group for n, group in zip(names, found, strict=True) if group}
    names_by_path = {file.path: file.name for file in files}
    groups: dict[str, str] = {}
    for manifest in config.groups:
        folder = Path(os.path.abspath(manifest)).parent
        named = {
            names_by_path[folder / file]: group
            for file, group in grouping.read_groups(manifest).items()
            if folder / file in names_by_path
        }
        if not named:
            raise InputError(
                "`groups` must name files of the source folders, from the folder that "
                f"it is in. Received: groups={manifest!r}, which names none"
            )
        groups |= named
    return groups


def inspect_all(files: Sequence[SourceFile], record: Path) -> list[Source]:
    """What is in each file. What the record has already is not read again."""
    lines: list[bytes] = []
    if record.is_file():
        lines = record.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # interrupted while it was written
            lines.pop()
    known = [json.loads(line) for line in lines]
    with record.open("wb") as stream, ThreadPoolExecutor(THREADS) as pool:
        stream.writelines(lines)
        stream.flush()
        new = pool.map(_inspect, [file.path for file in files[len(known) :]])
        found = tqdm(
            chain(known, new), "reading images", len(files), unit="file", disable=None
        )
        sources = []
        for index, (file, values) in enumerate(zip(files, found, strict=True)):
            if index >= len(known):
                stream.write(json.dumps(values).encode() + b"\n")
                stream.flush()  # at once, for nobody says when a run is killed
            sources.append(Source(file=file, **values))
    return sources


def _inspect(path: Path) -> dict[str, Any]:
    """The fields of `Source` that come from the file."""
    digest, reason = check_image(path)
    if reason:
        return {"reason": reason}
    try:
        content = path.read_bytes()
        pixels = read_image(io.BytesIO(content))
        with open_image(io.BytesIO(content)) as image:
            kind = image.format
    except (OSError, UnusableImageError) as error:  # it may be gone meanwhile
        return {"reason": f"not readable: {error}"}
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "digest": digest,
        "hash": perceptual_hash(pixels),
        "format": kind,
        "bytes": len(content),
        "pixels": pixels.shape[0] * pixels.shape[1],
    }
