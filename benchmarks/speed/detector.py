"""The stream and the detector against the public form, and against MobileNetV2.

KERAS_BACKEND=jax python -m benchmarks.speed.detector
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tyro

from benchmarks.public_form import public_stream
from benchmarks.record import backend_and_device, write_result
from benchmarks.speed.timing import Step, compare, inference_step, training_step
from examples.deepfake_v3.model import build_model_v3, freeze_backbone
from keras_forensics.layers import ForensicStreamV3, GatedFusion


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time the stream and the detector on the backend that Keras uses."""

    image_size: int = 224
    """Side of the images in pixels."""
    batch_sizes: tuple[int, ...] = (16, 64)
    """Images a step."""
    what: tuple[str, ...] = ()
    """Comparisons to make, such as "stream, training"; left out: all. Others are kept
    as they stand in the table."""
    policy: str = "float32"
    """Dtype policy."""
    rounds: int = 15
    """How often each form is timed, in alternation with the others."""
    max_seconds: float = 40
    """Fewer rounds, though at least 3, for a comparison that takes longer."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as speed_detector_<backend>.json; on a GPU, as
    speed_detector_<backend>_gpu.json."""


def model_of(function: Callable, size: int) -> keras.Model:
    """A model of `(batch, size, size, 3)` images."""
    images = keras.Input((size, size, 3))
    return keras.Model(images, function(images))


def backbone_features(images, size: int):
    """MobileNetV2 with random weights, pooled: 1280 features."""
    backbone = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), include_top=False, weights=None, name="backbone"
    )
    x = backbone(keras.layers.Rescaling(1 / 127.5, offset=-1)(images))
    return keras.layers.GlobalAveragePooling2D()(x)


def public_detector(images, size: int):
    """The public stream as a gate on the backbone, and the head."""
    visual = backbone_features(images, size)
    x = GatedFusion()([visual, public_stream(images)])
    for units in (512, 256):
        x = keras.layers.Dense(units, activation="relu")(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Dropout(0.3)(x)
    return keras.layers.Dense(1, activation="sigmoid")(x)


def frozen(model: keras.Model) -> keras.Model:
    """The same model with a frozen backbone."""
    freeze_backbone(model)
    return model


def groups(size: int, images: np.ndarray) -> dict[str, Callable[[], dict[str, Step]]]:
    """`{what: function that makes the steps by form}`; the first is the reference."""

    def backbone():
        return model_of(lambda x: backbone_features(x, size), size)

    def public():
        return model_of(lambda x: public_detector(x, size), size)

    def stream_steps(step):
        return {
            "MobileNetV2": step(backbone(), images),
            "public stream": step(model_of(public_stream, size), images),
            "ForensicStreamV3": step(model_of(ForensicStreamV3(), size), images),
        }

    def detector_steps(step, prepare=lambda model: model):
        ours = build_model_v3(weights=None, image_size=size)
        return {
            "public form": step(prepare(public()), images),
            "build_model_v3": step(prepare(ours), images),
        }

    return {
        "stream, inference": lambda: stream_steps(inference_step),
        "stream, training": lambda: stream_steps(training_step),
        "detector, inference": lambda: detector_steps(inference_step),
        "detector, backbone frozen": lambda: detector_steps(training_step, frozen),
        "detector, backbone trained": lambda: detector_steps(training_step),
    }


def main(benchmark: Benchmark) -> None:
    """Runs all comparisons; the table is written anew after each."""
    keras.config.set_dtype_policy(benchmark.policy)
    size = benchmark.image_size
    where, _ = backend_and_device()
    path = Path(benchmark.results_dir) / f"speed_detector_{where}.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    rng = np.random.default_rng(0)
    for batch_size in benchmark.batch_sizes:
        images = rng.integers(0, 256, (batch_size, size, size, 3), "uint8")
        for what, steps in groups(size, images).items():
            if benchmark.what and what not in benchmark.what:
                continue
            print(batch_size, what, flush=True)
            compared = compare(steps(), benchmark.rounds, benchmark.max_seconds)
            rows = [row for row in rows if row[:2] != [what, batch_size]]
            rows += [[what, batch_size, *row] for row in compared]
            keras.backend.clear_session()
            write_table(benchmark, path, rows)


def write_table(benchmark: Benchmark, path: Path, rows: list[list]) -> None:
    """Writes what has been measured so far."""
    size = benchmark.image_size
    _, in_words = backend_and_device()
    write_result(
        path,
        title=f"Speed of the stream and the detector on {in_words}",
        what=(
            f"Batches of images of {size}x{size}x3, {benchmark.policy}. Median "
            "milliseconds a batch, and the ratio to the first form of the group "
            f"(median and quartiles of 3 to {benchmark.rounds} rounds, in "
            "alternation)."
        ),
        columns=["what", "batch", "form", "ms", "ratio"],
        rows=rows,
        notes=(
            "Lower is faster. Ratios hold on this machine; milliseconds only there. A "
            "detector takes at least the time of its backbone: where that is slow, as "
            "depthwise convolutions are in XLA on a CPU, a fast stream gains less."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
