"""A small synthetic real/fake image set: no download, the same bytes every time.

Both classes show scenes drawn from one generator, with seeds of their own. What
differs is how a scene became an image, and therefore its traces:

    real  scene -> lens -> RGGB mosaic -> shot and read noise -> bilinear demosaicing
          -> white balance -> gamma -> 8 bit -> JPEG
    fake  scene -> gamma -> half-size grid -> transposed convolution x2 -> white grain
          -> 8 bit -> JPEG

Size, JPEG settings, brightness, colour, noise energy and file size are matched, so
that a classifier has to look at the traces. The set proves that a pipeline works; it
says nothing about photographs or about any real generator.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from examples.deepfake_v3.errors import InputError, TakenError
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS

IMAGES_PER_CLASS = MappingProxyType({"train": 300, "val": 75, "test": 150})
MANIFEST = "demo_set.json"
NOTE = (
    "Synthetic demonstration set: rendered shapes with a simulated camera (real) or a "
    "simulated upsampling decoder (fake). It contains no photographs and no output of "
    "an image generator; results on it do not carry over to either."
)

OVERSAMPLING = 2  # scene samples per image pixel, along each axis
GAMMA = 2.2
# 4:4:4 at a high quality keeps the colour traces that 4:2:0 would average away.
JPEG: dict[str, Any] = {"format": "JPEG", "quality": 95, "subsampling": 0}


def note_of(data_dir: str | Path) -> str:
    """What to know of the images of a directory: that they are this set, or ""."""
    return NOTE if (Path(data_dir) / MANIFEST).is_file() else ""


def render_demo_set(
    directory: str | Path,
    *,
    images_per_class: Mapping[str, int] = IMAGES_PER_CLASS,
    image_size: int = 96,
    seed: int = 0,
) -> Path:
    """Renders the set as `directory/{train,val,test}/{real,fake}/NNNN.jpg`.

    The set is written beside `directory` and renamed at the end, so an interrupted
    run leaves nothing. A directory that holds this very set already is left as it is.

    Args:
        directory: Where the set goes: a new or empty directory.
        images_per_class: How many images of each class "train", "val" and "test" get.
        image_size: Height and width in pixels, even and at least 32.
        seed: Two sets with different seeds share no scene. The same arguments give
            the same bytes, as long as NumPy, SciPy and Pillow stay the same.

    Returns:
        `directory` as a path.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If `directory` holds anything but this very set.
    """
    directory = Path(directory)
    manifest = _manifest(images_per_class, image_size, seed)
    if directory.exists() and _holds(directory, manifest):
        return directory

    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".demo_set-", dir=directory.parent
    ) as staging:
        partial = Path(staging) / "set"
        for split_index, split in enumerate(SPLITS):
            for label, name in enumerate(CLASS_NAMES):
                folder = partial / split / name
                folder.mkdir(parents=True)
                counter = range(images_per_class[split])
                for index in tqdm(
                    counter, f"rendering {split}/{name}", leave=False, disable=None
                ):
                    # One seed per image: a larger set begins with the smaller one.
                    rng = np.random.default_rng([seed, split_index, label, index])
                    image = render_image(name, image_size, rng)
                    Image.fromarray(image).save(folder / f"{index:04d}.jpg", **JPEG)
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        if directory.exists():
            directory.rmdir()  # known to be empty; Windows can't rename onto it
        os.replace(partial, directory)
    return directory


def render_image(name: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Renders one "real" or "fake" image.

    Args:
        name: "real" or "fake".
        size: Height and width in pixels, even.
        rng: Draws the scene, then the camera or the decoder.

    Returns:
        uint8 array of shape `(size, size, 3)`, before JPEG compression.
    """
    scene = render_scene(OVERSAMPLING * size, rng)
    encoded = photograph(scene, rng) if name == "real" else decode(scene, rng)
    return np.rint(255 * encoded.clip(0, 1)).astype(np.uint8)


def render_scene(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a scene: a gradient, a few shaded ellipses and polygons, 1/f texture.

    Args:
        size: Height and width in samples.
        rng: Draws everything.

    Returns:
        float32 array of shape `(size, size, 3)`: linear light in [0, 1].
    """
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    y, x = axis[:, None], axis[None, :]
    texture = _power_law_noise(size, rng)

    def shaded(window: tuple[slice, slice]) -> np.ndarray:
        """A textured surface of a random colour, lit from a random side."""
        brightness = rng.uniform(0.04, 0.6)  # mid-grey on average, once encoded
        colour = (brightness * rng.uniform(0.6, 1.4, 3)).astype(np.float32)
        angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5)
        across, down = slope * np.cos(angle), slope * np.sin(angle)
        light = 1 + across * x[:, window[1]] + down * y[window[0]]
        light *= 1 + rng.uniform(0.02, 0.15) * texture[window]
        return light[:, :, None] * colour

    scene = shaded((slice(None), slice(None)))
    for _ in range(rng.integers(4, 9)):
        # Signed distance to the outline, negative inside; in units of half a scene.
        draw = _ellipse if rng.random() < 0.5 else _polygon
        distance = draw(x, y, rng)
        # Edges from pin-sharp to clearly out of focus.
        softness = 10 ** rng.uniform(-2.5, -1)
        cover = np.clip(0.5 - distance / softness, 0, 1)
        # The bounding box, or nothing when the shape missed the frame.
        for window in ndimage.find_objects((cover > 0).astype(np.int8)):
            below = scene[window]
            below += cover[window][:, :, None] * (shaded(window) - below)
    return np.clip(scene, 0, 1).astype(np.float32)


def photograph(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Takes a picture of a scene with a single-sensor camera.

    Args:
        scene: Linear light in [0, 1], oversampled.
        rng: Draws the focus, the exposure's noise and the illuminant.

    Returns:
        Gamma-encoded image in [0, 1], `OVERSAMPLING` times smaller than the scene.
    """
    focus = OVERSAMPLING * rng.uniform(0.3, 0.6)  # standard deviation, in samples
    light = ndimage.gaussian_filter(scene, (focus, focus, 0), truncate=3)
    light = _shrink(light, OVERSAMPLING)  # a photosite integrates over its area

    # Silicon under a colour filter sees less red and blue than green.
    gains = np.array([rng.uniform(1.3, 2.0), 1, rng.uniform(1.3, 2.0)], np.float32)
    mosaic = _mosaic(light / gains)
    full_well = 10 ** rng.uniform(2.7, 3.7)  # electrons at white
    electrons = rng.poisson(full_well * mosaic) + rng.normal(0, 3, mosaic.shape)
    raw = (electrons / full_well).astype(np.float32)

    balanced = _demosaic(raw) * gains
    return balanced.clip(0, 1) ** np.float32(1 / GAMMA)


def decode(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paints a scene as the last stage of a convolutional generator does.

    Args:
        scene: Linear light in [0, 1], oversampled.
        rng: Draws the kernels and the grain.

    Returns:
        Gamma-encoded image in [0, 1], `OVERSAMPLING` times smaller than the scene.
    """
    latent = _shrink(scene ** np.float32(1 / GAMMA), 2 * OVERSAMPLING)
    planes = []
    for channel in range(3):
        stretched = np.zeros([2 * n for n in latent.shape[:2]], np.float32)
        stretched[::2, ::2] = latent[:, :, channel]
        # A trained kernel is never exactly balanced: its four phases get gains that
        # differ by about a per cent, which leaves a checkerboard.
        row = np.array([-0.03, 0.25, 0.78, 0.78, 0.25, -0.03], np.float32)
        kernel = np.outer(row, row) * rng.normal(1, 0.018, (6, 6))
        planes.append(ndimage.convolve(stretched, kernel, mode="mirror"))
    image = np.stack(planes, axis=-1)
    grain = 10 ** rng.uniform(-2.4, -1.8)
    return image + rng.normal(0, grain, image.shape)


def _ellipse(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Approximate signed distance to a random ellipse."""
    centre_x, centre_y = rng.uniform(-1, 1, 2)
    radius_x, radius_y = rng.uniform(0.15, 0.7, 2)
    angle = rng.uniform(0, np.pi)
    x, y = x - centre_x, y - centre_y
    along = (np.cos(angle) * x + np.sin(angle) * y) / radius_x
    across = (np.cos(angle) * y - np.sin(angle) * x) / radius_y
    return (np.sqrt(along**2 + across**2) - 1) * min(radius_x, radius_y)


def _polygon(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Approximate signed distance to a random convex polygon of 3 to 6 sides."""
    centre_x, centre_y = rng.uniform(-1, 1, 2)
    sides = rng.integers(3, 7)
    angles = 2 * np.pi * (np.arange(sides) + rng.uniform(-0.3, 0.3, sides)) / sides
    angles = angles + rng.uniform(0, 2 * np.pi)
    radii = rng.uniform(0.15, 0.6, sides)
    x, y = x - centre_x, y - centre_y
    lines = [
        np.cos(angle) * x + np.sin(angle) * y - radius
        for angle, radius in zip(angles, radii, strict=True)
    ]
    return np.maximum.reduce(lines)


def _power_law_noise(size: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with a spectrum that falls as 1/f, zero mean, unit variance."""
    white = rng.standard_normal((size, size), np.float32)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf  # no mean
    pink = np.fft.irfft2(np.fft.rfft2(white) / frequency, s=white.shape)
    return (pink / pink.std()).astype(np.float32)


def _shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """Averages blocks of `factor` x `factor` samples."""
    height, width, channels = image.shape
    blocks = image.reshape(height // factor, factor, width // factor, factor, channels)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _mosaic(image: np.ndarray) -> np.ndarray:
    """Keeps one colour per pixel: R G on even rows, G B on odd rows."""
    mosaic = image[:, :, 1].copy()
    mosaic[::2, ::2] = image[::2, ::2, 0]
    mosaic[1::2, 1::2] = image[1::2, 1::2, 2]
    return mosaic


def _demosaic(mosaic: np.ndarray) -> np.ndarray:
    """Fills in the two missing colours of each pixel by bilinear interpolation."""
    green = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4
    red_blue = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4
    image = np.zeros((*mosaic.shape, 3), np.float32)
    image[::2, ::2, 0] = mosaic[::2, ::2]
    image[::2, 1::2, 1] = mosaic[::2, 1::2]
    image[1::2, ::2, 1] = mosaic[1::2, ::2]
    image[1::2, 1::2, 2] = mosaic[1::2, 1::2]
    # "mirror" does not repeat the edge pixel, so the mosaic continues across it.
    for channel, kernel in enumerate((red_blue, green, red_blue)):
        image[:, :, channel] = ndimage.convolve(
            image[:, :, channel], kernel, mode="mirror"
        )
    return image


def _manifest(images_per_class: Mapping[str, int], image_size: int, seed: int) -> dict:
    """Checks the arguments and returns what the manifest records."""
    counts = dict(images_per_class)
    if set(counts) != set(SPLITS) or not all(
        isinstance(count, int) and count >= 1 for count in counts.values()
    ):
        raise InputError(
            "`images_per_class` must give a positive number of images for each of "
            f"{', '.join(SPLITS)}. Received: images_per_class={counts}"
        )
    if not isinstance(image_size, int) or image_size < 32 or image_size % 2:
        raise InputError(
            "`image_size` must be an even number of pixels, at least 32: the colour "
            f"filter array has a period of 2. Received: image_size={image_size}"
        )
    if not isinstance(seed, int) or seed < 0:
        raise InputError(
            f"`seed` must be an integer of 0 or more. Received: seed={seed}"
        )
    return {
        "note": NOTE,
        "version": 1,  # raise when the rendering changes
        "seed": seed,
        "image_size": image_size,
        "images_per_class": {split: counts[split] for split in SPLITS},
        "jpeg": JPEG,
    }


def _holds(directory: Path, manifest: dict) -> bool:
    """True if `directory` has this set, False if it is empty, an error otherwise."""
    if not directory.is_dir():
        raise TakenError(
            f"`directory` is a file: {directory}. Give the path of a directory."
        )
    if not any(directory.iterdir()):
        return False
    path = directory / MANIFEST
    if not path.is_file():
        raise TakenError(
            f"`directory` is not empty and has no {MANIFEST}: {directory}. Give a new "
            "directory; existing files are never overwritten."
        )
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if found != manifest:
        raise TakenError(
            f"`directory` holds a demo set made with other arguments: {directory} "
            f"(see its {MANIFEST}). Give a new directory, or delete this one first."
        )
    return True
