"""What a detector's verdict on one image rests on, and how far to trust that."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from examples.deepfake_v3.explanation.attribution import (
    Channel,
    Streams,
    gate_channels,
    occlude,
)
from examples.deepfake_v3.loading.data import CLASS_NAMES
from examples.deepfake_v3.loading.images import crop_to_size
from examples.deepfake_v3.mirror import without_mirror
from examples.deepfake_v3.prediction.prediction import Prediction
from keras_forensics.filters import V3

SHOWN = 5  # learnable residual maps
SHARE_SHOWN = 99  # per cent of the residuals, where nothing truncates them


@dataclasses.dataclass(frozen=True)
class Crop:
    """The square of a photograph that the detector looks at, in its pixels."""

    top: int
    left: int
    side: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """One image, the verdict on it, and what that depends on.

    Attributes:
        prediction: Score, verdict and probability, as `Detector.predict` gives them.
        called_fake: The verdict.
        photograph: The whole image, `(height, width, 3)`, uint8.
        crop: Where in it the detector looks.
        pixels: What the detector sees: the crop, at the size of its input.
        visual: What each block of the image adds to the logit through the visual
            stream, `(blocks, blocks)`.
        forensic: The same through the forensic stream.
        gate_logits: What the gate adds to the logit, against the gate that is usual;
            None where that is not known.
        channels: The gate's channels, those that add or take most first.
        fixed: Magnitudes of the residuals of the fixed filters in grey levels, by name.
        learnable: The same of those learnable maps that vary most over the image.
        white: Grey levels from which on a residual is drawn white.
        mirrored: Whether the score is the mean of this image's and its mirror image's.
    """

    prediction: Prediction
    called_fake: bool
    photograph: np.ndarray
    crop: Crop
    pixels: np.ndarray
    visual: np.ndarray
    forensic: np.ndarray
    gate_logits: float | None
    channels: list[Channel]
    fixed: dict[str, np.ndarray]
    learnable: dict[str, np.ndarray]
    white: float
    mirrored: bool = False

    @property
    def name(self) -> str:
        """The file's name; that of an array is not known."""
        return Path(self.prediction.file).name if self.prediction.file else "image"

    @property
    def headline(self) -> str:
        """Verdict, score and probability in a line."""
        prediction = self.prediction
        return (
            f"called {prediction.verdict}: score {prediction.score:.3f}, "
            f"{prediction.why}; calibrated probability of fake "
            f"{prediction.probability:.1%}"
        )

    @property
    def caption(self) -> list[str]:
        """What the picture means, and what it does not, in paragraphs."""
        return [
            *self._seen(),
            "Maps of the streams: how far the logit of the score falls when one "
            "stream, and only that one, sees the place blurred. Orange places raise "
            "the score, blue ones lower it; each map has a scale of its own. Blur is a "
            "trace by itself, so places without detail count for little. The maps show "
            "what the score of this detector depends on. They do not show where an "
            "image was edited; a blank map is no sign of a real image; and a place "
            "that counts is no proof of manipulation: compression, scaling, blur and "
            "noise leave traces, too.",
            self._about_the_gate(),
            "Lower rows: magnitudes of the residuals that the forensic stream sees, "
            "black where there are none. Of the fixed filters, the mean of the three "
            f"colours; of the learnable maps, the {len(self.learnable)} that vary most "
            "over this image. Textures are bright in photographs, too.",
            "The probability is the score after temperature scaling, for images like "
            "those of the validation split, and as many fakes among them. For others "
            "it means little.",
        ]

    def _about_the_gate(self) -> str:
        if self.gate_logits is None:
            return (
                "Gate: the detector's file does not say what its gate usually is, so "
                "that nothing can be said of its channels. `calibrate` writes it."
            )
        return (
            "Gate: how far the logit falls when one channel, or all of them, take the "
            "value that is usual on val. A channel weighs one visual feature, "
            "which has no name."
        )

    def _seen(self) -> list[str]:
        height, width, _ = self.photograph.shape
        side, size = self.crop.side, len(self.pixels)
        seen = []
        if side < max(height, width):
            seen.append(
                f"The detector has seen the {side}x{side} pixels in the frame, of "
                f"{width}x{height}. Nothing here is about the rest."
            )
        if side < size:
            seen.append(
                f"The image is smaller than the input of {size}x{size} pixels. It was "
                "enlarged, which changes what residuals show."
            )
        if self.mirrored:
            seen.append(
                "The score is the mean of two looks, at this image and at its mirror "
                "image. The maps and the gate are those of the first."
            )
        if self.prediction.view is not None and self.prediction.view.warnings:
            seen.append(f"To bear in mind: {'; '.join(self.prediction.view.warnings)}.")
        if self.prediction.marks:
            marks = "; ".join(mark.describe() for mark in self.prediction.marks)
            seen.append(
                f"The file says of itself, and the score knows nothing of it: {marks}."
            )
        return seen


class Explainer:
    """Explains what a detector says of images.

    Args:
        model: The detector.
        usual_gate: The mean gate over images, `(channels,)`, if it is known.

    Raises:
        ValueError: If it is not made of two streams, as `build_model_v3` makes it.
    """

    def __init__(self, model: keras.Model, usual_gate: Sequence[float] | None = None):
        detector = without_mirror(model)
        self.streams = Streams(detector)
        self.mirrored = detector is not model
        self.usual_gate = usual_gate

    def explain(
        self,
        photograph: np.ndarray,
        prediction: Prediction,
    ) -> Explanation:
        """Explains a prediction.

        Args:
            photograph: Array of shape `(height, width, 3)`, uint8.
            prediction: What the detector says of it.
        """
        streams = self.streams
        pixels = crop_to_size(photograph, streams.image_size)
        images = pixels[None]
        features, gate = streams.visual(images), streams.forensic(images)
        fixed, learnable = streams.residuals(pixels)
        threshold = streams.stream.threshold
        white = threshold or float(np.percentile(fixed, SHARE_SHOWN)) or 1.0
        total: float | None = None
        channels: list[Channel] = []
        if self.usual_gate is not None:
            usual = np.asarray(self.usual_gate, "float32")
            total, channels = gate_channels(streams, features, gate, usual)
        return Explanation(
            prediction=prediction,
            called_fake=prediction.verdict == CLASS_NAMES[1],
            photograph=photograph,
            crop=_centre(photograph, streams.image_size),
            pixels=pixels,
            visual=occlude(
                lambda seen: streams.logits(streams.visual(seen), gate), pixels
            ),
            forensic=occlude(
                lambda seen: streams.logits(features, streams.forensic(seen)), pixels
            ),
            gate_logits=total,
            channels=channels,
            fixed={f"SRM: {entry.name}": fixed[..., i] for i, entry in enumerate(V3)},
            learnable={
                f"Bayar, map {i}": learnable[..., i]
                for i in np.sort(np.argsort(-learnable.std((0, 1)))[:SHOWN])
            },
            white=white,
            mirrored=self.mirrored,
        )


def _centre(photograph: np.ndarray, size: int) -> Crop:
    """Where `crop_to_size` cuts."""
    height, width, _ = photograph.shape
    side = min(size, height, width)
    return Crop((height - side + 1) // 2, (width - side + 1) // 2, side)
