"""Decodes files in processes of their own, ahead of the model, in bounded time.

A file from anywhere may hang its decoder or crash it. In a process of its own, that
costs one file: the process is ended, the next file gets a new one. The processes run
`python -m examples.deepfake_v3.loading.decoding` and know neither Keras nor the model.
"""

import collections
import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil
from PIL import Image as PillowImage

from examples.deepfake_v3.loading.images import (
    THREADS,
    Facts,
    UnusableImageError,
    crop_to_size,
    look_at,
    look_at_opened,
)
from examples.deepfake_v3.loading.inputs import as_images
from examples.deepfake_v3.loading.provenance import Mark
from examples.deepfake_v3.options.choices import SECONDS

PEAK_BYTES = 2e9  # of one process, with the largest image that is read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image, as far as it could be read.

    Attributes:
        file: Name of its file, if it has one.
        pixels: Array `(height, width, 3)`, uint8: all of it, or a crop; None with an
            error.
        facts: What else there is to know of it; None with an error.
        error: Why it could not be read; None otherwise.
    """

    file: str | None
    pixels: np.ndarray | None = None
    facts: Facts | None = None
    error: UnusableImageError | None = None


def decode_ahead(
    images: Any,
    *,
    size: int | None,
    seconds: float = SECONDS,
    ahead: int,
) -> Generator[Decoded]:
    """Decodes images while the caller does something else.

    Args:
        images: What `loading.inputs` takes. Arrays go through as they are.
        size: Side of the square that is cropped from the centre of each; `None` leaves
            them whole.
        seconds: How long a file may take.
        ahead: How many images may wait ready.

    Yields:
        Each image, in order, with its pixels or with the reason why there are none.

    Raises:
        TypeError: If something is no image.
        ValueError: If an array is none.
    """
    # All of them may meet the largest images at the same time.
    room = psutil.virtual_memory().available // PEAK_BYTES
    processes = int(min(THREADS, max(1, room)))
    decoders = [Decoder(seconds) for _ in range(processes)]
    idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
    for decoder in decoders:
        idle.put(decoder)

    def decode(file: str | None, image: Any) -> Decoded:
        try:
            if isinstance(image, np.ndarray):
                pixels, facts = image, Facts(image.shape[1], image.shape[0])
            elif isinstance(image, PillowImage.Image):
                pixels, facts = look_at_opened(image)
            else:
                decoder = idle.get()
                try:
                    pixels, facts = decoder.decode(image, size)
                finally:
                    idle.put(decoder)
        except UnusableImageError as error:
            return Decoded(file=file, error=error)
        if size is not None and pixels.shape[:2] != (size, size):
            pixels = crop_to_size(pixels, size)
        return Decoded(file=file, pixels=pixels, facts=facts)

    waiting: collections.deque[Future[Decoded]] = collections.deque()
    pool = ThreadPoolExecutor(processes)
    try:
        for file, image in as_images(images):
            waiting.append(pool.submit(decode, file, image))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Those that are asked for nothing more must not be waited for.
        for decoder in decoders:
            decoder.close()
        pool.shutdown(cancel_futures=True)


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

    def decode(
        self, source: str | os.PathLike | bytes, size: int | None
    ) -> tuple[np.ndarray, Facts]:
        """The pixels of a file, uint8 `(height, width, 3)`, and the facts about it.

        Args:
            source: The file, or its content.
            size: Side of the square that is cropped from the centre; `None` for all.

        Raises:
            UnusableImageError: If it cannot be read, takes too long, or ends its
                process.
        """
        with self.busy:
            if self.closed:
                raise UnusableImageError("not read: decoding was ended")
            return self._decode(source, size)

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self.closed = True
        if (process := self.process) is not None:
            process.kill()  # what is waiting for it ends, too
        with self.busy:
            if self.process is not None:
                self._end(self.process)

    def _decode(
        self, source: str | os.PathLike | bytes, size: int | None
    ) -> tuple[np.ndarray, Facts]:
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
            return _ask(process, source, size)
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


def _ask(
    process: subprocess.Popen, source: str | os.PathLike | bytes, size: int | None
) -> tuple[np.ndarray, Facts]:
    content = source if isinstance(source, bytes) else None
    request = json.dumps(
        [None, len(content), size]
        if content is not None
        else [os.fsdecode(source), 0, size]
    )
    process.stdin.write(request.encode() + b"\n")  # type: ignore[union-attr]  # a pipe
    if content is not None:
        process.stdin.write(content)  # type: ignore[union-attr]  # a pipe
    process.stdin.flush()  # type: ignore[union-attr]  # a pipe
    answer: BinaryIO = process.stdout  # type: ignore[assignment]  # a pipe
    head = answer.readline()
    if not head.endswith(b"\n"):
        raise EOFError
    shape, facts, error = json.loads(head)
    if error:
        raise UnusableImageError(error)
    pixels = np.empty(shape, "uint8")
    rest = pixels.data.cast("B")
    while rest:
        count = answer.readinto(rest)  # type: ignore[attr-defined]  # a pipe
        if not count:
            raise EOFError
        rest = rest[count:]
    marks = tuple(Mark(**mark) for mark in facts.pop("marks"))
    return pixels, Facts(**facts, marks=marks)


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until there are no more: what the process does."""
    for request in requests:
        path, length, size = json.loads(request)
        source = requests.read(length) if path is None else path
        try:
            pixels, facts = look_at(source)
        except UnusableImageError as error:
            reason = str(error) or "not readable"
            answers.write(json.dumps([None, None, reason]).encode() + b"\n")
        else:
            if size is not None:
                pixels = crop_to_size(pixels, size)
            head = [pixels.shape, dataclasses.asdict(facts), ""]
            answers.write(json.dumps(head).encode() + b"\n")
            answers.write(np.ascontiguousarray(pixels).data)
            del pixels  # before the next one comes
        answers.flush()


if __name__ == "__main__":
    # Ctrl-C is for the process that asks: it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        _serve(sys.stdin.buffer, sys.stdout.buffer)
