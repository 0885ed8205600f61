"""What decoders other than Pillow change: pixels, residuals, and a detector's verdicts.

    python -m benchmarks.decoders --photographs DIR --faces DIR

On TensorFlow, whose decoder it is about.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
import tyro
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.record import write_result
from benchmarks.residual_evidence import features_of
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import CLASS_NAMES
from keras_forensics import SRMFilterBank, SRMLayerV3
from test_support import pillow_jpeg

Decoder = Callable[[bytes], np.ndarray]
PILLOW = "Pillow"
BY_DEFAULT = "`tf.io.decode_jpeg`, `tf.image.decode_image`"
DECODERS: dict[str, dict] = {
    BY_DEFAULT: {},
    '`dct_method="INTEGER_ACCURATE"`': {"dct_method": "INTEGER_ACCURATE"},
    "`fancy_upscaling=False`": {"fancy_upscaling": False},
    "both": {"dct_method": "INTEGER_ACCURATE", "fancy_upscaling": False},
}
QUALITIES = (75, 95)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Compare decoders with Pillow."""

    photographs: str
    """Folder of lossless photographs."""
    faces: str
    """Images, as faces/{train,test}/{real,fake}/*.jpg."""
    tables: tuple[Literal["pixels", "verdicts"], ...] = ("pixels", "verdicts")
    """What to measure."""
    train_images: int = 500
    """Training images a class, drawn anew for each seed."""
    test_images: int = 1000
    """Test images a class."""
    seeds: int = 3
    """Classifiers trained on other images."""
    work_dir: str = "benchmarks/work/decoders"
    """Features of the images by decoder."""
    results_dir: str = "benchmarks/results"
    """Where the tables are written."""


def by_pillow(file: bytes) -> np.ndarray:
    """Pixels, uint8 of shape `(height, width, 3)`."""
    return pillow_jpeg.decode(file)


def by_tensorflow(**settings) -> Decoder:
    """The same of TensorFlow with these settings."""
    return lambda file: tf.io.decode_jpeg(file, channels=3, **settings).numpy()


def compare_pixels(photographs: list[np.ndarray]) -> list[list]:
    """Rows: decoder, subsampling, quality, what differs from Pillow's."""
    layer, rows = SRMLayerV3(), []
    for subsampling in ("4:2:0", "4:4:4"):
        for quality in QUALITIES:
            files = [
                pillow_jpeg.encode(pixels, quality, subsampling)
                for pixels in photographs
            ]
            expected = [by_pillow(file) for file in files]
            residuals = [keras.ops.convert_to_numpy(layer(x[None])) for x in expected]
            for name, settings in DECODERS.items():
                decode = by_tensorflow(**settings)
                counts = np.zeros(4, int)
                largest = 0
                for file, pixels, of_pillow in zip(
                    files, expected, residuals, strict=True
                ):
                    opened = decode(file)
                    difference = abs(opened.astype(int) - pixels)
                    ours = keras.ops.convert_to_numpy(layer(opened[None]))
                    counts += [
                        difference.any(-1).sum(),
                        difference[..., 0].size,
                        (ours != of_pillow).sum(),
                        ours.size,
                    ]
                    largest = max(largest, int(difference.max()))
                rows.append(
                    [
                        name,
                        subsampling,
                        quality,
                        f"{counts[0] / counts[1]:.1%}",
                        largest,
                        f"{counts[2] / counts[3]:.1%}",
                    ]
                )
                print(*rows[-1], sep="\t", flush=True)
    return rows


def read_features(benchmark: Benchmark, name: str, decode: Decoder, split: str):
    """Features of the first images of a split, real ones first, and their labels."""
    count = benchmark.test_images
    if split == "train":
        count = benchmark.train_images * benchmark.seeds
    paths = [
        path
        for label in CLASS_NAMES
        for path in sorted((Path(benchmark.faces) / split / label).glob("*.jpg"))[
            :count
        ]
    ]
    labels = np.repeat([0, 1], len(paths) // 2)
    kept = Path(benchmark.work_dir) / f"{name}_{split}_{len(paths)}.npy"
    if not kept.exists():
        bank = SRMFilterBank("v3", threshold=None, data_format="channels_last")
        features = [features_of(decode(path.read_bytes()), bank) for path in paths]
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as partial, partial.open("wb") as file:
            np.save(file, np.array(features, "float32"))
        print(kept.stem, flush=True)
    return np.load(kept), labels


def compare_verdicts(benchmark: Benchmark) -> list[list]:
    """Rows: how it was trained, how it is used, AUC and accuracy, and what is lost."""
    decoders = {
        PILLOW: ("pillow", by_pillow),
        BY_DEFAULT: ("default", by_tensorflow()),
    }
    tests = {
        name: read_features(benchmark, stem, decode, "test")
        for name, (stem, decode) in decoders.items()
    }
    rows = []
    for trained, (stem, decode) in decoders.items():
        features, labels = read_features(benchmark, stem, decode, "train")
        scores: dict[str, list[list[float]]] = {name: [] for name in decoders}
        for seed in range(benchmark.seeds):
            chosen = np.arange(len(labels)) % benchmark.seeds == seed
            classifier = make_pipeline(
                StandardScaler(), LogisticRegression(C=1e-2, solver="newton-cholesky")
            ).fit(features[chosen], labels[chosen])
            for used, (of_test, truth) in tests.items():
                logits = classifier.decision_function(of_test)
                scores[used].append(
                    [
                        float(roc_auc_score(truth, logits)),
                        float(accuracy_score(truth, logits > 0)),
                        float(np.mean(logits > 0)),
                    ]
                )
        for used, values in scores.items():
            mean = np.mean(values, 0)
            lost = np.subtract(scores[trained], values)
            rows.append(
                [
                    trained,
                    used,
                    *(f"{value:.3f}" for value in mean[:2]),
                    *(
                        f"{lost[:, k].mean():.3f} ({lost[:, k].min():.3f} to "
                        f"{lost[:, k].max():.3f})"
                        if used != trained
                        else None
                        for k in (0, 1)
                    ),
                    f"{mean[2]:.0%}",
                ]
            )
            print(*rows[-1], sep="\t", flush=True)
    return rows


def main(benchmark: Benchmark) -> None:
    """Writes the tables."""
    if "pixels" in benchmark.tables:
        write_pixels(benchmark)
    if "verdicts" in benchmark.tables:
        write_verdicts(benchmark)


def write_pixels(benchmark: Benchmark) -> None:
    """What differs on photographs."""
    paths = sorted(Path(benchmark.photographs).glob("*.png"))
    photographs = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    write_result(
        f"{benchmark.results_dir}/decoders.json",
        title="Decoders beside Pillow",
        what=f"{len(paths)} lossless photographs, saved by Pillow and opened by "
        "TensorFlow. Residuals are those of `SRMLayerV3`, truncated at 3 grey levels.",
        columns=[
            "decoder",
            "subsampling",
            "quality",
            "pixels that differ",
            "largest difference",
            "residuals that differ",
        ],
        rows=compare_pixels(photographs),
        notes="A pixel differs if one of its colours does.",
    )


def write_verdicts(benchmark: Benchmark) -> None:
    """What a detector loses on faces."""
    write_result(
        f"{benchmark.results_dir}/decoders_verdicts.json",
        title="A detector behind another decoder",
        what="A linear classifier on co-occurrences of residuals of deepfaked faces, "
        f"trained on {benchmark.train_images} images a class and tested on "
        f"{benchmark.test_images} (JPEG, quality 75, 4:2:0), with pixels of Pillow or "
        f"of TensorFlow's defaults. Means of {benchmark.seeds} classifiers that were "
        "trained on other images.",
        columns=[
            "trained behind",
            "used behind",
            "AUC",
            "accuracy",
            "AUC lost",
            "accuracy lost",
            "called fake",
        ],
        rows=compare_verdicts(benchmark),
        notes="Lost: against the decoder that it was trained behind, with the least "
        "and the most of the classifiers. Half of the test images are fake.",
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
