"""What is counted in windows: histograms of what each front end leaves."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from benchmarks.generators.windows import Windows
from examples.deepfake_v3.auditing.content_statistics import (
    SMOOTHNESS,
    measure_content,
)
from examples.deepfake_v3.files.files import replacing
from keras_forensics.layers import (
    BayarConv2D,
    ColorRichFeatures,
    Cooccurrence2D,
    HaarPyramid2D,
    MedianResidual,
    NPRResidual,
    SPAMFeatures,
    SpectralProfile,
    SRMFilterBank,
    TextureContrast,
)

BATCH = 16
LUMA = np.array([0.299, 0.587, 0.114])  # of ITU-R BT.601, as in JPEG


def grey(pixels: np.ndarray) -> np.ndarray:
    """Luma, whole grey levels `(batch, height, width, 1)`."""
    return np.rint(pixels @ LUMA).astype("uint8")[..., None]


def colours(pixels: np.ndarray) -> np.ndarray:
    return pixels


def counted(*layers) -> keras.Sequential:
    """Co-occurrences of the maps that layers leave, of each map apart."""
    counting = Cooccurrence2D(
        order=3, truncation=2, symmetry="sign_and_direction", pool_maps=False
    )
    return keras.Sequential([*layers, counting])


def fixed_random_filters() -> keras.layers.Layer:
    """Filters of random taps, each a prediction error like the learnable ones."""
    return BayarConv2D(5, 5, kernel_initializer=keras.initializers.RandomNormal(seed=0))


FRONTS: dict[str, tuple[Callable, Callable]] = {
    "SRM, 5 filters": (grey, lambda: counted(SRMFilterBank("v3", threshold=None))),
    "SRM, 30 filters": (grey, lambda: counted(SRMFilterBank("srm30", threshold=None))),
    "random prediction errors": (grey, lambda: counted(fixed_random_filters())),
    "MedianResidual": (grey, lambda: counted(MedianResidual())),
    "NPRResidual": (grey, lambda: counted(NPRResidual())),
    "HaarPyramid2D": (grey, lambda: counted(HaarPyramid2D())),
    "TextureContrast": (
        colours,
        lambda: counted(TextureContrast(16), SRMFilterBank("v3", threshold=None)),
    ),
    "SpectralProfile": (colours, lambda: SpectralProfile(output="radial")),
    "SPAMFeatures": (grey, SPAMFeatures),
    "ColorRichFeatures": (colours, ColorRichFeatures),
}
"""Fronts by name: what they see of pixels, and what makes a model of features."""

CONTROLS = {
    "colour": lambda facts: {
        name: value
        for name, value in facts.items()
        if name.startswith(("mean_", "deviation_", "colour_"))
    },
    "noise and blockiness": lambda facts: {name: facts[name] for name in SMOOTHNESS},
}
"""Controls by name, which choose among the statistics of `measure_content`."""


def features_of(front: str, windows: Windows, work_dir: str | Path) -> np.ndarray:
    """Features of every window, float32 `(windows, features)`, kept from run to run.

    Args:
        front: One of `FRONTS` or `CONTROLS`.
        windows: The images.
        work_dir: Where features are kept.
    """
    digest = hashlib.sha256(windows.pixels).hexdigest()[:16]
    path = Path(work_dir) / f"{front.replace(' ', '_').replace(',', '')}_{digest}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        measured = _control(front, windows) if front in CONTROLS else None
        found = _front(front, windows) if measured is None else measured
        with replacing(path) as partial, partial.open("wb") as file:
            np.save(file, found)
    return np.load(path)


def _control(name: str, windows: Windows) -> np.ndarray:
    rows = [CONTROLS[name](measure_content(image)) for image in windows.pixels]
    return np.array([[*row.values()] for row in rows], "float32")


def _front(name: str, windows: Windows) -> np.ndarray:
    see, make = FRONTS[name]
    model = make()
    parts = []
    for start in tqdm(range(0, len(windows), BATCH), name, disable=None):
        seen = see(windows.pixels[start : start + BATCH])
        found = ops.convert_to_numpy(model(seen.astype("float32")))
        parts.append(found.reshape(len(found), -1))
    found = np.concatenate(parts)
    # The root makes the spread of rare and of frequent tuples alike.
    return found if name == "SpectralProfile" else np.sqrt(found, dtype="float32")
