"""How well do rich models tell generated images from photographs?

    KERAS_BACKEND=torch python -m benchmarks.rich_models.generated \\
        --data-dir data/cifake --features-dir DIR

Needs the extra `reference`. The extractors and the ensemble are those of
`benchmarks.rich_models.detection`, with generated images in the place of those with a
message.
"""

import dataclasses
import statistics
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from benchmarks.accuracy.images import group_of_each, read_images
from benchmarks.intervals import bootstrap_mean
from benchmarks.record import write_result
from benchmarks.rich_models.detection import EXTRACTORS, train_ensemble
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import ImageList


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generated:
    """Measure the detection error of generated images."""

    data_dir: str
    """Images of one size, as data_dir/{train,val,test}/{real,fake}."""
    features_dir: str
    """Where features are kept."""
    train_images: int = 1000
    """Training images a class."""
    test_images: int = 500
    """Test images a class."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of ensembles."""
    extractors: tuple[str, ...] = ("SPAMFeatures", "SRMFeatures, q1")
    """Which of `EXTRACTORS`."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as generated_images_<folder>.json."""


def find_features(generated: Generated, extractor: str, split: str, images: ImageList):
    """Features of the grey levels of images, in their order."""
    folder = Path(generated.data_dir).name
    stem = f"{extractor} {folder} {split} {len(images.paths)}"
    kept = Path(generated.features_dir) / f"{stem}.npy"
    if not kept.exists():
        grey = [np.array(Image.open(path).convert("L")) for path in images.paths]
        features = EXTRACTORS[extractor].extract(np.stack(grey), 0)
        with replacing(kept) as partial, partial.open("wb") as file:
            np.save(file, features)
    return np.load(kept)


def find_errors(
    generated: Generated, features: dict[str, np.ndarray], images: dict[str, ImageList]
) -> np.ndarray:
    """Whether each seed's ensemble is wrong, `(seeds, test images)`."""
    fake = images["train"].labels == 1
    wrong = []
    for seed in generated.seeds:
        ensemble = train_ensemble(
            features["train"][~fake], features["train"][fake], seed
        )
        called_fake = ensemble.predict(features["test"]) == 1
        wrong.append(called_fake != (images["test"].labels == 1))
    return np.array(wrong, float)


def describe(extractor: str, number: int, wrong: np.ndarray, clusters) -> list:
    """A row of the table."""
    each = wrong.mean(axis=0)
    low, high = bootstrap_mean(each, clusters)
    errors = [float(error) for error in wrong.mean(axis=1)]
    return [
        extractor,
        number,
        statistics.fmean(errors),
        f"{low:.3f} to {high:.3f}",
        ", ".join(f"{error:.4f}" for error in errors),
    ]


def main(generated: Generated) -> None:
    """Measures all extractors and writes the table."""
    counts = {"train": generated.train_images, "test": generated.test_images}
    everything = read_images((generated.data_dir,))
    images = {
        split: everything[split].limited(count, seed=0)
        for split, count in counts.items()
    }
    groups = group_of_each((generated.data_dir,), images["test"])
    _, clusters = np.unique(groups, return_inverse=True)
    rows = []
    for extractor in generated.extractors:
        features = {
            split: find_features(generated, extractor, split, some)
            for split, some in images.items()
        }
        wrong = find_errors(generated, features, images)
        rows.append(describe(extractor, features["test"].shape[1], wrong, clusters))
        print(*rows[-1], sep="\t", flush=True)
    folder = Path(generated.data_dir).name
    width, height = Image.open(images["test"].paths[0]).size
    write_result(
        Path(generated.results_dir) / f"generated_images_{folder}.json",
        title=f"Detection error of generated images: {folder}",
        what=(
            f"Grey levels of images of {width}x{height} pixels. The mean of false "
            "alarms and missed detections of the ensemble of Fisher discriminants of "
            f"sealwatch, trained on {len(images['train'].paths)} images and tested on "
            f"{len(images['test'].paths)}, half of them generated. Means over seeds of "
            "ensembles, with the 95% interval of a bootstrap of test images, by group "
            "where the folder has groups, and the error of each seed."
        ),
        columns=["features", "number", "detection error", "interval", "by seed"],
        rows=rows,
    )


if __name__ == "__main__":
    main(tyro.cli(Generated))
