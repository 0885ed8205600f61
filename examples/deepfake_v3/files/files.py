"""Writing files so that a reader never meets half of one, and room for them."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import filelock

from examples.deepfake_v3.errors import StorageError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path that takes the place of `path` when all went well.

    After an error the old file, if any, is still there, and the new one is gone. Power
    may fail at any moment, too: the new file is on the disk before it gets its name.

    Raises:
        OSError: If the file cannot be written; the message names it.
    """
    with _written_beside(Path(path)) as partial:
        yield partial
        _flush_to_disk(partial)
        partial.replace(path)


@contextlib.contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yields an empty folder that takes the place of `path` when all went well.

    The old folder goes when the new one is whole and on the disk, since no system
    gives a folder another one's name in one step.

    Raises:
        OSError: If a file cannot be written; the message names the folder.
    """
    path = Path(path)
    with _written_beside(path) as partial:
        _remove(partial)  # a killed process may have left it
        partial.mkdir()
        yield partial
        for file in sorted(partial.rglob("*"), reverse=True):
            _flush_to_disk(file)
        _remove(path)
        partial.rename(path)


@contextlib.contextmanager
def _written_beside(path: Path) -> Iterator[Path]:
    """A path beside `path` at which nothing stays, and errors that name `path`."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            _flush_to_disk(path.parent)
        finally:
            _remove(partial)
    except OSError as error:
        raise StorageError(
            f"Could not write {path}: {error}. What was there before still is. Make "
            f"{path.parent} writable, or make room there."
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # Windows opens no directories
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some network drives do not flush directories
            raise
    finally:
        os.close(descriptor)


def check_room(sizes: Mapping[Path, int]) -> None:
    """Refuses a run that could not write its files, before it starts.

    Args:
        sizes: `{file: its bytes}`. A file that is there already gives its room to the
            new one, but only when that is whole.

    Raises:
        OSError: If a directory cannot be written to, or has too little room.
    """
    disks: dict[int, list[Path]] = {}
    for path in sizes:
        check_writable(path.parent)
        disks.setdefault(path.parent.stat().st_dev, []).append(path)
    for paths in disks.values():
        directories = ", ".join(sorted({str(path.parent) for path in paths}))
        needed = max(sizes[path] for path in paths) + sum(
            max(0, sizes[path] - (path.stat().st_size if path.exists() else 0))
            for path in paths
        )
        free = shutil.disk_usage(paths[0].parent).free
        if needed > free:
            raise StorageError(
                f"Too little room for the files of this run in {directories}: it needs "
                f"{needed:,} bytes, {free:,} are free. Free some, or have them written "
                "elsewhere."
            )


def check_writable(directory: Path) -> None:
    """Makes the directory where it is missing, and writes a file there.

    Raises:
        OSError: If that fails.
    """
    probe = directory / f".partial-probe-{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0")
        probe.unlink()
    except OSError as error:
        raise StorageError(
            f"Cannot write in {directory}: {error}. Make it writable, or have the "
            "files of this run written elsewhere."
        ) from error


@contextlib.contextmanager
def alone_in(log_dir: str | Path) -> Iterator[None]:
    """Holds a log directory for this process, until it ends in whatever way.

    Raises:
        OSError: If another process holds it, or if it cannot be written to.
    """
    log_dir = Path(log_dir)
    check_writable(log_dir)
    # The system takes it back from a process that was killed.
    lock = filelock.FileLock(log_dir / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise StorageError(
            "Another run is writing in this log directory. Wait for its end, or give "
            f"another `log_dir`. Received: log_dir={str(log_dir)!r}"
        ) from error
    try:
        yield
    finally:
        lock.release()
