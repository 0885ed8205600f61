"""One file and what must become of it."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

ANY = np.zeros((0, 0, 3), "uint8")  # damage that nothing in the format gives away


@dataclasses.dataclass(frozen=True)
class Messy:
    """A file and its outcome: how it is read, or why it is quarantined, or either.

    Attributes:
        kind: What is messy about it.
        name: Its path below the folder of a class.
        content: Its bytes, or what makes it.
        pixels: What it must be read as, where it may be read; `ANY` for anything.
        reason: Pattern of the reason, where it may be quarantined.
        tolerance: Largest difference of the pixels in grey levels.
        intact: The rows that the pixels are compared in; all of them without it.
        listed: Whether it is looked at at all.
    """

    kind: str
    name: str
    content: bytes | Callable[[Path], Path | None]
    pixels: np.ndarray | None = None
    reason: str | None = None
    tolerance: int = 0
    intact: np.ndarray | None = None
    listed: bool = True

    def write(self, folder: Path) -> Path:
        """Makes the file, and the folders on its way, and returns its path."""
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(self.content):
            return self.content(path) or path
        path.write_bytes(self.content)
        return path

    def complaint(self, pixels: np.ndarray | None, reason: str | None) -> str:
        """What is wrong about an outcome; an empty text if it is as it must be."""
        if reason is not None:
            if self.reason is None:
                return f"quarantined: {reason}"
            return "" if re.search(self.reason, reason) else f"other reason: {reason}"
        if pixels is None:
            return "neither read nor quarantined" if self.listed else ""
        if self.pixels is None:
            return f"read as {pixels.shape}"
        if self.pixels is ANY:
            return ""
        if pixels.shape != self.pixels.shape:
            return f"read with shape {pixels.shape}, not {self.pixels.shape}"
        differences = abs(pixels.astype(int) - self.pixels)
        if self.intact is not None:
            differences = differences[self.intact]
        difference = differences.max()
        return f"off by {difference}" if difference > self.tolerance else ""
