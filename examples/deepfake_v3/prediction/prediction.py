"""What a detector says of one image, and how that is written."""

import dataclasses
from typing import Any

import numpy as np

from examples.deepfake_v3.loading.images import Facts
from examples.deepfake_v3.loading.provenance import Mark
from examples.deepfake_v3.prediction.tiles import Grid

LITTLE = 0.1  # share of an image below which it is said how little was looked at
HIDDEN = 0.01  # share of transparent pixels from which on they are mentioned
FLAT = 2  # grey levels: less than that between two pixels is no picture


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """How an image was looked at.

    Attributes:
        width: Columns of the upright image in pixels.
        height: Its rows.
        seen: Share of its pixels that was looked at, from 0 to 1.
        enlarged: How many times its side was enlarged to that of the model's input; 1
            where it was not.
        warnings: What to know before one believes a verdict, each in a few words.
    """

    width: int
    height: int
    seen: float
    enlarged: float
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a detector says of one image.

    Attributes:
        file: Path of the image; None for an array.
        score: The model's output, from 0 for real to 1 for fake, and with tiles their
            mean in logits; None for a file that could not be read.
        probability: The score at the fitted temperature: of the images that get .8,
            80 % are fake, where real and fake are as frequent as on val.
        verdict: "real" or "fake", by the score and the stored threshold.
        threshold: The stored one: fake is what scores at least this.
        view: How the image was looked at; None for a file that could not be read.
        marks: What the file says of where it comes from. The score knows nothing of it.
        error: Why a file could not be read, else "".
        grid: Where the tiles are; None without tiles.
        map: Their scores, array `(rows, columns)`; None without tiles.
    """

    file: str | None
    score: float | None = None
    probability: float | None = None
    verdict: str | None = None
    threshold: float | None = None
    view: View | None = None
    marks: tuple[Mark, ...] = ()
    error: str = ""
    grid: Grid | None = None
    map: np.ndarray | None = None

    @property
    def why(self) -> str:
        """What the verdict follows from, in a few words; "" without one."""
        if self.score is None or self.threshold is None:
            return ""
        above = self.score >= self.threshold
        # With as many digits as it takes beside a score of four decimals.
        for digits in range(3, 8):
            shown = f"{self.threshold:.{digits}g}"
            if (round(self.score, 4) >= float(shown)) == above and float(shown) < 1:
                break
        return f"{'above' if above else 'below'} the threshold {shown}"


def view_of(pixels: np.ndarray, facts: Facts, size: int, *, whole: bool) -> View:
    """Says how an image is looked at.

    Args:
        pixels: Those that are looked at, uint8 `(height, width, 3)`.
        facts: What is known of all of the image.
        size: Side of the model's input in pixels.
        whole: Whether tiles cover all of it, or only its centre is looked at.
    """
    side = min(size, facts.width, facts.height)
    seen = 1.0 if whole else side**2 / (facts.width * facts.height)
    enlarged = size / side
    warnings = []
    if enlarged > 1:
        warnings.append(f"enlarged {enlarged:.3g} times")
    if seen < LITTLE:
        warnings.append(f"only {seen:.2g} of it seen")
    if facts.hidden >= HIDDEN:
        warnings.append(f"{facts.hidden:.2g} of it transparent")
    if int(np.ptp(pixels, axis=(0, 1)).max()) < FLAT:
        warnings.append("flat, without a picture")
    return View(
        width=facts.width,
        height=facts.height,
        seen=seen,
        enlarged=enlarged,
        warnings=tuple(warnings),
    )


def as_row(prediction: Prediction) -> dict[str, Any]:
    """What is written of a prediction, as JSON has it."""
    view = prediction.view
    row: dict[str, Any] = {
        "file": prediction.file,
        "score": prediction.score,
        "verdict": prediction.verdict,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "why": prediction.why or None,
        "width": view and view.width,
        "height": view and view.height,
        "seen": view and view.seen,
        "enlarged": view and view.enlarged,
        "warnings": list(view.warnings) if view else [],
        "marks": [mark.describe() for mark in prediction.marks],
        "error": prediction.error or None,
    }
    if prediction.grid is not None and prediction.map is not None:
        row["max_score"] = float(prediction.map.max())
        row["tiles"] = {
            "side": prediction.grid.side,
            "tops": prediction.grid.tops,
            "lefts": prediction.grid.lefts,
            "scores": prediction.map.tolist(),
        }
    return row
