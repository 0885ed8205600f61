"""What every runtime makes of a file."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]
"""Runs an exported file: float32 images, as many as one likes, to float32 outputs."""


@dataclasses.dataclass(frozen=True)
class Opened:
    """An exported file that is ready to run; it scores as a Keras model does.

    Attributes:
        run: Images to outputs.
        texts: What the file says of itself; empty where nobody has written it.
    """

    run: Run
    texts: Mapping[str, str]

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        """The outputs for images in grey levels 0..255, of any type of number."""
        return self.run(images.astype("float32"))
