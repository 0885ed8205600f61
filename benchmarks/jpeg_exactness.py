"""JPEG in the graph beside Pillow's, at every quality, on every backend.

    python -m benchmarks.jpeg_exactness --data-dirs DIR

Every backend runs in a process of its own and keeps what it has measured, so that the
same command goes on where it was stopped.
"""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.record import write_result
from examples.deepfake_v3.files.files import replacing
from keras_forensics import quantization_tables
from keras_forensics.ops import jpeg_round_trip
from test_support import pillow_jpeg

MODULE = "benchmarks.jpeg_exactness"
CROP = (97, 131)  # whole blocks in neither direction
QUALITIES = list(quantization_tables.QUALITIES)
OURS = "`JPEGCompression`"
Form = Callable[[int], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Compare compressed photographs with Pillow's."""

    data_dirs: tuple[str, ...]
    """Folders of photographs, of which each gives one crop."""
    photographs: int = 32
    """How many, the first of all folders in turn."""
    backends: tuple[str, ...] = ("tensorflow", "jax", "torch")
    """Backends to compute with."""
    work_dir: str = "benchmarks/work/jpeg_exactness"
    """What has been measured so far."""
    results: str = "benchmarks/results/jpeg_exactness.json"
    """Where the table is written."""
    only_measure: bool = False
    """Measure on the backend in use, and make no table."""


def crops(benchmark: Benchmark) -> np.ndarray:
    """A crop of each photograph at a random place, uint8."""
    paths = [
        path
        for folder in benchmark.data_dirs
        for path in sorted(Path(folder).rglob("*"))
        if path.suffix in (".png", ".jpg")
    ][: benchmark.photographs]
    if len(paths) < benchmark.photographs:
        sys.exit(f"`data_dirs` hold {len(paths)} photographs.")
    random, found = np.random.default_rng(0), []
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        top, left = (
            random.integers(0, side - crop + 1)
            for side, crop in zip(pixels.shape[:2], CROP, strict=True)
        )
        found.append(pixels[top : top + CROP[0], left : left + CROP[1]])
    return np.stack(found)


def our_form(images: np.ndarray, subsampling: str) -> Form:
    """What all images are at a quality, compiled as the backend does it."""
    ops = keras.ops
    planes = ops.convert_to_tensor(np.moveaxis(images, -1, 0).astype("int32"))

    def compute(planes, tables):
        return jpeg_round_trip(planes, tables, subsampling)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        compute = tf.function(compute)
    elif keras.backend.backend() == "jax":
        import jax

        compute = jax.jit(compute)

    def form(quality):
        tables = quantization_tables.standard(quality).astype("float32")
        compressed = compute(planes, ops.convert_to_tensor(tables))
        return np.moveaxis(ops.convert_to_numpy(compressed), 0, -1)

    return form


def forms(images: np.ndarray) -> Iterator[tuple[str, str, Form]]:
    """`name, subsampling, form` of what the backend in use has."""
    for subsampling in pillow_jpeg.SUBSAMPLINGS:
        yield OURS, subsampling, our_form(images, subsampling)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for method in ("", "INTEGER_ACCURATE"):
            yield (
                f'`tf.image.adjust_jpeg_quality(dct_method="{method}")`',
                "4:2:0",
                lambda quality, method=method: np.stack(
                    [
                        tf.image.adjust_jpeg_quality(image, quality, method).numpy()
                        for image in images
                    ]
                ),
            )
    if keras.backend.backend() == "torch":
        import kornia
        import torch

        scaled = torch.tensor(np.moveaxis(images, -1, 1) / 255, dtype=torch.float32)

        def by_kornia(quality):
            qualities = torch.full((len(images),), float(quality))
            with torch.no_grad():
                after = kornia.enhance.jpeg_codec_differentiable(scaled, qualities)
            grey_levels = (after * 255).round().clamp(0, 255).numpy()
            return np.moveaxis(grey_levels, 1, -1)

        name = f"`jpeg_codec_differentiable` of kornia {kornia.__version__}, rounded"
        yield name, "4:2:0", by_kornia


def measure(benchmark: Benchmark) -> None:
    """Measures what is not in the backend's file yet."""
    images = crops(benchmark)
    path = _measurements(benchmark, keras.backend.backend())
    found = _read(path, benchmark)
    for name, subsampling, form in forms(images):
        of_form = found["forms"].setdefault(f"{name}|{subsampling}", {})
        for quality in QUALITIES:
            if str(quality) in of_form:
                continue
            expected = pillow_jpeg.round_trip(images, quality, subsampling)
            difference = abs(form(quality).astype(int) - expected)
            differ = int(difference.any(-1).sum())
            of_form[str(quality)] = [differ, int(difference.max())]
            if quality % 10 == 0:
                _write(path, found)
                print(path.stem, name, subsampling, quality, flush=True)


def _measurements(benchmark: Benchmark, backend: str) -> Path:
    return Path(benchmark.work_dir) / f"{backend}.json"


def _read(path: Path, benchmark: Benchmark) -> dict:
    settings = {"data_dirs": list(benchmark.data_dirs), "count": benchmark.photographs}
    if path.exists():
        found = json.loads(path.read_text())
        if found["settings"] == settings:
            return found
    return {"settings": settings, "forms": {}}


def _write(path: Path, found: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(json.dumps(found))


def row(backend: str, key: str, of_form: dict, pixels: int) -> list:
    """One line of the table: ours with `pixels` an image set, and so many qualities."""
    name, subsampling = key.split("|")
    differ, largest = zip(*of_form.values(), strict=True)
    compared = pixels * len(of_form)
    return [
        name,
        backend,
        subsampling,
        compared,
        sum(differ),
        f"{sum(differ) / compared:.1%}",
        max(largest),
        f"{of_form['75'][0] / pixels:.1%}",
        of_form["75"][1],
    ]


def main(benchmark: Benchmark) -> None:
    """Measures on every backend, and writes the table."""
    if benchmark.only_measure:
        measure(benchmark)
        return
    for backend in benchmark.backends:
        subprocess.run(
            [sys.executable, "-m", MODULE, *sys.argv[1:], "--only-measure"],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
        )
    pixels = benchmark.photographs * CROP[0] * CROP[1]
    rows = [
        row(backend, key, of_form, pixels)
        for backend in benchmark.backends
        for key, of_form in _read(_measurements(benchmark, backend), benchmark)[
            "forms"
        ].items()
    ]
    rows.sort(key=lambda cells: cells[0] != OURS)
    write_result(
        benchmark.results,
        title="JPEG in the graph, beside Pillow's",
        what=f"Crops of {CROP[0]} × {CROP[1]} pixels of {benchmark.photographs} "
        "photographs, compressed at every quality from 1 to 100, beside what Pillow "
        "saves and opens again.",
        columns=[
            "form",
            "backend",
            "subsampling",
            "pixels compared",
            "pixels that differ",
            "share",
            "largest difference",
            "share at quality 75",
            "largest at 75",
        ],
        rows=rows,
        notes="A pixel differs if one of its colours does; differences are in grey "
        "levels. kornia computes in floats and calls itself differentiable, not exact.",
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
