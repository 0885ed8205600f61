"""Simple statistics of an image's colour and noise.

Too simple to show what an image depicts, and enough to tell two ways of making images
apart. The audit uses them to see whether real and fake mean the same in every split.
"""

import numpy as np

CROP = 128  # pixels; more take longer and tell hardly more
BLOCK = 8  # side of a JPEG block in pixels

SMOOTHNESS = ("noise_green", "blockiness")
"""Statistics that resizing and filtering change, too."""


def measure_content(pixels: np.ndarray) -> dict[str, float]:
    """Measures the centre of an image, at its own scale.

    Args:
        pixels: Array of shape `(height, width, 3)`, uint8.

    Returns:
        In grey levels: mean and standard deviation of each channel, the mean
        difference of the channels, the noise of each channel and of the colour
        differences; and ratios: clipped pixels, noise across to noise down, steps at
        the borders of JPEG blocks to steps inside them.
    """
    height, width = pixels.shape[:2]
    # Whole blocks from the corner, so that the block borders stay where they are.
    top, left = (max(0, n - CROP) // 2 // BLOCK * BLOCK for n in (height, width))
    crop = pixels[top : top + CROP, left : left + CROP].astype("float32")
    red, green, blue = np.moveaxis(crop, -1, 0)
    across, down = (_steps(crop, axis) for axis in (1, 0))
    statistics = {
        "colour_difference": float(np.abs(red - blue).mean()),
        "clipped": float(((crop <= 0) | (crop >= 255)).mean()),
        "noise_red_green": _noise(red - green),
        "noise_blue_green": _noise(blue - green),
        "across_to_down": _ratio(across.mean(), down.mean()),
        "blockiness": _ratio(_at_borders(across), across.mean()),
    }
    for name, channel in (("red", red), ("green", green), ("blue", blue)):
        statistics[f"mean_{name}"] = float(channel.mean())
        statistics[f"deviation_{name}"] = float(channel.std())
        statistics[f"noise_{name}"] = _noise(channel)
    return statistics


def _steps(crop: np.ndarray, axis: int) -> np.ndarray:
    """Mean size of the step from each row or column to the next; 1-D."""
    steps = np.abs(np.diff(crop, axis=axis))
    return steps.mean(axis=(1 - axis, 2))


def _at_borders(steps: np.ndarray) -> float:
    borders = steps[BLOCK - 1 :: BLOCK]
    return borders.mean() if borders.size else 0.0


def _noise(channel: np.ndarray) -> float:
    """Mean absolute residual of second differences along both axes; 0 if tiny."""
    residual = np.diff(np.diff(channel, 2, axis=0), 2, axis=1)
    return float(np.abs(residual).mean() / 4) if residual.size else 0.0


def _ratio(numerator: float, denominator: float) -> float:
    # The offset keeps flat images at 1.
    return float((numerator + 1e-3) / (denominator + 1e-3))
