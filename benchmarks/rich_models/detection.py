"""How well do rich models detect embedding, and does the extractor matter?

    KERAS_BACKEND=torch python -m benchmarks.rich_models.detection \\
        --data-dir data/bsds500 --features-dir DIR

Needs the extra `reference`. Crops of photographs, and the same after an embedding, are
told apart by the ensemble of Fisher discriminants that the published experiments use.
Features take most of the time: they are kept in `--features-dir`.
"""

import dataclasses
import statistics
from pathlib import Path

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.record import write_result
from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.files.files import replacing
from keras_forensics.layers import SPAMFeatures, SRMFeatures
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
    """Bits per pixel."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of places, messages and ensembles."""
    extractors: tuple[str, ...] = ("SPAMFeatures", "SRMFeatures, q1", "sealwatch, SPAM")
    """Which of `EXTRACTORS`."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as steganalysis.json."""


def with_layer(make):
    """An extractor of images `(images, height, width)`."""

    def extract(images):
        layer = make()
        return np.concatenate(
            [
                keras.ops.convert_to_numpy(
                    layer(images[start : start + BATCH, ..., None])
                )
                for start in range(0, len(images), BATCH)
            ]
        )

    return extract


def spam_of_sealwatch(images):
    sealwatch = import_sealwatch()
    with sealwatch.BACKEND_RUST:
        rows = [[*sealwatch.spam.extract(image).values()] for image in images]
    return np.array([np.concatenate(row) for row in rows])


EXTRACTORS = {
    "SPAMFeatures": with_layer(SPAMFeatures),
    "SRMFeatures, q1": with_layer(lambda: SRMFeatures("q1")),
    "SRMFeatures, full": with_layer(SRMFeatures),
    "sealwatch, SPAM": spam_of_sealwatch,
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


def embed(covers: np.ndarray, payload: float, seed: int) -> np.ndarray:
    """Simulates HILL at its optimum in every cover."""
    import conseal

    return np.stack(
        [
            conseal.hill.simulate_single_channel(cover, payload, seed=[seed, number])
            for number, cover in enumerate(covers)
        ]
    )


def find_features(
    detection: Detection, extractor: str, seed: int
) -> dict[str, np.ndarray]:
    """Features of covers and of images with a message, of training and test."""
    kept = Path(detection.features_dir) / f"{extractor} {seed}.npz"
    if not kept.exists():
        found = {}
        for split, names in {"train": ("train", "val"), "test": ("test",)}.items():
            folders = [Path(detection.data_dir) / name for name in names]
            covers = draw_crops(folders, detection.side, seed)
            stegos = embed(covers, detection.payload, seed)
            found[f"{split} covers"] = EXTRACTORS[extractor](covers)
            found[f"{split} stegos"] = EXTRACTORS[extractor](stegos)
        with replacing(kept) as partial, partial.open("wb") as file:
            np.savez(file, **found)
    with np.load(kept) as arrays:
        return dict(arrays)


def find_wrong(features: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """The share of wrong calls `(photographs,)`: 0, 0.5 or 1 of cover and stego."""
    trainer = import_sealwatch().ensemble_classifier.FldEnsembleTrainer(
        *(np.ascontiguousarray(features[f"train {kind}"], "float64") for kind in KINDS),
        seed=seed,
        verbose=0,
    )
    ensemble, _ = trainer.train()
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
        interval = bootstrap(
            lambda weights, every=every: {
                "error": weights @ every / weights.sum(axis=1)
            },
            photographs,
        )["error"]
        assert interval is not None
        errors = [float(each.mean()) for each in wrong]
        rows.append(
            [
                extractor,
                features["test covers"].shape[1],
                statistics.fmean(errors),
                f"{interval[0]:.3f} to {interval[1]:.3f}",
                ", ".join(f"{error:.4f}" for error in errors),
            ]
        )
    pairs = {split: len(features[f"{split} covers"]) for split in ("train", "test")}
    write_result(
        Path(detection.results_dir) / "steganalysis.json",
        title="Detection error of rich models",
        what=(
            f"HILL at {detection.payload:g} bits per pixel, in grey crops of "
            f"{detection.side} pixels a side: the mean of false alarms and missed "
            "detections of the ensemble of Fisher discriminants of sealwatch, as it "
            f"chooses its own size, trained on {pairs['train']} pairs and tested on "
            f"{pairs['test']} of other photographs. Means over seeds of places, "
            "messages and ensembles, with the 95% interval of a bootstrap of "
            "photographs, and the error of each seed."
        ),
        columns=["features", "number", "detection error", "interval", "by seed"],
        rows=rows,
        notes=(
            "Published errors are smaller: they are of ten times as many photographs, "
            "larger, and never compressed, whereas these are JPEG files of quality 95."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Detection))
