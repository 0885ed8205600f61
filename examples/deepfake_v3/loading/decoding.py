"""Decodes files in processes of their own, ahead of the model, in bounded time.

A file from anywhere may hang its decoder or crash it. In a process of its own, that
costs one file: the process is ended, the next file gets a new one. The processes run
`python -m examples.deepfake_v3.loading.decoding` and know neither Keras nor the model.
"""

import collections
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import psutil

from examples.deepfake_v3.loading.images import (
    THREADS,
    UnusableImageError,
    crop_to_size,
    read_any_file,
)
from examples.deepfake_v3.options.choices import SECONDS

PEAK_BYTES = 2e9  # of one process, with the largest image that is read

Image = str | os.PathLike | np.ndarray
"""A file, or an array `(height, width, 3)` of uint8 in grey levels 0..255."""

Decoded = np.ndarray | UnusableImageError


def decode_ahead(
    images: Iterable[Image],
    *,
    size: int | None,
    seconds: float = SECONDS,
    ahead: int,
) -> Generator[tuple[Image, Decoded]]:
    """Decodes images while the caller does something else.

    Args:
        images: Files, or arrays, which go through as they are.
        size: Side of the square that is cropped from the centre of each; `None` leaves
            them whole.
        seconds: How long a file may take.
        ahead: How many images may wait ready.

    Yields:
        Each image, in order, with its pixels, uint8 `(height, width, 3)`, or with the
        reason why there are none.

    Raises:
        ValueError: If an array is no image.
    """
    # All of them may meet the largest images at the same time.
    room = psutil.virtual_memory().available // PEAK_BYTES
    processes = int(min(THREADS, max(1, room)))
    decoders = [Decoder(seconds) for _ in range(processes)]
    idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
    for decoder in decoders:
        idle.put(decoder)

    def decode(image: Image) -> Decoded:
        if isinstance(image, np.ndarray):
            check_pixels(image)
            return image if size is None else crop_to_size(image, size)
        decoder = idle.get()
        try:
            return decoder.decode(image, size)
        except UnusableImageError as error:
            return error
        finally:
            idle.put(decoder)

    waiting: collections.deque = collections.deque()
    pool = ThreadPoolExecutor(processes)
    try:
        for image in images:
            waiting.append((image, pool.submit(decode, image)))
            if len(waiting) > ahead:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        # Those that are asked for nothing more must not be waited for.
        for decoder in decoders:
            decoder.close()
        pool.shutdown(cancel_futures=True)


def check_pixels(array: np.ndarray) -> None:
    """Refuses arrays that are no image in grey levels.

    Raises:
        ValueError: If so. Pixels from 0 to 1 would be scored without a complaint.
    """
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(
            "An array must be an image of shape (height, width, 3) in grey levels "
            "0..255 of type uint8. Received: "
            f"shape={array.shape}, dtype={array.dtype}"
        )
    if 0 in array.shape:
        raise ValueError(f"An image must have pixels. Received: shape={array.shape}")


class Decoder:
    """A process that decodes one file after the other.

    Args:
        seconds: How long a file may take before the process is ended. A new one is
            started for the next file.
    """

    def __init__(self, seconds: float = SECONDS):
        self.seconds = seconds
        self.process: subprocess.Popen | None = None
        self.closed = False
        self.busy = threading.Lock()

    def decode(self, path: str | os.PathLike, size: int | None) -> np.ndarray:
        """The pixels of a file, uint8 `(height, width, 3)`.

        Args:
            path: The file.
            size: Side of the square that is cropped from the centre; `None` for all.

        Raises:
            UnusableImageError: If it cannot be read, takes too long, or ends its
                process.
        """
        with self.busy:
            if self.closed:
                raise UnusableImageError("not read: decoding was ended")
            return self._decode(os.fspath(path), size)

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self.closed = True
        if (process := self.process) is not None:
            process.kill()  # what is waiting for it ends, too
        with self.busy:
            if self.process is not None:
                self._end(self.process)

    def _decode(self, path: str | bytes, size: int | None) -> np.ndarray:
        if self.process is None:
            self.process = _start()
        process = self.process
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self.seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            return _ask(process, path, size)
        except (OSError, EOFError):
            self._end(process)
            raise UnusableImageError(
                f"not decoded within {self.seconds:g} s"
                if late.is_set()
                else f"its decoder crashed (exit code {process.returncode})"
            ) from None
        finally:
            timer.cancel()

    def _end(self, process: subprocess.Popen) -> None:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what was not sent
                pipe.close()  # type: ignore[union-attr]  # a pipe
        self.process = None


def _start() -> subprocess.Popen:
    root = str(Path(__file__).parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "examples.deepfake_v3.loading.decoding"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def _ask(process: subprocess.Popen, path: str | bytes, size: int | None) -> np.ndarray:
    request = json.dumps([os.fsdecode(path), size]) + "\n"
    process.stdin.write(request.encode())  # type: ignore[union-attr]  # a pipe
    process.stdin.flush()  # type: ignore[union-attr]  # a pipe
    answer: BinaryIO = process.stdout  # type: ignore[assignment]  # a pipe
    head = answer.readline()
    if not head.endswith(b"\n"):
        raise EOFError
    shape, error = json.loads(head)
    if error:
        raise UnusableImageError(error)
    pixels = np.empty(shape, "uint8")
    rest = pixels.data.cast("B")
    while rest:
        count = answer.readinto(rest)  # type: ignore[attr-defined]  # a pipe
        if not count:
            raise EOFError
        rest = rest[count:]
    return pixels


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until there are no more: what the process does."""
    for request in requests:
        path, size = json.loads(request)
        try:
            pixels = read_any_file(path)
        except UnusableImageError as error:
            answers.write(json.dumps([None, str(error) or "not readable"]).encode())
            answers.write(b"\n")
        else:
            if size is not None:
                pixels = crop_to_size(pixels, size)
            answers.write(json.dumps([pixels.shape, ""]).encode() + b"\n")
            answers.write(np.ascontiguousarray(pixels).data)
            del pixels  # before the next one comes
        answers.flush()


if __name__ == "__main__":
    # Ctrl-C is for the process that asks: it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        _serve(sys.stdin.buffer, sys.stdout.buffer)
