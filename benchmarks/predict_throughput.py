"""`predict` on a folder of mixed files against the bare model.

    python -m benchmarks.predict_throughput [--weights FILE.h5] [--data-dir DIR]

The bare model gets the same crops from memory, in batches of the same size. Both run in
one process, in alternation. Some of the files are broken; the report names them.
"""

import dataclasses
import io
import json
import statistics
import tempfile
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.record import backend_and_device, write_result
from benchmarks.speed.timing import alternate, ratio
from examples.deepfake_v3.demo_set import render_image
from examples.deepfake_v3.detector import Detector
from examples.deepfake_v3.loading.data import list_files
from examples.deepfake_v3.loading.decoding import decode_ahead
from examples.deepfake_v3.loading.images import UnusableImageError, read_image
from examples.deepfake_v3.model import build_model_v3
from examples.deepfake_v3.model_files.metadata import Metadata
from examples.deepfake_v3.prediction.batch_scoring import (
    estimate_batch_size,
    score_crops,
)
from examples.deepfake_v3.prediction.sources import IMAGE_EXTENSIONS, find_files
from keras_forensics import __version__

SIZES = ((256, 256), (400, 300), (640, 480), (800, 600), (1024, 768))  # pixels
FORMATS = ("jpg", "jpg", "jpg", "png", "webp")  # as often as here


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time predict on a folder of mixed files, some of them broken."""

    files: int = 1000
    """Files in the folder."""
    broken: int = 20
    """How many of them are broken: empty, cut, no images, of no image's content."""
    data_dir: str | None = None
    """Folder of images to score instead of rendered ones; they are copied."""
    weights: str | None = None
    """Backbone weights, a .h5 file; random without them, which costs the same."""
    image_size: int = 224
    """Side of the model's input in pixels."""
    alpha: float = 1.0
    """Width of MobileNetV2."""
    rounds: int = 5
    """How often each form is timed, in alternation with the other."""
    results: str | None = None
    """Where the table is written; by default, by backend and device, in
    benchmarks/results."""


def make_folder(benchmark: Benchmark, folder: Path) -> None:
    """Fills a folder with files in many sizes and formats, some of them broken."""
    rng = np.random.default_rng(0)
    given = []
    if benchmark.data_dir is not None:
        given = [
            path
            for path in list_files(Path(benchmark.data_dir))
            if path.suffix.lower() in IMAGE_EXTENSIONS
        ]
        if not given:
            raise FileNotFoundError(
                "`data_dir` must hold images. "
                f"Received: data_dir={benchmark.data_dir!r}"
            )
    scenes = (
        []
        if given
        else [Image.fromarray(render_image("real", 256, rng)) for _ in range(10)]
    )
    broken = set(np.linspace(0, benchmark.files - 1, benchmark.broken, dtype=int))
    for number in range(benchmark.files):
        if given:
            path = given[number % len(given)]
            name, content = f"{number:05}{path.suffix}", path.read_bytes()
        else:
            scene, size = scenes[number % 10], SIZES[number % len(SIZES)]
            kind = FORMATS[rng.integers(len(FORMATS))]
            name, content = f"{number:05}.{kind}", _encode(scene, size, kind)
        if number in broken:
            content = _breakages(content)[number % 4]
        (folder / name).write_bytes(content)


def _encode(scene: Image.Image, size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    options = {} if kind == "png" else {"quality": 90}
    scene.resize(size).save(
        buffer, Image.registered_extensions()[f".{kind}"], **options
    )
    return buffer.getvalue()


def _breakages(content: bytes) -> list[bytes]:
    return [b"", content[: len(content) // 2], b"GIF89a and more", b"\0" * 1000]


def make_detector(benchmark: Benchmark) -> Detector:
    """A detector that has not learned anything, which costs what another does."""
    keras.utils.set_random_seed(0)
    model = build_model_v3(benchmark.weights, benchmark.image_size, benchmark.alpha)
    metadata = Metadata(
        package_version=__version__,
        keras_version=keras.__version__,
        image_size=benchmark.image_size,
        training_data=None,
        threshold=0.5,
        threshold_criterion="f1",
        temperature=1.0,
        val_images=1,
    )
    return Detector(model, metadata)


def main(benchmark: Benchmark) -> None:
    """Times both forms and writes the table."""
    detector = make_detector(benchmark)
    size = benchmark.image_size
    batch_size = estimate_batch_size(size)
    with tempfile.TemporaryDirectory() as directory:
        make_folder(benchmark, Path(directory))
        files = find_files([directory]).files
        crops = [
            each.pixels
            for each in decode_ahead(files, size=size, ahead=batch_size)
            if each.pixels is not None
        ]

        def bare() -> list[float]:
            return list(score_crops(detector.model, crops, batch_size))

        def predict():
            return list(detector.stream(files, batch_size=batch_size))

        def decode() -> None:
            for path in files:
                try:
                    read_image(path)
                except UnusableImageError:
                    continue

        forms = {"bare model": bare, "predict": predict, "decoding, one thread": decode}
        predictions, scores = predict(), bare()  # also compiles
        seconds = alternate(forms, benchmark.rounds, warm_up=0)
    unreadable = [each for each in predictions if each.error]
    found = [each.score for each in predictions if not each.error]
    rates = {name: [len(crops) / s for s in each] for name, each in seconds.items()}
    rows = [
        [name, statistics.median(each), ratio(each, rates["bare model"])]
        for name, each in rates.items()
    ]
    for row in rows:
        print(*row, sep="\t")
    reasons = Counter(each.error for each in unreadable)
    print(f"{len(unreadable)} unreadable: {json.dumps(reasons, indent=1)}")
    where, in_words = backend_and_device()
    kind = "photographs" if benchmark.data_dir else "rendered"
    write_result(
        benchmark.results or f"benchmarks/results/speed_predict_{kind}_{where}.json",
        title=f"Speed of predict on {in_words}, {kind}",
        what=(
            f"{benchmark.files} files, {len(unreadable)} of them unreadable, "
            + (
                "photographs and faces as they are, "
                if benchmark.data_dir
                else "rendered, JPEG, PNG and WebP of 256 to 1024 pixels, "
            )
            + f"cropped to {size} pixels, in batches of {batch_size}. Images a second "
            "that were read, and the ratio to the bare model, which gets the same "
            f"crops from memory (median and quartiles of {benchmark.rounds} rounds in "
            "alternation)."
        ),
        columns=["form", "images/s", "ratio to the bare model"],
        rows=rows,
        notes=(
            "Higher is faster. Files come from the system's page cache. Where the "
            "model computes on the processor, decoding takes its time from it: the "
            "last row says how much. predict also starts its decoding processes. The "
            "largest difference of a score between both is "
            f"{np.max(np.abs(np.subtract(found, scores))):.1e}."
        ),
        seconds=seconds,
        unreadable=dict(reasons),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
