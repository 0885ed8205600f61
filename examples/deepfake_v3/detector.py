"""The Python API: load a saved detector, let it look at images.

from examples.deepfake_v3 import Detector

detector = Detector.load("models/deepfake_detector_v3_final.keras")
for prediction in detector.predict(["photo.jpg", "other.png"]):
    print(prediction.file, prediction.verdict, prediction.probability)
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np

from examples.deepfake_v3.calibration import at_temperature
from examples.deepfake_v3.explanation import Explainer, Explanation
from examples.deepfake_v3.images import UnusableImageError, crop_to_size, read_image
from examples.deepfake_v3.metadata import (
    Metadata,
    MetadataError,
    check_sha256,
    read_metadata,
)
from examples.deepfake_v3.model import load_detector

Image = str | os.PathLike | np.ndarray
"""A file, or an array `(height, width, 3)` of uint8 in grey levels 0..255."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a detector says of one image.

    Attributes:
        file: Path of the image; None for an array.
        score: The model's output, from 0 for real to 1 for fake; None for a file that
            could not be read.
        probability: The score at the fitted temperature: of the images that get .8,
            80 % were fake on val, where as many were real as fake.
        verdict: "real" or "fake", by the score and the stored threshold.
        error: Why a file could not be read, else "".
    """

    file: str | None
    score: float | None = None
    probability: float | None = None
    verdict: str | None = None
    error: str = ""


class Detector:
    """A saved detector with what its file says of it.

    Attributes:
        model: The Keras model: `(batch, size, size, 3)` in grey levels 0..255 →
            `(batch, 1)`.
        metadata: Threshold, temperature, class names and more.
    """

    def __init__(self, model: keras.Model, metadata: Metadata):
        self.model = model
        self.metadata = metadata
        self._explainer: Explainer | None = None

    @classmethod
    def load(
        cls, path: str | os.PathLike, expected_sha256: str | None = None
    ) -> "Detector":
        """Loads a detector that `train`, `fine-tune` or `calibrate` has written.

        Args:
            path: The .keras file.
            expected_sha256: Hash of the whole file, kept elsewhere; any other file is
                refused before anything in it is looked at.

        Raises:
            FileNotFoundError: If there is no such file.
            MetadataError: If the file carries no metadata, is damaged or was changed.
            ValueError: If it is no detector, or holds layers that run code.
        """
        path = Path(path)
        if path.is_file():  # what is missing, `load_detector` explains
            if expected_sha256 is not None:
                check_sha256(path, expected_sha256)
            metadata = read_metadata(path)
        model = load_detector(path, "path")
        if model.input_shape[1] != metadata.image_size:
            raise MetadataError(
                f"The metadata of {path} are those of another model. Calibrate it "
                f"anew. Received: image_size={metadata.image_size}, but the model "
                f"takes {model.input_shape[1]}"
            )
        return cls(model, metadata)

    def predict(self, images: Image | Iterable[Image]) -> list[Prediction]:
        """Looks at images.

        Args:
            images: Files, arrays, or a single one. Of an image larger than the model's
                input, the centre is looked at.

        Returns:
            A prediction for each, in order. Files that cannot be read have an `error`.

        Raises:
            ValueError: If an array is no image.
        """
        return list(self.stream(images))

    def stream(self, images: Image | Iterable[Image]) -> Iterator[Prediction]:
        """`predict`, one at a time as they are ready."""
        if isinstance(images, str | os.PathLike) or (
            isinstance(images, np.ndarray) and images.ndim == 3
        ):
            images = [images]
        for image in images:
            file = None if isinstance(image, np.ndarray) else os.fspath(image)
            try:
                pixels = image if isinstance(image, np.ndarray) else read_image(image)
            except UnusableImageError as error:
                yield Prediction(file=file, error=str(error))
                continue
            crop = crop_to_size(pixels, self.metadata.image_size)
            scores = self.model.predict_on_batch(crop[None])
            yield self.judge(file, float(np.asarray(scores)[0, 0]))

    def explain(self, image: Image) -> Explanation:
        """Says what the verdict on one image depends on.

        Args:
            image: A file or an array. Of an image larger than the model's input, the
                centre is looked at.

        Raises:
            UnusableImageError: If the file cannot be read.
            ValueError: If the model is not made of two streams as `build_model_v3`
                makes it, or an array is no image.
        """
        if self._explainer is None:
            self._explainer = Explainer(self.model)
        file = None if isinstance(image, np.ndarray) else os.fspath(image)
        pixels = image if isinstance(image, np.ndarray) else read_image(image)
        crop = crop_to_size(pixels, self.metadata.image_size)
        score = float(np.asarray(self.model.predict_on_batch(crop[None]))[0, 0])
        prediction = self.judge(file, score)
        return self._explainer.explain(pixels, prediction, self.metadata.threshold)

    def judge(self, file: str | None, score: float) -> Prediction:
        """The prediction that follows from a score."""
        metadata = self.metadata
        return Prediction(
            file=file,
            score=score,
            probability=float(at_temperature(np.array(score), metadata.temperature)),
            verdict=metadata.class_names[int(score >= metadata.threshold)],
        )
