"""The input pipeline against bare decoding.

    python -m benchmarks.speed.pipeline --data-dir DIR

Bare decoding turns the same files into arrays on as many threads: no crop, no batch, no
order. The pipeline is measured without its cache, and from it.
"""

import dataclasses
import itertools
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.record import write_result
from benchmarks.speed.timing import alternate, ratio
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.images import THREADS
from examples.deepfake_v3.loading.pipeline import PixelCache, make_dataset
from examples.deepfake_v3.training.augmentation import build_augmentation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time the input pipeline on JPEG files of one size."""

    data_dir: str
    """Directory of .jpg files, searched with its subdirectories."""
    images: int = 8192
    """Images a round; many, since a dataset takes TensorFlow some 50 ms to make."""
    image_size: int = 224
    """Side of the crop in pixels."""
    batch_size: int = 64
    """Images a batch."""
    rounds: int = 9
    """How often each form is timed, in alternation with the others."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as speed_pipeline.json."""


def decode(path: Path) -> np.ndarray:
    """Bare decoding."""
    with Image.open(path) as image:
        return np.asarray(image)


def decode_all(paths: list[Path]) -> None:
    """Bare decoding on all threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(decode, paths):
            pass


def tensorflow_decodes_all(paths: list[Path]) -> None:
    """Bare decoding by TensorFlow, batched: a reference without Python in between.

    By its defaults, the usual way, which gives other pixels than Pillow.
    """
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    dataset = dataset.map(
        lambda path: tf.io.decode_jpeg(tf.io.read_file(path)), THREADS
    )
    for _ in dataset.batch(64).prefetch(2):
        pass


def forms(
    benchmark: Benchmark, paths: list[Path]
) -> dict[str, tuple[Callable[[], object], int]]:
    """`{name: (function that goes through images, how many)}`."""
    images = ImageList(tuple(paths), np.arange(len(paths)) % 2)
    steps = len(paths) // benchmark.batch_size
    few = max(1, steps // 16)  # augmentation is slow

    def go_through(pipeline, cache=None, change=None, steps=steps):
        dataset = make_dataset(
            images,
            image_size=benchmark.image_size,
            batch_size=benchmark.batch_size,
            training=True,
            pipeline=pipeline,
            cache=cache,
        )
        if change is not None:
            dataset = dataset.map(change).prefetch(2)
        return itertools.islice(dataset, steps)

    def exhaust(batches):
        for _ in batches:
            pass

    full = PixelCache(gigabytes=100)
    for path in paths:
        full.read(path)
    runs = {
        "bare decoding": lambda: decode_all(paths),
        "bare decoding, TensorFlow": lambda: tensorflow_decodes_all(paths),
        "pipeline tf": lambda: exhaust(go_through("tf")),
        "pipeline grain": lambda: exhaust(go_through("grain")),
        "pipeline tf, cached": lambda: exhaust(go_through("tf", full)),
        "pipeline grain, cached": lambda: exhaust(go_through("grain", full)),
    }
    counted = {name: (run, steps * benchmark.batch_size) for name, run in runs.items()}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        augmentation = build_augmentation()
        augment = tf.function(
            lambda pixels: augmentation(tf.cast(pixels, "float32"), training=True)
        )

        def in_the_model():
            for pixels, *_ in go_through("tf", steps=few):
                augment(pixels)

        def in_the_pipeline():
            exhaust(go_through("tf", change=lambda x, *_: augment(x), steps=few))

        count = few * benchmark.batch_size
        counted["augmented on the device"] = in_the_model, count
        counted["augmented in the pipeline"] = in_the_pipeline, count
    return counted


def main(benchmark: Benchmark) -> None:
    """Times all forms in alternation and writes the table."""
    paths = sorted(Path(benchmark.data_dir).rglob("*.jpg"))[: benchmark.images]
    if len(paths) < benchmark.batch_size:
        raise FileNotFoundError(
            f"`data_dir` must hold at least {benchmark.batch_size} .jpg files. "
            f"Received: data_dir={benchmark.data_dir!r}, which holds {len(paths)}"
        )
    paths = paths[: len(paths) // benchmark.batch_size * benchmark.batch_size]
    runs = forms(benchmark, paths)
    steps = {name: run for name, (run, _) in runs.items()}
    rates = {
        name: [runs[name][1] / taken for taken in seconds]
        for name, seconds in alternate(steps, benchmark.rounds, warm_up=1).items()
    }
    rows = []
    for name, values in rates.items():
        rate_a_core = f"{statistics.median(values) / THREADS:.0f}"
        rows.append([name, rate_a_core, ratio(values, rates["bare decoding"])])
        print(*rows[-1], sep="\t", flush=True)
    write_result(
        Path(benchmark.results_dir) / "speed_pipeline.json",
        title="Speed of the input pipeline",
        what=(
            f"{len(paths)} JPEG files, cropped to {benchmark.image_size} pixels, in "
            f"batches of {benchmark.batch_size}, {THREADS} threads. Images a second "
            "and core, and the ratio to bare decoding (median and quartiles of "
            f"{benchmark.rounds} rounds in alternation)."
        ),
        columns=["form", "images/s a core", "ratio to bare decoding"],
        rows=rows,
        notes=(
            "Higher is faster. Bare decoding is Pillow's, to an array. Files come "
            "from the system's page cache. On this machine the device is the "
            "processor."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
