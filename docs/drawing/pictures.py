"""The pictures that the figures show: a photograph, a splice, two renderings.

All are uint8 arrays of shape `(256, 256, 3)`. The photographs are CC0; where they come
from is in photographs/README.md.
"""

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from examples.deepfake_v3 import demo_set

PHOTOGRAPHS = Path(__file__).parent / "photographs"
SIZE = 256

# The splice: where the eye goes (left, top), and what it went through before.
EYE_CORNER = (2, 130)
EYE_ENLARGED = 1.5
EYE_JPEG_QUALITY = 75

# A scene with flat and with textured parts.
SCENE_SEED = 3


def photograph() -> np.ndarray:
    """A cup on a wooden table, as it was published."""
    return _read("coffee.png")


def splice() -> np.ndarray:
    """The photograph with the eye of a cat on the wood.

    The eye was enlarged and compressed on its own before it was pasted.
    """
    picture, mask = Image.fromarray(photograph()), _eye_mask()
    eye = Image.fromarray(_read("eye.png")).resize(mask.size, Image.Resampling.BICUBIC)
    compressed = io.BytesIO()
    eye.save(compressed, "JPEG", quality=EYE_JPEG_QUALITY)
    picture.paste(Image.open(compressed), EYE_CORNER, mask)
    return np.array(picture)


def tampered() -> np.ndarray:
    """Where the splice is more eye than wood: bool, shape `(256, 256)`."""
    where = Image.new("L", (SIZE, SIZE))
    where.paste(_eye_mask(), EYE_CORNER)
    return np.array(where) > 127


def generated() -> np.ndarray:
    """A rendered scene, painted as the last stage of a generator does it."""
    scene, rng = _scene()
    return _to_uint8(demo_set.decode(scene, rng))


def rendered_photograph() -> np.ndarray:
    """The same scene, taken with a simulated camera."""
    scene, rng = _scene()
    return _to_uint8(demo_set.photograph(scene, rng))


PICTURES = {
    "photograph": photograph,
    "splice": splice,
    "generated": generated,
    "rendered_photograph": rendered_photograph,
}


@functools.cache
def _read(name: str) -> np.ndarray:
    with Image.open(PHOTOGRAPHS / name) as photo:
        return np.array(photo)


def _eye_mask() -> Image.Image:
    """An ellipse with an edge of some 4 pixels, the size of the enlarged eye."""
    height, width, _ = _read("eye.png").shape
    width, height = round(EYE_ENLARGED * width), round(EYE_ENLARGED * height)
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).ellipse((4, 4, width - 4, height - 4), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(2))


def _scene() -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(SCENE_SEED)
    return demo_set.render_scene(demo_set.OVERSAMPLING * SIZE, rng), rng


def _to_uint8(picture: np.ndarray) -> np.ndarray:
    return np.rint(255 * picture.clip(0, 1)).astype(np.uint8)
