"""Images that could be read at the check and no longer can.

One of them costs that image. Many mean that the disk is gone, which ends the run.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from examples.deepfake_v3.errors import StorageError
from examples.deepfake_v3.loading.data import CLASS_NAMES, ImageList, write_quarantine

TOLERATED = 10  # images of a list that may be lost, or
TOLERATED_SHARE = 0.01  # this share of it, whichever is more


class LostImagesError(StorageError):
    """Too many images can no longer be read to go on."""


class LostImages:
    """What happens to images that are lost during a run.

    Args:
        report_path: The quarantine report of the check, to which they are added.
        replaced: Whether the next image of the same class takes the place of a lost
            one. If not, it becomes black pixels of weight 0, which are not to be
            counted.

    Attributes:
        reasons: `{path: why it cannot be read}`.
    """

    def __init__(self, report_path: str | Path | None = None, *, replaced: bool = True):
        self.report_path = report_path
        self.replaced = replaced
        self.reasons: dict[Path, str] = {}
        self.error: LostImagesError | None = None
        self._lock = threading.Lock()

    def add(self, path: Path, reason: str, images: ImageList) -> None:
        """Notes that `path`, one of `images`, is lost, and says so once.

        Raises:
            LostImagesError: If it is one too many.
        """
        with self._lock:
            if path in self.reasons:
                return
            self.reasons[path] = reason
            self.stop_if_too_many(path, images)
            # Standard error takes every name, whatever the terminal's alphabet.
            fate = "replaced" if self.replaced else "left out"
            print(
                f"\nLost during the run, {fate}: {str(path)!r}, {reason}",
                file=sys.stderr,
                flush=True,
            )
            # The disk that loses images may be the one with the report.
            with contextlib.suppress(OSError):
                if self.report_path is not None:
                    row = (path, f"lost during the run: {reason}")
                    write_quarantine([row], Path(self.report_path), "a")

    def marked(self, images: ImageList) -> np.ndarray:
        """Which of the images are lost, as a boolean array."""
        return np.array([path in self.reasons for path in images.paths], bool)

    @contextlib.contextmanager
    def ending_readably(self) -> Iterator[None]:
        """Raises a `LostImagesError` within as such.

        Out of `fit` or `predict` it comes wrapped in pages about TensorFlow's graph.
        """
        try:
            yield
        except Exception:
            if self.error is None:
                raise
            raise self.error from None

    def stop_if_too_many(self, path: Path, images: ImageList) -> None:
        """Ends the run if too many of `images` are lost, `path` being the last."""
        lost = self.marked(images)
        empty = [
            name
            for label, name in enumerate(CLASS_NAMES)
            if lost[images.labels == label].all()
        ]
        if not os.path.isdir(path.parent):
            problem = f"The folder {path.parent} is gone."
        elif lost.sum() > max(TOLERATED, TOLERATED_SHARE * len(images)):
            problem = f"{lost.sum()} of {len(images)} images can no longer be read."
        elif empty:
            problem = f"No image of class {empty[0]} can be read any more."
        else:
            return
        self.error = LostImagesError(
            f"{problem} Is the disk or network drive still there? When it is, give the "
            "same command again. The last image that could not be read: "
            f"{str(path)!r}, {self.reasons[path]}"
        )
        raise self.error
