"""A picture with what a photograph has: smooth areas, and some grain."""

import numpy as np
from PIL import Image


def photograph(height=40, width=56, seed=0):
    """Smooth colours with some grain, uint8 `(height, width, 3)`."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 196, (height // 8, width // 8, 3)).astype("uint8")
    smooth = np.asarray(
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    )
    return (smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255).astype("uint8")
