"""A detector's verdicts in every runtime at its defaults, and with its other options.

    python -m benchmarks.export_verdicts --model-path FILE.keras --data-dir DIR

Every backend exports in a process of its own. What `export` does by itself is measured
by `benchmarks.export_parity`; here nobody asks OpenVINO for float32.
"""

import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tyro

from benchmarks.record import write_result
from examples.deepfake_v3.exporting.formats import inference_copy
from examples.deepfake_v3.exporting.parity import compare
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.images import crop_to_size, read_image
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.model_files.metadata import read_metadata
from keras_forensics import ForensicStreamV3
from test_support.runtimes import each_option

BATCH_SIZE = 25


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Compare verdicts of exported files with those of Keras."""

    model_path: str
    """The detector, a .keras file."""
    data_dir: str
    """Directory with test/{real,fake}."""
    images: int = 500
    """Test images that each file and Keras both score, half of each class."""
    backends: tuple[str, ...] = ("tensorflow", "torch")
    """Backends to export from."""
    results: str = "benchmarks/results/export_verdicts.json"
    """Where the table is written."""
    measurements: str | None = None
    """Where the backend in use writes what it measures, and no table is made."""


def read_images(benchmark: Benchmark, size: int) -> np.ndarray:
    """Crops at the centre, float32."""
    images = check_data_dir(benchmark.data_dir, ("test",))["test"]
    chosen = images.limited(benchmark.images // 2, seed=0)
    crops = [crop_to_size(read_image(path), size) for path in chosen.paths]
    return np.stack(crops).astype("float32")


def models(detector: keras.Model) -> Iterator[tuple[str, keras.Model]]:
    """The detector, and its forensic stream alone."""
    yield "detector", inference_copy(detector)
    streams = [
        layer
        for layer in detector._flatten_layers()
        if isinstance(layer, ForensicStreamV3)
    ]
    if streams:
        image = keras.Input(detector.input_shape[1:], name="image")
        yield "`ForensicStreamV3` alone", keras.Model(image, streams[0](image))


def measure(benchmark: Benchmark) -> list[dict]:
    """All runtimes that the backend in use can export to."""
    detector = load_detector(benchmark.model_path, "model_path")
    threshold = read_metadata(benchmark.model_path).threshold
    images = read_images(benchmark, detector.input_shape[1])
    parts = math.ceil(len(images) / BATCH_SIZE)
    found = []
    for what, model in models(detector):
        expected = model.predict(images, batch_size=BATCH_SIZE, verbose=0)
        for name, option, run_file in each_option(model):
            outputs = np.concatenate(
                [run_file(part) for part in np.array_split(images, parts)]
            )
            if what == "detector":
                row = compare(
                    lambda batch, outputs=outputs: outputs,
                    images,
                    expected[:, 0],
                    threshold,
                    (len(images),),
                )
            else:
                largest = float(abs(outputs - expected).max())
                row = {"largest_difference": largest, "agreement": None}
            found.append(
                {
                    "runtime": name,
                    "backend": keras.backend.backend(),
                    "what": what,
                    "option": option,
                    **row,
                }
            )
            print(*found[-1].values(), flush=True)
    return found


def main(benchmark: Benchmark) -> None:
    """Measures on every backend and writes the table."""
    if benchmark.measurements is not None:
        Path(benchmark.measurements).write_text(json.dumps(measure(benchmark)))
        return
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for backend in benchmark.backends:
            path = Path(folder) / f"{backend}.json"
            subprocess.run(
                [
                    *(sys.executable, "-m", "benchmarks.export_verdicts"),
                    *("--model-path", benchmark.model_path),
                    *("--data-dir", benchmark.data_dir),
                    *("--images", str(benchmark.images)),
                    *("--measurements", str(path)),
                ],
                env={**os.environ, "KERAS_BACKEND": backend},
                check=True,
            )
            measured += json.loads(path.read_text())
    # One row for all options of a runtime that give the same.
    options: dict[tuple, list[str]] = {}
    for each in sorted(measured, key=lambda each: each["what"] != "detector"):
        agreement = each["agreement"]
        result = (
            each["runtime"],
            each["backend"],
            each["what"],
            each["largest_difference"],
            "–" if agreement is None else f"{agreement:.2%}",
        )
        options.setdefault(result, []).append(each["option"])
    rows = [
        [*result[:3], ", ".join(names), *result[3:]]
        for result, names in options.items()
    ]
    write_result(
        benchmark.results,
        title=f"Verdicts of exported files, {Path(benchmark.data_dir).name}",
        what=f"A trained detector, exported and run on {benchmark.images} test images "
        "by each runtime at its defaults and with its options, beside Keras on the "
        "backend that exported it: the largest difference of a score, or of a value of "
        "the gate, and the share of equal verdicts at the stored threshold.",
        columns=[
            "runtime",
            "exported from",
            "model",
            "options",
            "largest difference",
            "same verdict",
        ],
        rows=rows,
        notes="Of OpenVINO's options, the type in brackets is what it says it computes "
        "in.",
        measured=measured,
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
