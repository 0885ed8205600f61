"""What `--process-augment` buys the recipe's own detector on a generator never seen.

    python -m benchmarks.generators.recipe --pairs-dir DIR --hard-negatives-dir DIR \\
        --weights FILE --generators NAME [NAME ...]

The recipe with a frozen backbone and then with its last 80 layers, on all generators of
a folder but one, at equal budget with and without classical processing of the training
images. Scores of each run are kept as it ends, so that a run of this file goes on where
the last one stopped.
"""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tyro
from sklearn.metrics import roc_auc_score

from benchmarks.accuracy.__main__ import Benchmark as Training
from benchmarks.accuracy.__main__ import rounded, train
from benchmarks.accuracy.fused import fused_batch_normalization
from benchmarks.record import refuse_other_settings, write_result
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import CLASS_NAMES, ImageList
from examples.deepfake_v3.loading.pipeline import make_dataset
from examples.deepfake_v3.options.training import TrainingOptions

FALSE_ALARMS = 0.05  # of real images of val, as they are


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Train the recipe with and without processing, and leave one generator out."""

    pairs_dir: str
    """Pairs, as pairs_dir/generator/{train,val,test}/{real,fake}."""
    hard_negatives_dir: str
    """Processed photographs, as hard_negatives_dir/kind/{train,val,test}/real."""
    weights: str
    """MobileNetV2 weights, a .h5 file."""
    generators: tuple[str, ...]
    """Those that are left out, one at a time."""
    shares: tuple[float, ...] = (0.0, 0.5)
    """Shares of the training images that are processed."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order and augmentation."""
    image_size: int = 128
    """Side of the input in pixels."""
    frozen_epochs: int = 3
    """Epochs with a frozen backbone."""
    last_epochs: int = 3
    """Epochs with the last 80 layers of the backbone."""
    work_dir: str = "benchmarks/work/generators_recipe"
    """Unfinished runs, and the scores of finished ones."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as generators_recipe.json."""


def images_of(folders: Sequence[Path], splits: Sequence[str]) -> ImageList:
    """Images below folders, those of class 0 first.

    Raises:
        ValueError: If there are none.
    """
    found = [
        (path, label)
        for label, name in enumerate(CLASS_NAMES)
        for folder in folders
        for split in splits
        for path in sorted((folder / split / name).glob("*.*"))
    ]
    if not found:
        raise InputError(f"No images in the splits {splits} of {[*map(str, folders)]}.")
    paths, labels = zip(*found, strict=True)
    return ImageList(paths, np.array(labels))


def lists_of(benchmark: Benchmark, generator: str) -> dict[str, ImageList]:
    """Images to train, to choose by and to test, by name; "left out" among them.

    Raises:
        ValueError: If there is no such generator.
    """
    root = Path(benchmark.pairs_dir)
    others = sorted(path for path in root.iterdir() if path.is_dir())
    if root / generator not in others:
        names = ", ".join(path.name for path in others)
        raise InputError(
            f"`generators` must be among {names}. Received: generators={generator!r}"
        )
    others.remove(root / generator)
    kinds = sorted(
        p for p in Path(benchmark.hard_negatives_dir).iterdir() if p.is_dir()
    )
    tested = ("val", "test")
    return {
        "train": images_of(others, ("train",)),
        "val": images_of(others, ("val",)),
        "left out": images_of([root / generator], tested),
        **{kind.name: images_of([kind], tested) for kind in kinds},
    }


def run_once(
    benchmark: Benchmark, generator: str, share: float, seed: int, kept: Path
) -> None:
    """Trains once, and keeps the scores of all but the training images."""
    work = kept.with_suffix("")
    lists = lists_of(benchmark, generator)
    training = Training(
        name=generator,
        data_dir=(benchmark.pairs_dir,),
        weights=benchmark.weights,
        image_size=benchmark.image_size,
        frozen_epochs=benchmark.frozen_epochs,
        stage_epochs=(0, benchmark.last_epochs, 0),
        options=TrainingOptions(
            seed=seed, process_augment=share, log_dir=str(work), verbose=2
        ),
    )
    images = {split: lists[split] for split in ("train", "val")}
    with fused_batch_normalization():
        model, _ = train(training, "detector", images, training.options, work)
    del lists["train"]
    scores = {}
    for name, each in lists.items():
        dataset = make_dataset(
            each, image_size=benchmark.image_size, batch_size=64, training=False
        )
        found = rounded(np.ravel(model.predict(dataset, verbose=0)))
        scores[name] = {"labels": each.labels.tolist(), "scores": found}
    result = {"settings": settings_of(benchmark), "scores": scores}
    with replacing(kept) as partial:
        partial.write_text(json.dumps(result) + "\n")
    shutil.rmtree(work)


def settings_of(benchmark: Benchmark) -> dict:
    """What all runs of a table have in common, as JSON would give it back."""
    names = ("image_size", "frozen_epochs", "last_epochs")
    settings = {name: getattr(benchmark, name) for name in names}
    return settings | {"backend": keras.backend.backend()}


def read_run(kept: Path, benchmark: Benchmark) -> dict:
    """Scores of a finished run.

    Raises:
        ValueError: If it had other settings.
    """
    run = json.loads(kept.read_text())
    wanted = settings_of(benchmark)
    refuse_other_settings(kept, run["settings"], wanted, "work_dir")
    return run["scores"]


def measure(scores: dict[str, dict]) -> dict[str, float]:
    """The AUC of a run on what was left out, and what it calls fake, by name.

    The threshold is for `FALSE_ALARMS` on the real images of val.
    """
    arrays = {
        name: (np.array(each["labels"]), np.array(each["scores"]))
        for name, each in scores.items()
    }
    labels, found = arrays.pop("val")
    threshold = np.quantile(found[labels == 0], 1 - FALSE_ALARMS)
    labels, found = arrays.pop("left out")
    return {
        "AUC": float(roc_auc_score(labels, found)),
        "fakes found": float(np.mean(found[labels == 1] > threshold)),
        "untouched": float(np.mean(found[labels == 0] > threshold)),
        **{
            name: float(np.mean(found > threshold))
            for name, (_, found) in arrays.items()
        },
    }


def describe(runs: Sequence[dict[str, float]]) -> list[str]:
    """Mean and deviation over seeds of each measure."""
    cells = []
    for name in runs[0]:
        values = [run[name] for run in runs]
        digits = 3 if name == "AUC" else 2
        spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.{digits}f}{spread}")
    return cells


def main(benchmark: Benchmark) -> None:
    """Makes the runs that are missing; the table is written after each seed."""
    folder = Path(benchmark.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    measured: dict[tuple[str, float], list[dict[str, float]]] = {}
    for generator in benchmark.generators:
        for seed in benchmark.seeds:
            for share in benchmark.shares:
                kept = folder / f"{generator} share {share:g} seed {seed}.json"
                if not kept.exists():
                    keras.backend.clear_session()
                    run_once(benchmark, generator, share, seed, kept)
                found = measure(read_run(kept, benchmark))
                measured.setdefault((generator, share), []).append(found)
                print(generator, share, seed, found, flush=True)
            write_table(benchmark, measured)


def write_table(benchmark: Benchmark, measured: dict) -> None:
    """Writes the rows there are."""
    names = list(next(iter(measured.values()))[0])
    called = [f"{name} called fake" for name in names[2:]]
    write_result(
        Path(benchmark.results_dir) / "generators_recipe.json",
        title="The recipe's detector on generators never seen",
        what=(
            f"{benchmark.frozen_epochs} epochs with a frozen backbone and "
            f"{benchmark.last_epochs} with its last 80 layers, on all generators but "
            "one, with these shares of the training images of both classes going "
            "through classical processing (`--process-augment`). AUC on the one left "
            f"out, and shares at a threshold for {FALSE_ALARMS:.0%} false alarms on "
            "the untouched photographs of val: mean and deviation over seeds."
        ),
        columns=["generator left out", "share", "seeds", *names[:2], *called],
        rows=[
            [generator, share, len(runs), *describe(runs)]
            for (generator, share), runs in measured.items()
        ],
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
