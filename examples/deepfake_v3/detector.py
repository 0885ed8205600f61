"""The Python API: load a saved detector, let it look at images.

Keras and a backend are imported only for what needs them: a `.keras` file. What
`export` wrote is scored by its own runtime.

from examples.deepfake_v3 import Detector

detector = Detector.load("models/deepfake_detector_v3_final.keras")
for prediction in detector.predict(["photo.jpg", "other.png"]):
    print(prediction.file, prediction.verdict, prediction.probability)
"""

import collections
import contextlib
import dataclasses
import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.evaluation.logits import at_temperature
from examples.deepfake_v3.loading.decoding import Decoded, decode_ahead
from examples.deepfake_v3.loading.images import (
    THREADS,
    UnusableImageError,
    crop_to_size,
)
from examples.deepfake_v3.loading.inputs import Image, as_images
from examples.deepfake_v3.loading.provenance import Mark
from examples.deepfake_v3.model_files.metadata import (
    Metadata,
    MetadataError,
    check_sha256,
    read_metadata,
)
from examples.deepfake_v3.options.choices import OVERLAP, SECONDS
from examples.deepfake_v3.prediction.batch_scoring import (
    LARGEST_BATCH,
    Model,
    score_crops,
)
from examples.deepfake_v3.prediction.prediction import Prediction, View, view_of
from examples.deepfake_v3.prediction.tiles import Grid, lay_grid, mean_score
from examples.deepfake_v3.quiet_start import without_log_lines
from examples.deepfake_v3.runtimes.facts import from_texts
from examples.deepfake_v3.runtimes.opened import Opened
from examples.deepfake_v3.runtimes.runtimes import open_exported, runtime_of

if TYPE_CHECKING:
    from examples.deepfake_v3.explanation.explanation import Explainer, Explanation

EXPORTED_BATCH = 16
"""Crops a batch for the runtimes of exported files, which are no faster with more."""


class Detector:
    """A saved detector with what its file says of it.

    Attributes:
        model: The Keras model, or the exported file in its runtime:
            `(batch, size, size, 3)` in grey levels 0..255 → `(batch, 1)`.
        metadata: Threshold, temperature, class names and more.
    """

    def __init__(self, model: Model, metadata: Metadata):
        self.model = model
        self.metadata = metadata
        self._explainer: Explainer | None = None

    @classmethod
    def load(
        cls, path: str | os.PathLike, expected_sha256: str | None = None
    ) -> "Detector":
        """Loads a detector that `train`, `fine-tune` or `calibrate` has written.

        Args:
            path: The .keras file, or what `export` made of it: a .onnx or .tflite file
                or OpenVINO's folder, which are scored without Keras.
            expected_sha256: Hash of the whole file, kept elsewhere; any other file is
                refused before anything in it is looked at.

        Raises:
            FileNotFoundError: If there is no such file.
            ImportError: If the runtime of an exported file is not installed.
            MetadataError: If the file carries no metadata, is damaged or was changed.
            ValueError: If it is no detector, or holds layers that run code.
        """
        path = Path(path)
        if expected_sha256 is not None and path.is_dir():
            raise InputError(
                "`expected_sha256` is the hash of one file, and OpenVINO's model is a "
                "folder. Compare its files yourself, or take the .onnx file. "
                f"Received: {path}"
            )
        if expected_sha256 is not None and path.is_file():
            check_sha256(path, expected_sha256)
        if runtime := runtime_of(path):
            opened = open_exported(path, runtime)
            return cls(opened, from_texts(opened.texts, path))
        with without_log_lines():
            from examples.deepfake_v3.model_files.loading import load_detector

        if path.is_file():  # what is missing, `load_detector` explains
            metadata = read_metadata(path)
        model = load_detector(path, "path")
        if model.input_shape[1] != metadata.image_size:
            raise MetadataError(
                f"The metadata of {path} are those of another model. Calibrate it "
                f"anew. Received: image_size={metadata.image_size}, but the model "
                f"takes {model.input_shape[1]}"
            )
        return cls(model, metadata)

    def predict(
        self,
        images: Image | BinaryIO | Iterable[Image | BinaryIO],
        *,
        tiles: bool = False,
    ) -> list[Prediction]:
        """Looks at images.

        Args:
            images: One image or several: a path, the bytes of an image file, a file
                that is open for reading bytes, a PIL image, or an array
                `(height, width, 3)` or `(images, height, width, 3)` of uint8 in grey
                levels 0..255. Pixels of PIL images are taken as those of files are:
                upright, without alpha.
            tiles: Look at all of an image, in tiles of the model's input size, instead
                of at its centre only.

        Returns:
            A prediction for each, in order. Files that cannot be read have an `error`.

        Raises:
            TypeError: If it is something else.
            ValueError: If an array is no image.
        """
        return list(self.stream(images, tiles=tiles))

    def stream(
        self,
        images: Image | BinaryIO | Iterable[Image | BinaryIO],
        *,
        tiles: bool = False,
        overlap: float = OVERLAP,
        batch_size: int | None = None,
        seconds: float = SECONDS,
    ) -> Generator[Prediction]:
        """`predict`, one at a time as they are ready, with more options.

        Files are decoded in processes of their own while the model computes.

        Args:
            images: As in `predict`.
            tiles: As in `predict`.
            overlap: Share of a tile's side that its neighbour covers, at the least.
            batch_size: Crops a batch to start with; by default an estimate. What does
                not fit in memory is halved.
            seconds: How long a file may be decoded.

        Raises:
            TypeError: If something is no image.
            ValueError: If an array is no image.
        """
        size = self.metadata.image_size
        if batch_size is None and isinstance(self.model, Opened):
            batch_size = EXPORTED_BATCH
        pending: collections.deque[_Pending] = collections.deque()
        decoded = decode_ahead(
            images,
            size=None if tiles else size,
            seconds=seconds,
            # Whole images take memory, crops hardly any.
            ahead=THREADS if tiles else 2 * LARGEST_BATCH,
        )

        def crops() -> Iterator[np.ndarray]:
            for image in decoded:
                pixels = image.pixels
                pending.append(self._begin(image, whole=tiles))
                if pixels is None:
                    continue
                if tiles:
                    grid = lay_grid(pixels.shape[0], pixels.shape[1], size, overlap)
                    pending[-1].grid = grid
                    pending[-1].count = len(grid.tops) * len(grid.lefts)
                    yield from grid.cut(pixels, size)
                else:
                    yield pixels

        with contextlib.closing(decoded):
            for score in score_crops(self.model, crops(), batch_size):
                while pending[0].error:
                    yield self._finish(pending.popleft())
                pending[0].scores.append(score)
                if len(pending[0].scores) == pending[0].count:
                    yield self._finish(pending.popleft())
            while pending:
                yield self._finish(pending.popleft())

    def explain(self, image: Image | BinaryIO) -> "Explanation":
        """Says what the verdict on one image depends on.

        Args:
            image: One of what `predict` takes. Of an image larger than the model's
                input, the centre is looked at.

        Raises:
            UnusableImageError: If the file cannot be read.
            TypeError: If it is no image.
            ValueError: If the array is no image, if there are several, or if the model
                is not made of two streams as `build_model_v3` makes it, or is an
                exported file.
        """
        if self._explainer is None:
            self._explainer = self._make_explainer()
        images = list(as_images(image))
        if len(images) != 1:
            raise ValueError(
                f"`image` must be one image. Received: {len(images)} images"
            )
        (decoded,) = decode_ahead(images[0][1], size=None, ahead=1)
        decoded = dataclasses.replace(decoded, file=images[0][0])
        photograph = decoded.pixels
        if photograph is None:
            raise decoded.error or UnusableImageError("not read")
        crop = crop_to_size(photograph, self.metadata.image_size)
        (score,) = score_crops(self.model, [crop])
        pending = self._begin(dataclasses.replace(decoded, pixels=crop), whole=False)
        pending.scores.append(score)
        prediction = self._finish(pending)
        return self._explainer.explain(photograph, prediction)

    def _make_explainer(self) -> "Explainer":
        if isinstance(self.model, Opened):
            raise InputError(
                "An exported file holds no layers, which an explanation looks at. Give "
                "the .keras file that it was made of. Received: a file for another "
                "runtime"
            )
        from examples.deepfake_v3.explanation.explanation import Explainer

        return Explainer(self.model, self.metadata.usual_gate)

    def judge(self, score: float) -> tuple[float, str]:
        """The probability and the verdict that follow from a score."""
        probability = at_temperature(np.array(score), self.metadata.temperature)
        verdict = self.metadata.class_names[int(score >= self.metadata.threshold)]
        return float(probability), verdict

    def _begin(self, image: Decoded, *, whole: bool) -> "_Pending":
        if image.pixels is None or image.facts is None:
            return _Pending(image.file, error=str(image.error))
        size = self.metadata.image_size
        view = view_of(image.pixels, image.facts, size, whole=whole)
        if self.metadata.weaknesses():
            view = dataclasses.replace(
                view, warnings=(*view.warnings, "the threshold has little support")
            )
        return _Pending(image.file, view=view, marks=image.facts.marks, count=1)

    def _finish(self, image: "_Pending") -> Prediction:
        if image.view is None:
            return Prediction(file=image.file, error=image.error)
        if image.grid is None:
            (score,), score_map = image.scores, None
        else:
            score_map = np.reshape(image.scores, image.grid.shape)
            score = mean_score(score_map)
        probability, verdict = self.judge(score)
        return Prediction(
            file=image.file,
            score=score,
            probability=probability,
            verdict=verdict,
            threshold=self.metadata.threshold,
            view=image.view,
            marks=image.marks,
            grid=image.grid,
            map=score_map,
        )


@dataclasses.dataclass
class _Pending:
    """An image whose scores are not all there."""

    file: str | None
    view: View | None = None
    marks: tuple[Mark, ...] = ()
    grid: Grid | None = None
    error: str = ""
    count: int = 0
    scores: list[float] = dataclasses.field(default_factory=list)
