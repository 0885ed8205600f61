"""A detector's scores of the images of one directory, and what they amount to."""

import dataclasses
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypedDict

import keras
import numpy as np

from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.evaluation.metrics import compute_metrics
from examples.deepfake_v3.evaluation.weighted_metrics import weighted_metrics
from examples.deepfake_v3.loading import groups as grouping
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.loading.pipeline import PixelCache, make_dataset
from examples.deepfake_v3.options.choices import Pipeline


class Measured(TypedDict):
    """A value with its 95 % interval, None where there is none."""

    value: float
    low: float | None
    high: float | None


def measured(value: float, interval: tuple[float, float] | None) -> Measured:
    """A value with an interval from `bootstrap`."""
    low, high = interval or (None, None)
    return {"value": value, "low": low, "high": high}


@dataclasses.dataclass(frozen=True)
class Scored:
    """Scores of the images that could be read.

    Attributes:
        paths: The files.
        labels: Integer array of the same length, real = 0 and fake = 1.
        scores: Probabilities of fake, float64.
        clusters: Integer array, equal for images that belong together.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray
    scores: np.ndarray
    clusters: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def only(self, paths: Collection[Path]) -> "Scored":
        """Those of `paths`, in their order here."""
        wanted = set(paths)
        chosen = np.array([path in wanted for path in self.paths], bool)
        return Scored(
            tuple(path for path in self.paths if path in wanted),
            self.labels[chosen],
            self.scores[chosen],
            self.clusters[chosen],
        )

    def counts(self) -> dict[str, int]:
        """Images by class, and the clusters that an interval is drawn from."""
        real, fake = np.bincount(self.labels, minlength=2).tolist()
        clusters = len(np.unique(self.clusters))
        return {"real": real, "fake": fake, "clusters": clusters}

    def measure(self, threshold: float) -> dict[str, Measured]:
        """The metrics of `weighted_metrics` with their intervals.

        Of images of one class, the share that is called right alone: "specificity" or
        "recall", which is the "accuracy", too.
        """
        classes = np.unique(self.labels)
        if len(classes) == 1:
            right = (self.scores >= threshold) == classes[0]
            share = bootstrap(
                lambda weights: {"right": weights @ right / weights.sum(axis=1)},
                self.clusters,
            )["right"]
            return {
                name: measured(float(right.mean()), share)
                for name in ("accuracy", ("specificity", "recall")[classes[0]])
            }
        values = compute_metrics(self.labels, self.scores, threshold)
        intervals = bootstrap(
            lambda weights: weighted_metrics(
                self.labels, self.scores, threshold, weights
            ),
            self.clusters,
        )
        return {
            name: measured(values[name], interval)
            for name, interval in intervals.items()
        }


def run_on_images(
    model: keras.Model,
    images: ImageList,
    lost: LostImages,
    *,
    batch_size: int,
    pipeline: Pipeline = "auto",
    cache: PixelCache | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What a model says of images, each cropped at the centre.

    Args:
        model: The detector, or a part of it.
        images: The images.
        lost: What becomes of images that can no longer be read; none is replaced, or
            another would count twice.
        batch_size: Images per prediction step.
        pipeline: Input pipeline.
        cache: Memory for decoded images; none by default.

    Returns:
        `(outputs, read)`: float64 `(images read, outputs)`, and which images they are
        of, a boolean array over all of them.
    """
    dataset = make_dataset(
        images,
        image_size=model.input_shape[1],
        batch_size=batch_size,
        training=False,
        pipeline=pipeline,
        cache=cache,
        lost=lost,
    )
    # A bar on a terminal only, not in log files.
    verbose = 1 if sys.stdout.isatty() else 0
    with lost.ending_readably():
        outputs = np.asarray(model.predict(dataset, verbose=verbose), np.float64)
    read = ~lost.marked(images)
    return outputs[read], read


class Scorer:
    """Lets detectors score the images of one directory.

    Args:
        root: The directory, in which `groups.csv` may name what belongs together.
        images: The images that intervals are wanted for.
        batch_size: Images per prediction step.
        pipeline: Input pipeline.
        report_path: The quarantine report, to which lost images are added.

    Raises:
        ValueError: If `groups.csv` is malformed, or names none of the images.
    """

    def __init__(
        self,
        root: str | Path,
        images: ImageList,
        *,
        batch_size: int,
        pipeline: Pipeline,
        report_path: Path,
    ):
        self.root = Path(root)
        self.batch_size = batch_size
        self.pipeline = pipeline
        # An image in another's place would count twice.
        self.lost = LostImages(report_path, replaced=False)
        self.groups, self.group_source = grouping.find_manifest(
            self.root, [self.name(path) for path in images.paths]
        )

    def name(self, path: Path) -> str:
        """The file's path below the directory, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def __call__(
        self, model: keras.Model, images: ImageList, cache: PixelCache | None = None
    ) -> Scored:
        """Scores images; those that can no longer be read are left out."""
        outputs, read = run_on_images(
            model,
            images,
            self.lost,
            batch_size=self.batch_size,
            pipeline=self.pipeline,
            cache=cache,
        )
        paths = tuple(
            path for path, kept in zip(images.paths, read, strict=True) if kept
        )
        clusters = self._clusters(paths)
        return Scored(paths, images.labels[read], outputs[:, 0], clusters)

    def _clusters(self, paths: Sequence[Path]) -> np.ndarray:
        return grouping.units([self.groups.get(self.name(path)) for path in paths], [])
