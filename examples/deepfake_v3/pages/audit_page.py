"""The audit as one HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.deepfake_v3.loading.images import UnusableImageError, read_image
from examples.deepfake_v3.pages import page

SHOWN = 24  # sets of duplicates, groups and files of each kind; JSON has all of them
SHOWN_IN_SET = 4


def write_page(
    result: Mapping[str, Any],
    root: Path,
    samples: Mapping[str, Sequence[str]],
    path: Path,
) -> None:
    """Writes the page.

    Args:
        result: What `audit_data_dir` returns.
        root: The directory that the files in `result` are below.
        samples: A few files of each folder.
        path: HTML file to write.
    """
    page.write_page(
        "audit_page.html",
        path,
        {**result, "samples": samples, "shown": SHOWN, "shown_in_set": SHOWN_IN_SET},
        {"thumbnail": lambda file: _thumbnail(root / file)},
    )


def _thumbnail(path: Path) -> str:
    """An image as a data URI, or "" if it is gone meanwhile."""
    try:
        return page.thumbnail(read_image(path))
    except UnusableImageError:
        return ""
