"""An exported file beside the Keras model that it comes from."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.exporting.formats import FORMATS
from examples.deepfake_v3.options.choices import FormatName
from examples.deepfake_v3.runtimes.opened import Run

MAX_DIFFERENCE = 1e-4
"""Of any probability, for formats that compute in float32."""
MIN_AGREEMENT = 0.995
"""Share of images with the same verdict, for formats with floats."""
MAX_AUC_LOSS = 0.01
"""For formats with integers: they move the scores of images that are in doubt."""


class ParityError(InputError):
    """A file that does not say what the model says."""


def compare(
    run: Run,
    images: np.ndarray,
    expected: np.ndarray,
    threshold: float,
    batch_sizes: Sequence[int],
    labels: np.ndarray | None = None,
) -> dict[str, Any]:
    """Compares the scores of a file with those of Keras.

    Args:
        run: What runs the file.
        images: As the model takes them, `(count, height, width, channels)`.
        expected: Keras's scores, `(count,)`.
        threshold: An image is called fake when its score is at least this.
        batch_sizes: The file scores all images in batches of each size.
        labels: Real = 0 and fake = 1, where they are known.

    Returns:
        "largest_difference", None where a score is no number, and "agreement" of
        verdicts, both over all batch sizes; "auc" of "keras" and of the "file", at the
        first batch size, and the "loss"; None without labels.
    """
    scores = [_score(run, images, size) for size in batch_sizes]
    verdicts = expected >= threshold
    difference = np.max([abs(each - expected) for each in scores])
    return {
        "largest_difference": float(difference) if np.isfinite(difference) else None,
        "agreement": min(
            float(np.mean((each >= threshold) == verdicts)) for each in scores
        ),
        "auc": None if labels is None else _aucs(labels, expected, scores[0]),
    }


def _score(run: Run, images: np.ndarray, batch_size: int) -> np.ndarray:
    """Scores in batches, of which the last may be smaller; NaN stays NaN."""
    batches = [
        run(images[start : start + batch_size].astype("float32"))
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(batches).reshape(len(images)).astype("float64")


def _aucs(labels: np.ndarray, expected: np.ndarray, scores: np.ndarray) -> dict:
    keras_auc = float(roc_auc_score(labels, expected))
    if not np.isfinite(scores).all():
        return {"keras": keras_auc, "file": None, "loss": None}
    file_auc = float(roc_auc_score(labels, scores))
    return {"keras": keras_auc, "file": file_auc, "loss": keras_auc - file_auc}


def find_faults(name: FormatName, found: dict[str, Any]) -> list[str]:
    """In which ways a file is not what its format promises."""
    difference, agreement = found["largest_difference"], found["agreement"]
    if difference is None:
        return ["a score is no number"]
    faults = []
    if FORMATS[name].is_float32 and difference > MAX_DIFFERENCE:
        faults.append(
            f"a score differs by {difference:.1e}, and may by {MAX_DIFFERENCE:.0e}"
        )
    if name == "litert-int8":
        if found["auc"] and found["auc"]["loss"] > MAX_AUC_LOSS:
            faults.append(
                f"the AUC falls by {found['auc']['loss']:.4f}, and may by "
                f"{MAX_AUC_LOSS}"
            )
    elif agreement < MIN_AGREEMENT:
        faults.append(
            f"the verdict is the same for {agreement:.2%} of the images, and must be "
            f"for {MIN_AGREEMENT:.1%}"
        )
    return faults


def relative_speed(
    model: keras.Model, run: Run, images: np.ndarray, rounds: int
) -> dict[str, float]:
    """How much faster a file scores one batch than Keras does, in alternation.

    Returns:
        "keras_ms" and "file_ms", medians over the rounds, and "speed", the median of
        the ratios within a round: above 1, the file is faster.
    """
    batch = images.astype("float32")
    seconds: list[tuple[float, float]] = []
    for number in range(rounds + 2):
        pair = (
            _seconds(lambda: model.predict_on_batch(batch)),
            _seconds(lambda: run(batch)),
        )
        if number >= 2:  # the first ones compile and warm up
            seconds.append(pair)
    keras_seconds, file_seconds = zip(*seconds, strict=True)
    return {
        "keras_ms": 1000 * statistics.median(keras_seconds),
        "file_ms": 1000 * statistics.median(file_seconds),
        "speed": statistics.median(a / b for a, b in seconds),
    }


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(os.path.getsize(file) for file in files if file.is_file())
