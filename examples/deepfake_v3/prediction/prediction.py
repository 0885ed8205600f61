"""What a detector says of one image, and how that is written."""

import dataclasses
from typing import Any

import numpy as np

from examples.deepfake_v3.prediction.tiles import Grid


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
        error: Why a file could not be read, else "".
        grid: Where the tiles are; None without tiles.
        map: Their scores, array `(rows, columns)`; None without tiles.
    """

    file: str | None
    score: float | None = None
    probability: float | None = None
    verdict: str | None = None
    threshold: float | None = None
    error: str = ""
    grid: Grid | None = None
    map: np.ndarray | None = None

    @property
    def why(self) -> str:
        """What the verdict follows from, in a few words; "" without one."""
        if self.score is None or self.threshold is None:
            return ""
        side = "above" if self.score >= self.threshold else "below"
        return f"{side} the threshold {self.threshold:.3g}"


def as_row(prediction: Prediction) -> dict[str, Any]:
    """What is written of a prediction, as JSON has it."""
    row: dict[str, Any] = {
        "file": prediction.file,
        "score": prediction.score,
        "verdict": prediction.verdict,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "why": prediction.why or None,
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
