"""HTML pages that need nothing else: no network, no other file."""

import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from examples.deepfake_v3.files.files import replacing

THUMBNAIL = 112  # pixels, the longer side


def write_page(
    template: str,
    path: Path,
    context: Mapping[str, Any],
    filters: Mapping[str, Callable],
) -> None:
    """Renders a template of this folder, most of which extend `page.html`.

    Args:
        template: File name of the template.
        path: HTML file to write.
        context: The template's variables.
        filters: The template's own filters.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    page = environment.get_template(template).render(context)
    # Names whose bytes are no UTF-8 come in as lone surrogates.
    content = page.encode("utf-8", "backslashreplace")
    with replacing(path) as partial:
        partial.write_bytes(content)


def thumbnail(pixels: np.ndarray) -> str:
    """A small JPEG of an image as a data URI; images are never enlarged."""
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return data_uri(file.getvalue(), "image/jpeg")


def data_uri(content: bytes, kind: str) -> str:
    """A file's content as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
