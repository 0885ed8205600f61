"""Small pictures that no two hashes take for one, for data sets with known defects."""

import numpy as np
from PIL import Image


def scene(seed, noise=2.0, size=48):
    """A smooth random picture, uint8 of shape `(size, size, 3)`, with grain on it."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 226, (6, 6, 3), "uint8"))
    smooth = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))
    grain = rng.normal(0, noise, (size, size, 3))
    return np.clip(np.rint(smooth + grain), 0, 255).astype("uint8")


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
