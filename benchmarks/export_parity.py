"""A detector in every format, each file beside Keras on real images.

    python -m benchmarks.export_parity --model-path FILE.keras --data-dir DIR

What the command `export` does, as a table.
"""

import dataclasses
import json
import tempfile
from pathlib import Path

import tyro

from benchmarks.record import write_result
from examples.deepfake_v3.export_model import BATCH_SIZES, export_model_v3
from examples.deepfake_v3.exporting.parity import (
    MAX_AUC_LOSS,
    MAX_DIFFERENCE,
    MIN_AGREEMENT,
    ParityError,
)
from examples.deepfake_v3.options.export import ExportConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark(ExportConfig):
    """Compare exported files with Keras."""

    output_dir: str | None = None
    """Where the files stay; by default, nowhere."""
    rounds: int = 30
    """How often each file and Keras are timed, in alternation, a batch size."""
    results: str | None = None
    """Where the table is written; by default, by data set, in benchmarks/results."""


def table_row(name: str, found: dict) -> list:
    """One format."""
    auc = found["auc"]
    return [
        name,
        round(found["bytes"] / 1e6, 2) if found["bytes"] else None,
        found["largest_difference"],
        f"{found['agreement']:.2%}",
        auc["file"],
        auc["loss"],
        *(f"{each['speed']:.2f}" for each in found["speed"]),
        "yes" if not found["faults"] else "no: " + "; ".join(found["faults"]),
    ]


def main(benchmark: Benchmark) -> None:
    """Exports, compares and writes the table."""
    options = {
        field.name: getattr(benchmark, field.name)
        for field in dataclasses.fields(ExportConfig)
    }
    stem, data = Path(benchmark.model_path).stem, Path(benchmark.data_dir).name
    with tempfile.TemporaryDirectory() as folder:
        output_dir = benchmark.output_dir or folder
        try:
            report = export_model_v3(**options | {"output_dir": output_dir})
        except ParityError as error:
            print(error)
            report = json.loads((Path(output_dir) / f"{stem}_export.json").read_text())
    formats = report["formats"]
    keras_auc = next(iter(formats.values()))["auc"]["keras"]
    copy = report["float32_copy"]
    write_result(
        benchmark.results or f"benchmarks/results/export_{data}.json",
        title=f"Exported files beside Keras, {data}",
        what=f"A trained detector in every format, and what its own runtime says of "
        f"{report['images']} test images, in batches of {BATCH_SIZES[0]} and of "
        f"{BATCH_SIZES[1]}, beside Keras's float32 copy of it (AUC {keras_auc:.4f}). "
        f"Verdicts are those at the stored threshold, {report['threshold']:.3f}.",
        columns=[
            "format",
            "MB",
            "largest difference",
            "same verdict",
            "AUC",
            "AUC loss",
            *(f"speed, batch {size}" for size in BATCH_SIZES[: benchmark.rounds and 2]),
            "as promised",
        ],
        rows=[table_row(name, found) for name, found in formats.items()],
        notes=[
            f"Promised: in float32 formats, scores to {MAX_DIFFERENCE:.0e} and "
            f"{MIN_AGREEMENT:.1%} of the verdicts; in float16, the verdicts; in int8, "
            f"the AUC to {MAX_AUC_LOSS}, measured on test, with ranges chosen on "
            f"{benchmark.calibration_images} images of val. The forensic layers are "
            "float32 in all of them.",
            "Speed: Keras's seconds by the file's, median over rounds in alternation; "
            "above 1, the file is faster. Every runtime may use all cores.",
            f"The float32 copy beside the model itself: largest difference "
            f"{copy['largest_difference']:.1e}, same verdict {copy['agreement']:.2%}.",
        ],
        report=report,
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
