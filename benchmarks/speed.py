"""Times the layers, the stream and the detector against the forms they replace.

    KERAS_BACKEND=jax python -m benchmarks.speed

All forms are measured in one process and in alternation, so that what else the machine
does hits all alike; quote the ratios, not the milliseconds.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tyro

from benchmarks.public_form import public_srm, public_stream
from benchmarks.record import write_result
from examples.deepfake_v3.model import build_model_v3, freeze_backbone
from keras_forensics.layers import ForensicStreamV3, GatedFusion, SRMLayerV3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time layers, stream and detector on the backend that Keras uses."""

    image_size: int = 224
    """Side of the images in pixels."""
    batch_size: int = 16
    """Images a step."""
    rounds: int = 15
    """How often each form is measured, in alternation with the others."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as speed_<backend>.json."""


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


def inference_step(model: keras.Model, images: np.ndarray) -> Callable[[], object]:
    """A function that predicts one batch, compiled as in `fit`."""
    model.compile(jit_compile=keras.backend.backend() == "jax")
    return lambda: model.predict_on_batch(images)


def training_step(model: keras.Model, images: np.ndarray) -> Callable[[], object]:
    """A function that takes one training step on one batch."""
    model.compile("adam", "mse", jit_compile=keras.backend.backend() == "jax")
    targets = np.zeros((len(images), model.output_shape[-1]), "float32")
    return lambda: model.train_on_batch(images, targets)


def alternate(steps: dict[str, Callable], rounds: int) -> dict[str, list[float]]:
    """Seconds of every step in every round, after two steps to compile and warm up."""
    for step in steps.values():
        step()
        step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def compare(group: str, steps: dict[str, Callable], rounds: int) -> list[list]:
    """One row a step: median and quartiles, and the ratio to the first step.

    The ratio is the median over rounds of ratios within a round.
    """
    seconds = alternate(steps, rounds)
    reference = next(iter(seconds.values()))
    rows = []
    for name, values in seconds.items():
        ratios = [a / b for a, b in zip(values, reference, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        rows.append(
            [
                group,
                name,
                f"{1000 * statistics.median(values):.1f}",
                f"{middle:.2f} ({low:.2f} to {high:.2f})",
            ]
        )
        print(*rows[-1], sep="\t", flush=True)
    return rows


def main(benchmark: Benchmark) -> None:
    """Runs all comparisons and writes the table."""
    size = benchmark.image_size
    images = np.random.default_rng(0).integers(
        0, 256, (benchmark.batch_size, size, size, 3)
    )
    images = images.astype("float32")

    def build(function):
        return model_of(function, size)

    def detector():
        return build_model_v3(weights=None, image_size=size)

    def frozen(model):
        freeze_backbone(model)
        return model

    groups = {
        "SRM maps, inference": {
            "copy of the input to 15 maps": inference_step(
                build(lambda x: keras.ops.tile(x, (1, 1, 1, 5))), images
            ),
            "depthwise": inference_step(build(public_srm), images),
            "SRMLayerV3": inference_step(build(SRMLayerV3()), images),
        },
        "stream, inference": {
            "MobileNetV2": inference_step(
                build(lambda x: backbone_features(x, size)), images
            ),
            "public form": inference_step(build(public_stream), images),
            "ForensicStreamV3": inference_step(build(ForensicStreamV3()), images),
        },
        "stream, training": {
            "MobileNetV2": training_step(
                build(lambda x: backbone_features(x, size)), images
            ),
            "public form": training_step(build(public_stream), images),
            "ForensicStreamV3": training_step(build(ForensicStreamV3()), images),
        },
        "detector, inference": {
            "public form": inference_step(
                build(lambda x: public_detector(x, size)), images
            ),
            "build_model_v3": inference_step(detector(), images),
        },
        "detector, training, backbone trained": {
            "public form": training_step(
                build(lambda x: public_detector(x, size)), images
            ),
            "build_model_v3": training_step(detector(), images),
        },
        "detector, training, backbone frozen": {
            "public form": training_step(
                frozen(build(lambda x: public_detector(x, size))), images
            ),
            "build_model_v3": training_step(frozen(detector()), images),
        },
    }
    rows = []
    for group, steps in groups.items():
        rows += compare(group, steps, benchmark.rounds)
    backend = keras.backend.backend()
    write_result(
        Path(benchmark.results_dir) / f"speed_{backend}.json",
        title=f"Speed on {backend}",
        what=(
            f"Batches of {benchmark.batch_size} images of {size}x{size}x3, float32. "
            "Median milliseconds a batch, and the ratio to the first form of the "
            f"group (median and quartiles of {benchmark.rounds} rounds, measured in "
            "alternation)."
        ),
        columns=["what", "form", "ms", "ratio"],
        rows=rows,
        notes="Lower is faster. Ratios hold on this machine; milliseconds only there.",
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
