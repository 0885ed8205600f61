"""The audit as one HTML page that needs nothing else: no network, no other file."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from examples.deepfake_v3.files import replacing
from examples.deepfake_v3.images import UnusableImageError, read_image

TEMPLATE = "audit_page.html"
THUMBNAIL = 112  # pixels, the longer side
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
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thumbnail"] = lambda file: _thumbnail(root / file)
    page = environment.get_template(TEMPLATE).render(
        result, samples=samples, shown=SHOWN, shown_in_set=SHOWN_IN_SET
    )
    # Names whose bytes are no UTF-8 come in as lone surrogates.
    content = page.encode("utf-8", "backslashreplace")
    with replacing(path) as partial:
        partial.write_bytes(content)


def _thumbnail(path: Path) -> str:
    """An image as a data URI, or "" if it is gone meanwhile."""
    try:
        image = Image.fromarray(read_image(path))
    except UnusableImageError:
        return ""
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
