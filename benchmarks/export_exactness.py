"""Residuals of exported files beside integer arithmetic, in every runtime.

    python -m benchmarks.export_exactness

Every backend exports in a process of its own.
"""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tyro
from scipy import ndimage

from benchmarks.record import write_result
from keras_forensics import BayarConv2D, SRMFilterBank, filters
from test_support.runtimes import RUNTIMES, each_option, export, run

BANKS = {
    "`v3`": {"bank": "v3"},
    "`v3`, not truncated": {"bank": "v3", "threshold": None},
    "`srm30`": {"bank": "srm30"},
    "`srm30`, not truncated": {"bank": "srm30", "threshold": None},
    "`rgbn`, summed": {"bank": "rgbn", "sum_channels": True},
    "`rgbn`, summed, not truncated": {
        "bank": "rgbn",
        "sum_channels": True,
        "threshold": None,
    },
    "`srm30`, truncated at 2.1, every second pixel": {
        "bank": "srm30",
        "threshold": 2.1,
        "strides": 2,
        "padding": "symmetric",
    },
    "`v3`, channels first": {"bank": "v3", "data_format": "channels_first"},
    "six divisors": {
        "bank": [[[-1, 1, 0]]] * 6,
        "divisors": [7, 9, 11, 13, 5, 56],
        "threshold": None,
    },
}
LEARNABLE = "`BayarConv2D`"
BORDERS = {"reflect": "mirror", "symmetric": "reflect"}  # numpy's names and scipy's


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Compare residuals of exported files with integer arithmetic."""

    image_size: int = 96
    """Side of the images in pixels."""
    images: int = 4
    """How many there are, half of them of two values."""
    backends: tuple[str, ...] = ("tensorflow", "jax", "torch")
    """Backends to export from."""
    results: str = "benchmarks/results/export_exactness.json"
    """Where the table is written."""
    measurements: str | None = None
    """Where the backend in use writes what it measures, and no table is made."""


def draw(benchmark: Benchmark) -> np.ndarray:
    """Grey levels, uint8."""
    shape = benchmark.images, benchmark.image_size, benchmark.image_size, 3
    images = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    half = len(images) // 2
    images[half:] = 255 * (images[half:] > 127)  # the largest residuals there are
    return images


def integer_arithmetic(layer: SRMFilterBank, images: np.ndarray) -> np.ndarray:
    """Truncated residuals, channels last: integers divided in float64, rounded once."""
    if isinstance(layer.bank, str):
        bank = filters.get(layer.bank)
        taps, divisors = [f.taps for f in bank], [f.divisor for f in bank]
    else:
        taps, divisors = layer.bank, layer.divisors
    rows, columns = layer.strides
    filtered = [
        ndimage.correlate(
            images.astype("int64"),
            np.array(tap)[None, :, :, None],
            mode=BORDERS[layer.padding],
        )[:, ::rows, ::columns]
        for tap in taps
    ]
    maps = np.stack(filtered, axis=-1)
    if layer.sum_channels:
        maps = maps.sum(3, keepdims=True)
    maps = maps / np.array(divisors)
    if layer.threshold is not None:
        maps = maps.clip(-layer.threshold, layer.threshold)
    return maps.reshape(*maps.shape[:3], -1).astype("float32")


def learnable_residuals(layer: BayarConv2D, images: np.ndarray) -> np.ndarray:
    """What `BayarConv2D` computes, in float64 with the kernel of Keras."""
    kernel = keras.ops.convert_to_numpy(layer.kernel).astype("float64")
    maps = [
        sum(
            ndimage.correlate(
                images[..., channel].astype("float64"),
                kernel[None, :, :, channel, index],
                mode=BORDERS[layer.padding],
            )
            for channel in range(images.shape[-1])
        )
        for index in range(layer.filters)
    ]
    return np.stack(maps, axis=-1).astype("float32")


def layers_and_residuals(images: np.ndarray):
    """`name, layer, residuals` with the channels where the layer has them."""
    for name, options in BANKS.items():
        layer = SRMFilterBank(**options)
        residuals = integer_arithmetic(layer, images)
        if layer.data_format == "channels_first":
            residuals = np.moveaxis(residuals, -1, 1)
        yield name, layer, residuals
    keras.utils.set_random_seed(0)
    layer = BayarConv2D(8, 5, padding="reflect")
    layer.build((None, None, None, 3))
    yield LEARNABLE, layer, learnable_residuals(layer, images)


def as_model(layer: keras.layers.Layer, size: int) -> keras.Model:
    """The layer alone, for images with the channels last."""
    image = keras.Input((size, size, 3), name="image")
    x = image
    if layer.data_format == "channels_first":
        x = keras.layers.Permute((3, 1, 2))(x)
    return keras.Model(image, layer(x))


def rounded_litert(model: keras.Model, images: np.ndarray, bits: int, folder: Path):
    """Writes a LiteRT file all of whose weights are rounded, as no one should."""
    import tensorflow as tf

    saved = str(folder / "saved")
    model.export(saved, format="tf_saved_model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(saved)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if bits == 16:
        converter.target_spec.supported_types = [tf.float16]
    else:
        converter.representative_dataset = lambda: ([image[None]] for image in images)
    (folder / "model.tflite").write_bytes(converter.convert())


def rounded_openvino(model: keras.Model, folder: Path):
    """Writes an OpenVINO file with weights in float16, as its converter does."""
    import openvino

    export(model, "OpenVINO", folder)
    whole = openvino.Core().read_model(str(folder / "model.xml"))
    (half := folder / "half").mkdir()
    openvino.save_model(whole, str(half / "model.xml"), compress_to_fp16=True)
    return half


def measure(benchmark: Benchmark) -> list[dict]:
    """All runtimes that the backend in use can export to."""
    backend, images = keras.backend.backend(), draw(benchmark)
    pixels, found = images.astype("float32"), []

    def compare(runtime, what, options, actual, residuals):
        assert actual.shape == residuals.shape, (actual.shape, residuals.shape)
        difference = abs(actual.astype("float64") - residuals)
        found.append(
            {
                "runtime": runtime,
                "backend": backend,
                "residuals": what,
                "options": options,
                "values": residuals.size,
                "differ": int((difference > 0).sum()),
                "largest": float(difference.max()),
            }
        )

    for what, layer, residuals in layers_and_residuals(images):
        model = as_model(layer, benchmark.image_size)
        by_keras = model.predict(pixels, verbose=0)
        compare("Keras", what, "predict", by_keras, residuals)
        for name, option, run_file in each_option(model):
            compare(name, what, option, run_file(pixels), residuals)
        if backend == "tensorflow":
            with tempfile.TemporaryDirectory() as folder:
                at = Path(folder)
                half = rounded_openvino(model, at)
                actual = run("OpenVINO", half, pixels, INFERENCE_PRECISION_HINT="f32")
                compare("OpenVINO", what, "weights in float16", actual, residuals)
            for bits, option in ((16, "weights in float16"), (8, "8-bit integers")):
                with tempfile.TemporaryDirectory() as folder:
                    at = Path(folder)
                    rounded_litert(model, pixels, bits, at)
                    actual = run("LiteRT", at, pixels)
                    compare("LiteRT", what, option, actual, residuals)
        print(backend, what, flush=True)
    return found


def table_rows(measured: list[dict]) -> list[list]:
    """One row for all options of a runtime whose files say the same."""

    def group(each):
        return each["runtime"], each["backend"], each["residuals"]

    rows = []
    for (runtime, backend, residuals), several in itertools.groupby(measured, group):
        by_result: dict[tuple, list[str]] = {}
        for each in several:
            result = each["values"], each["differ"], each["largest"]
            by_result.setdefault(result, []).append(each["options"])
        for (values, differ, largest), options in by_result.items():
            names = ", ".join(options)
            rows.append([runtime, backend, residuals, names, values, differ, largest])
    return rows


def merge_exact(rows: list[list]) -> list[list]:
    """The same rows, but one for all banks that are exact in the same ways."""
    merged: list[list] = []
    for row in rows:
        runtime, backend, residuals, options, values, differ, _ = row
        for other in merged:
            if [runtime, backend, options, 0] == [*other[:2], other[3], other[5]]:
                if differ == 0:
                    other[2] += f"; {residuals}"
                    other[4] += values
                    break
        else:
            merged.append(list(row))
    for row in merged:
        if row[2].split("; ") == list(BANKS):
            row[2] = f"all {len(BANKS)} fixed banks"
    return merged


FILES = {
    "TensorFlow": "SavedModel",
    "ONNX Runtime": "ONNX, in ONNX Runtime",
    "LiteRT": "LiteRT",
    "OpenVINO": "OpenVINO, where it computes in float32",
}
ROUNDED = ("weights in float16", "8-bit integers")


def summarize(rows: list[list]) -> dict:
    """What holds where, a line a file: all options whose arithmetic is float32."""
    found: dict[tuple[str, str], list] = {}
    for runtime, backend, residuals, options, values, differ, largest in rows:
        if runtime not in FILES:
            continue
        names = [
            f"{runtime}, {option}" if option in ROUNDED else FILES[runtime]
            for option in options.split(", ")
        ]
        for name in dict.fromkeys(names):
            line = found.setdefault((name, backend), [0, 0, 0.0, 0.0])
            if residuals == LEARNABLE:
                line[3] = max(line[3], largest)
            else:
                line[:3] = line[0] + values, line[1] + differ, max(line[2], largest)
    alike: dict[tuple, dict[str, float]] = {}
    for (name, backend), (values, differ, largest, learnt) in found.items():
        fixed = f"exact: 0 of {values:,} differ"
        if differ:
            share = differ / values
            fixed = f"{share:.0%} of {values:,} differ, by up to {largest:.2g}"
        alike.setdefault((name, fixed), {})[backend] = learnt
    return {
        "columns": [
            "file",
            "exported from",
            "fixed residuals of integer pixels",
            "`BayarConv2D`: off by up to",
        ],
        "rows": [
            [
                name,
                ", ".join(learnt),
                fixed,
                f"{max(learnt.values()):.2g} grey levels",
            ]
            for (name, fixed), learnt in sorted(
                alike.items(), key=lambda each: each[0][0].endswith(ROUNDED)
            )
        ],
    }


def main(benchmark: Benchmark) -> None:
    """Measures on every backend and writes the table."""
    if benchmark.measurements is not None:
        Path(benchmark.measurements).write_text(json.dumps(measure(benchmark)))
        return
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for backend in benchmark.backends:
            path = Path(folder) / f"{backend}.json"
            size, count = str(benchmark.image_size), str(benchmark.images)
            subprocess.run(
                [
                    *(sys.executable, "-m", "benchmarks.export_exactness"),
                    *("--image-size", size, "--images", count),
                    *("--measurements", str(path)),
                ],
                env={**os.environ, "KERAS_BACKEND": backend},
                check=True,
            )
            measured += json.loads(path.read_text())
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    has = [name for name in ("avx512_bf16", "amx_bf16") if name in flags]
    rows = table_rows(sorted(measured, key=_order))
    write_result(
        benchmark.results,
        title="Residuals of exported files",
        what="Layers alone, exported and run in the runtime of the format, beside "
        f"integer arithmetic that is rounded once to float32, on {benchmark.images} "
        f"images of {benchmark.image_size} pixels, half of which are noise and half "
        "black and white. Learnable residuals are compared with float64. Options that "
        "give the same values share a row; differences are in grey levels.",
        columns=[
            "runtime",
            "exported from",
            "residuals",
            "options",
            "values",
            "differ",
            "largest difference",
        ],
        rows=merge_exact(rows),
        summary=summarize(rows),
        notes=[
            "Of OpenVINO's options, the type in brackets is what it says it computes "
            "in. Processors with bfloat16 instructions compute in it by default. This "
            + (
                f"one has {' and '.join(has)}."
                if has
                else "one has none, so this table says nothing of bfloat16."
            ),
            "The fixed banks: " + ", ".join(BANKS) + ".",
            "Weights in float16, and 8-bit integers, round those of the forensic "
            "layers, too, which the command `export` does not.",
        ],
        processor_bfloat16=has,
        by_bank=rows,
    )


def _order(each: dict) -> tuple:
    names = ["Keras", *RUNTIMES]
    banks = [*BANKS, LEARNABLE]
    return (
        names.index(each["runtime"]),
        each["backend"] != "tensorflow",
        each["backend"],
        banks.index(each["residuals"]),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
