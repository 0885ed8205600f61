"""How well do rich models detect embedding, and does the extractor matter?

    KERAS_BACKEND=torch python -m benchmarks.rich_models.detection \\
        --data-dir data/bsds500 --features-dir DIR

Needs the extra `reference`. Crops of photographs, and the same after an embedding, are
told apart by the ensemble of Fisher discriminants that the published experiments use.
Features take most of the time: they are kept in `--features-dir`.
"""

import dataclasses
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.intervals import bootstrap_mean
from benchmarks.record import write_result
from examples.deepfake_v3.files.files import replacing
from keras_forensics import jpeg
from keras_forensics.layers import (
    DCTRFeatures,
    GFRFeatures,
    SPAMFeatures,
    SRMFeatures,
)
from test_support.published_rich_models import import_sealwatch

BATCH = 32
KINDS = ("covers", "stegos")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detection:
    """Measure the detection error of an embedding."""

    data_dir: str
    """Folder with the photographs of `train`, `val` and `test` in folders."""
    features_dir: str
    """Where features are kept."""
    side: int = 128
    """Height and width of the crops, one of each photograph and seed."""
    payload: float = 0.4
    """Bits per pixel, or per coefficient of JPEG that is neither 0 nor a mean."""
    quality: int = 75
    """Of the JPEG files, 75 or 95."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of places, messages and ensembles."""
    extractors: tuple[str, ...] = (
        "SPAMFeatures",
        "SRMFeatures, q1",
        "SRMFeatures, full",
        "sealwatch, SPAM",
        "DCTRFeatures",
        "GFRFeatures",
        "sealwatch, DCTR",
    )
    """Which of `EXTRACTORS`."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as steganalysis.json."""


@dataclasses.dataclass(frozen=True)
class Extractor:
    """Features of images `(images, height, width)`.

    Attributes:
        extract: Computes them, given the quality of JPEG files.
        embedding: What they are to detect: one of `EMBEDDINGS`.
    """

    extract: Callable[[np.ndarray, int], np.ndarray]
    embedding: str = "HILL"


def with_layer(make, embedding="HILL") -> Extractor:
    """An extractor that is a layer, made for the quality of JPEG files."""

    def extract(images, quality):
        layer = make(quality)
        return np.concatenate(
            [
                keras.ops.convert_to_numpy(
                    layer(images[start : start + BATCH, ..., None])
                )
                for start in range(0, len(images), BATCH)
            ]
        )

    return Extractor(extract, embedding)


def with_sealwatch(function, embedding="HILL") -> Extractor:
    """An extractor that is a function of the package, of one image and the quality."""

    def extract(images, quality):
        sealwatch = import_sealwatch()
        with sealwatch.BACKEND_RUST:
            rows = [function(sealwatch, image, quality) for image in images]
        return np.array([np.concatenate([*row.values()]) for row in rows])

    return Extractor(extract, embedding)


def dctr_of_sealwatch(sealwatch, image, quality):
    step = DCTRFeatures(quality).step
    return sealwatch.dctr.extract(image - 128, q=step)


EXTRACTORS = {
    "SPAMFeatures": with_layer(lambda _: SPAMFeatures()),
    "SRMFeatures, q1": with_layer(lambda _: SRMFeatures("q1")),
    "SRMFeatures, full": with_layer(lambda _: SRMFeatures()),
    "sealwatch, SPAM": with_sealwatch(
        lambda package, image, _: package.spam.extract(image)
    ),
    "sealwatch, SRM q1": with_sealwatch(
        lambda package, image, _: package.srmq1.extract(image)
    ),
    "DCTRFeatures": with_layer(DCTRFeatures, "J-UNIWARD"),
    "GFRFeatures": with_layer(GFRFeatures, "J-UNIWARD"),
    "sealwatch, DCTR": with_sealwatch(dctr_of_sealwatch, "J-UNIWARD"),
}


def draw_crops(folders: list[Path], side: int, seed: int) -> np.ndarray:
    """One crop of each photograph, uint8 of shape `(photographs, side, side)`."""
    random = np.random.default_rng(seed)
    crops = []
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        grey = np.array(Image.open(path).convert("L"))
        top, left = (random.integers(size - side + 1) for size in grey.shape)
        crops.append(grey[top : top + side, left : left + side])
    return np.stack(crops)


def hide_in_pixels(
    crops: np.ndarray, detection: Detection, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Covers, and what HILL at its optimum makes of them."""
    import conseal

    return crops, np.stack(
        [
            conseal.hill.simulate_single_channel(
                cover, detection.payload, seed=[seed, number]
            )
            for number, cover in enumerate(crops)
        ]
    )


def hide_in_coefficients(
    crops: np.ndarray, detection: Detection, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unrounded pixels of JPEG files, and what J-UNIWARD makes of them."""
    import conseal

    decompress = import_sealwatch().tools.jpeg.decompress
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cover.jpg"
        for number, crop in enumerate(crops):
            Image.fromarray(crop).save(path, quality=detection.quality)
            file = jpeg.read_coefficients(path)
            cover, table = file.coefficients[0], file.tables[0]
            stego = conseal.juniward.simulate_single_channel(
                np.array(Image.open(path)),
                cover,
                table,
                detection.payload,
                seed=[seed, number],
            )
            pairs.append([decompress(each, table) for each in (cover, stego)])
    covers, stegos = np.array(pairs).swapaxes(0, 1)
    return covers, stegos


EMBEDDINGS = {"HILL": hide_in_pixels, "J-UNIWARD": hide_in_coefficients}
"""Functions of crops, options and seed, to covers and images with a message."""


def find_features(
    detection: Detection, extractor: str, seed: int
) -> dict[str, np.ndarray]:
    """Features of covers and of images with a message, of training and test."""
    kept = Path(detection.features_dir) / f"{extractor} {seed}.npz"
    if not kept.exists():
        chosen, found = EXTRACTORS[extractor], {}
        for split, names in {"train": ("train", "val"), "test": ("test",)}.items():
            folders = [Path(detection.data_dir) / name for name in names]
            crops = draw_crops(folders, detection.side, seed)
            hide, extract = EMBEDDINGS[chosen.embedding], chosen.extract
            for kind, images in zip(KINDS, hide(crops, detection, seed), strict=True):
                found[f"{split} {kind}"] = extract(images, detection.quality)
        with replacing(kept) as partial, partial.open("wb") as file:
            np.savez(file, **found)
    with np.load(kept) as arrays:
        return dict(arrays)


def train_ensemble(negative: np.ndarray, positive: np.ndarray, seed: int):
    """The ensemble of sealwatch, which calls rows like the second ones 1."""
    trainer = import_sealwatch().ensemble_classifier.FldEnsembleTrainer(
        *(np.ascontiguousarray(each, "float64") for each in (negative, positive)),
        seed=seed,
        verbose=0,
    )
    ensemble, _ = trainer.train()
    return ensemble


def find_wrong(features: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """The share of wrong calls `(photographs,)`: 0, 0.5 or 1 of cover and stego."""
    ensemble = train_ensemble(*(features[f"train {kind}"] for kind in KINDS), seed)
    called = {kind: ensemble.predict(features[f"test {kind}"]) for kind in KINDS}
    return np.mean([called["covers"] == 1, called["stegos"] == -1], axis=0)


def main(detection: Detection) -> None:
    """Measures all extractors and writes the table."""
    rows = []
    for extractor in detection.extractors:
        wrong = []
        for seed in detection.seeds:
            features = find_features(detection, extractor, seed)
            wrong.append(find_wrong(features, seed))
            print(extractor, seed, wrong[-1].mean(), flush=True)
        photographs = np.tile(np.arange(len(wrong[0])), len(wrong))
        every = np.concatenate(wrong)
        low, high = bootstrap_mean(every, photographs)
        errors = [float(each.mean()) for each in wrong]
        rows.append(
            [
                EXTRACTORS[extractor].embedding,
                extractor,
                features["test covers"].shape[1],
                statistics.fmean(errors),
                f"{low:.3f} to {high:.3f}",
                ", ".join(f"{error:.4f}" for error in errors),
            ]
        )
    pairs = {split: len(features[f"{split} covers"]) for split in ("train", "test")}
    write_result(
        Path(detection.results_dir) / "steganalysis.json",
        title="Detection error of rich models",
        what=(
            f"HILL at {detection.payload:g} bits per pixel, and J-UNIWARD at as many "
            "bits per coefficient that is not 0, in JPEG files of quality "
            f"{detection.quality}; grey crops of {detection.side} pixels a side. The "
            "mean of false alarms and missed detections of the ensemble of Fisher "
            "discriminants of sealwatch, as it chooses its own size, trained on "
            f"{pairs['train']} pairs and tested on {pairs['test']} of other "
            "photographs. Means over seeds of places, messages and ensembles, with the "
            "95% interval of a bootstrap of photographs, and the error of each seed."
        ),
        columns=[
            "embedding",
            "features",
            "number",
            "detection error",
            "interval",
            "by seed",
        ],
        rows=rows,
        notes=(
            "Published errors are smaller: they are of ten times as many photographs, "
            "larger, and of photographs that were never compressed before, whereas "
            "these were JPEG files of quality 95."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Detection))
