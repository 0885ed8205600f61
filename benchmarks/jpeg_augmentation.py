"""What training on compressed images buys, and what it costs.

    python -m benchmarks.jpeg_augmentation --name faces --data-dir DIR --weights FILE

The recipe with a frozen backbone, at equal budget, with `--jpeg-augment` and without.
Scores of val and test, as they are and changed, are kept for each run as it ends, so
that a run of this file goes on where the last one stopped.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tyro
from sklearn.metrics import roc_auc_score

from benchmarks.accuracy.__main__ import Benchmark as Training
from benchmarks.accuracy.__main__ import rounded, train
from benchmarks.accuracy.fused import fused_batch_normalization
from benchmarks.accuracy.images import group_of_each, read_images
from benchmarks.record import refuse_other_settings, write_result
from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.evaluation.robustness import Changed
from examples.deepfake_v3.evaluation.weighted_metrics import weighted_metrics
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.pipeline import PixelCache, make_dataset
from examples.deepfake_v3.loading.processing import compress, compress_on_another_grid
from examples.deepfake_v3.options.choices import JpegPer
from examples.deepfake_v3.options.training import TrainingOptions

CHANGES: dict[str, tuple[Callable[..., np.ndarray], int] | None] = {
    "as they are": None,
    **{f"quality {quality}": (compress, quality) for quality in (90, 75, 50, 30)},
    "75, other grid": (compress_on_another_grid, 75),
}
"""Changes of the images that are scored: a function and its level."""

CACHE = 2.0  # GB of decoded images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Train with and without compression, and score compressed images."""

    name: str
    """Of the data set, for the file of results."""
    data_dir: str
    """Images, as data_dir/{train,val,test}/{real,fake}."""
    weights: str
    """MobileNetV2 weights, a .h5 file."""
    shares: tuple[float, ...] = (0.0, 0.5)
    """Shares of the training images that are compressed."""
    per: JpegPer = "image"
    """Whether each image is compressed in its own way, or each batch."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order and augmentation."""
    image_size: int = 224
    """Side of the input in pixels."""
    visual_size: int | None = None
    """Side to which the visual stream scales it; left out: not at all."""
    epochs: int = 3
    """Epochs with a frozen backbone."""
    images_per_class: int | None = None
    """Training images a class; left out: all."""
    scored_per_class: int = 500
    """Images a class of val and of test that are scored."""
    work_dir: str = "benchmarks/work/jpeg_augmentation"
    """Unfinished runs, and the scores of finished ones."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as jpeg_augmentation_<name>.json."""


def score(
    model: keras.Model,
    images: ImageList,
    cache: PixelCache,
    change: tuple[Callable[..., np.ndarray], int] | None,
) -> list[float]:
    """What a model says of images, as they are or changed."""
    size = model.input_shape[1]
    changed = cache if change is None else Changed(cache, *change, size)
    dataset = make_dataset(
        images, image_size=size, batch_size=64, training=False, cache=changed
    )
    return rounded(np.ravel(model.predict(dataset, verbose=0)))


def run_once(
    benchmark: Benchmark,
    images: dict[str, ImageList],
    share: float,
    seed: int,
    kept: Path,
) -> None:
    """Trains once, and keeps all scores."""
    work = kept.with_suffix("")
    training = Training(
        name=benchmark.name,
        data_dir=(benchmark.data_dir,),
        weights=benchmark.weights,
        image_size=benchmark.image_size,
        visual_size=benchmark.visual_size,
        frozen_epochs=benchmark.epochs,
        stage_epochs=(0, 0, 0),
        options=TrainingOptions(
            seed=seed,
            jpeg_augment=share,
            jpeg_augment_per=benchmark.per,
            max_images_per_class=benchmark.images_per_class,
            log_dir=str(work),
            verbose=2,
        ),
    )
    with fused_batch_normalization():
        model, _ = train(training, "detector", images, training.options, work)
    with PixelCache(CACHE) as cache:
        scores = {
            split: {
                name: score(model, scored_images(benchmark, images, split), cache, each)
                for name, each in CHANGES.items()
            }
            for split in ("val", "test")
        }
    with replacing(kept) as partial:
        partial.write_text(json.dumps(settings_of(benchmark) | scores) + "\n")
    shutil.rmtree(work)


def settings_of(benchmark: Benchmark) -> dict:
    """What all runs of a table have in common, as JSON would give it back."""
    names = ("image_size", "visual_size", "epochs", "images_per_class", "per")
    settings = {name: getattr(benchmark, name) for name in (*names, "scored_per_class")}
    return {"settings": settings | {"backend": keras.backend.backend()}}


def read_run(kept: Path, benchmark: Benchmark) -> dict:
    """Scores of a finished run.

    Raises:
        ValueError: If it had other settings.
    """
    run = json.loads(kept.read_text())
    wanted = settings_of(benchmark)["settings"]
    refuse_other_settings(kept, run["settings"], wanted, "name")
    return run


def scored_images(
    benchmark: Benchmark, images: dict[str, ImageList], split: str
) -> ImageList:
    """The images of a split that are scored, the same in every run."""
    return images[split].limited(benchmark.scored_per_class, seed=0)


def describe(
    benchmark: Benchmark, images: ImageList, scores: dict[float, list[dict]]
) -> list[list]:
    """A row for each change: AUC of each share, and what compression adds."""
    groups = group_of_each((benchmark.data_dir,), images)
    _, clusters = np.unique(groups, return_inverse=True)
    rows = []
    for name in CHANGES:
        cells: list = [name]
        for share in scores:
            aucs = aucs_of(images, scores[share], "test", name)
            cells.append(f"{np.mean(aucs):.3f} ± {np.std(aucs, ddof=1):.3f}")
        for share in list(scores)[1:]:
            gain, interval = difference(
                images.labels, clusters, scores[0.0], scores[share], name
            )
            cells += [f"{gain:+.3f}", f"{interval[0]:+.3f} to {interval[1]:+.3f}"]
        rows.append(cells)
    return rows


def aucs_of(images: ImageList, runs: list[dict], split: str, name: str) -> list[float]:
    """AUC of each run, on the images of a split, changed in one way."""
    return [float(roc_auc_score(images.labels, run[split][name])) for run in runs]


def difference(labels, clusters, without, with_compression, name: str):
    """Mean gain of AUC over the seeds, and its interval over images."""

    def aucs(run, weights):
        scores = np.array(run["test"][name])
        return weighted_metrics(labels, scores, 0.5, weights)["auc_roc"]

    def gain(weights):
        pairs = zip(without, with_compression, strict=True)
        gains = [aucs(late, weights) - aucs(early, weights) for early, late in pairs]
        return {"gain": np.mean(gains, axis=0)}

    interval = bootstrap(gain, clusters)["gain"]
    assert interval is not None
    return float(gain(np.ones((1, len(labels))))["gain"][0]), interval


def val_aucs(
    benchmark: Benchmark, images: ImageList, scores: dict[float, list[dict]]
) -> dict[str, dict[str, float]]:
    """Mean AUC of val by share and change, by which a default may be chosen."""
    return {
        f"{share:g}": {
            name: round(float(np.mean(aucs_of(images, runs, "val", name))), 4)
            for name in CHANGES
        }
        for share, runs in scores.items()
    }


def main(benchmark: Benchmark) -> None:
    """Makes the runs that are missing, and the table of all."""
    if 0.0 not in benchmark.shares:
        raise ValueError(
            "`shares` must contain 0, with which the others are compared. "
            f"Received: shares={benchmark.shares}"
        )
    images = read_images((benchmark.data_dir,))
    folder = Path(benchmark.work_dir) / benchmark.name
    folder.mkdir(parents=True, exist_ok=True)
    scores: dict[float, list[dict]] = {share: [] for share in sorted(benchmark.shares)}
    for seed in benchmark.seeds:
        for share in scores:
            kept = folder / f"share {share:g} seed {seed}.json"
            if not kept.exists():
                keras.backend.clear_session()
                run_once(benchmark, images, share, seed, kept)
            scores[share].append(read_run(kept, benchmark))
            print(share, seed, flush=True)
    test = scored_images(benchmark, images, "test")
    val = scored_images(benchmark, images, "val")
    gains = [
        column
        for share in list(scores)[1:]
        for column in (f"gain of {share:g}", "interval")
    ]
    write_result(
        Path(benchmark.results_dir) / f"jpeg_augmentation_{benchmark.name}.json",
        title=f"Training on compressed images: {benchmark.name}",
        what=(
            f"The detector with a frozen backbone, {benchmark.epochs} epochs, the "
            f"epoch chosen on val. Test AUC of {len(test.paths)} images, as they are "
            "and compressed once more, without `--jpeg-augment` and with these shares "
            f"of the training images compressed, each {benchmark.per} in its own way: "
            f"mean and deviation over {len(benchmark.seeds)} seeds, and the gain "
            "with its 95% interval of a bootstrap of images."
        ),
        columns=["test images", *(f"share {share:g}" for share in scores), *gains],
        rows=describe(benchmark, test, scores),
        notes="All images of both classes had been compressed at quality 75.",
        val=val_aucs(benchmark, val, scores),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
