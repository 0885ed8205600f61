"""The recipe on real images, whole and without its parts, at equal budget.

    python -m benchmarks.accuracy --name faces --data-dir DIR --weights FILE.h5

Every variant is trained on the same images in the same order, for the same epochs at
the same rates: first with a frozen backbone, then in the stages of fine-tuning, as
`train` and `fine-tune` do. The epoch and the threshold are chosen on val. The scores of
finished runs are kept among the results, so that more seeds can be run on another day
or machine; unfinished runs go on.
"""

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tyro

from benchmarks.accuracy.fused import fused_batch_normalization
from benchmarks.accuracy.images import read_images
from benchmarks.accuracy.table import result_path, write_table
from benchmarks.accuracy.variants import VARIANTS, build
from benchmarks.record import describe_machine, describe_versions
from examples.deepfake_v3.fine_tune import FineTuneConfig
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.pipeline import make_dataset
from examples.deepfake_v3.mirror import with_mirror
from examples.deepfake_v3.model import (
    BATCH_NORM_MOMENTUM,
    freeze_backbone,
    rate_multipliers,
    unfreeze_backbone,
)
from examples.deepfake_v3.saving.files import replacing
from examples.deepfake_v3.train_model import Config
from examples.deepfake_v3.training.checkpoint import fingerprint, forget_stages
from examples.deepfake_v3.training.precision import building_under, choose_dtype_policy
from examples.deepfake_v3.training.progress import save_model
from examples.deepfake_v3.training.stage import (
    CHANGE_NO_RESULT,
    Stage,
    TrainingOptions,
    train_stage,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Train variants of the detector on real images, for several seeds."""

    name: str
    """Name of the data set, for the table and for the result file."""
    data_dir: tuple[str, ...]
    """Images, as data_dir/{train,val,test}/{real,fake}; groups.csv beside them, where
    there is one, gives the groups. The images of several are mixed, each in its own
    split."""
    weights: str | None
    """MobileNetV2 weights, a .h5 file; None: random ones, to try the benchmark."""
    variants: tuple[str, ...] = ("detector", "plain backbone")
    """Variants by name."""
    reference: str = "plain backbone"
    """The variant that the others are compared with."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order, augmentation and of the choice of training images."""
    image_size: int = 224
    """Side of the input in pixels."""
    visual_size: int | None = None
    """Side to which the visual stream scales it; left out: not at all."""
    images_per_class: tuple[int | None, ...] = (None,)
    """Training images a class, several for a learning curve; None: all."""
    frozen_epochs: int = 1
    """Epochs with a frozen backbone."""
    stage_epochs: tuple[int, ...] = FineTuneConfig.epochs
    """Epochs of the stages of fine-tuning."""
    options: TrainingOptions = dataclasses.field(default_factory=TrainingOptions)
    """Options of the recipe."""
    frozen_rate: float = Config.learning_rate
    """Peak learning rate with a frozen backbone."""
    rates: tuple[float, ...] = FineTuneConfig.learning_rates
    """Peak learning rates of the stages."""
    first_layer_rate: float = FineTuneConfig.first_layer_rate
    """Learning rate of the first backbone layer, relative to the head's."""
    freeze_batch_norm: bool = FineTuneConfig.freeze_batch_norm
    """Hold the backbone's batch normalisation to what it was."""
    mirror: bool = FineTuneConfig.mirror
    """Score each image and its mirror image, and take the mean."""
    batch_size: int = 32
    """Images a step."""
    notes: str = ""
    """What else separates the classes of this set, for the notes of the table."""
    work_dir: str = "benchmarks/work/accuracy"
    """Models of finished runs, states of unfinished ones."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as accuracy_<name>.json, and what each run scored,
    in a folder of that name."""


DECIDING = (
    "image_size",
    "visual_size",
    "frozen_epochs",
    "stage_epochs",
    "frozen_rate",
    "rates",
    "first_layer_rate",
    "freeze_batch_norm",
    "mirror",
    "batch_size",
)
"""Options that change what a run leaves, beside those of the recipe."""


Runs = dict[tuple[str, int | None], dict[int, dict[str, Any]]]
"""`{(variant, training images a class): {seed: run}}`."""


def stages(benchmark: Benchmark) -> list[tuple[int | None, float, int]]:
    """Layers of the backbone that train, peak rate and epochs of each stage."""
    return [
        (0, benchmark.frozen_rate, benchmark.frozen_epochs),
        *zip(
            FineTuneConfig.unfreeze,
            benchmark.rates,
            benchmark.stage_epochs,
            strict=True,
        ),
    ]


def train(
    benchmark: Benchmark,
    variant: str,
    images: dict[str, ImageList],
    options: TrainingOptions,
    run: Path,
) -> keras.Model:
    """All stages of one variant; the model ends with the weights of its best epoch."""
    keras.utils.set_random_seed(options.seed)
    with building_under(choose_dtype_policy(options.mixed_precision)):
        model = build(
            variant, benchmark.weights, benchmark.image_size, benchmark.visual_size
        )
    has_backbone = any(layer.name == "backbone" for layer in model.layers)
    best, log_dirs = (-1.0, model.get_weights()), []
    for number, (last, rate, epochs) in enumerate(stages(benchmark)):
        if not epochs:
            continue
        if has_backbone and number == 0:
            freeze_backbone(model)
        elif has_backbone:
            unfreeze_backbone(model, last, benchmark.freeze_batch_norm)
        stage = Stage(
            name=f"stage{number}",
            number=number,
            best_path=run / f"stage{number}.keras",
            epochs=epochs,
            batch_size=benchmark.batch_size,
            learning_rate=rate,
            initial_weights=fingerprint(model.variables),
            rate_multipliers=(
                rate_multipliers(model, benchmark.first_layer_rate)
                if has_backbone
                else {}
            ),
        )
        logs = train_stage(model, images, options, stage)
        log_dirs.append(run / stage.name)
        auc = max(epoch["val_auc"] for epoch in logs)
        if auc > best[0]:
            best = auc, model.get_weights()
        else:
            model.set_weights(best[1])
    save_model(model, run / "model.keras")
    forget_stages(log_dirs)
    for path in run.glob("stage*.keras"):
        path.unlink()
    return model


def settings_of(benchmark: Benchmark) -> dict[str, Any]:
    """What all runs of a table have in common, as JSON would give it back."""
    options = dataclasses.asdict(benchmark.options)
    for name in (*CHANGE_NO_RESULT, "seed", "max_images_per_class"):
        del options[name]
    settings = {key: getattr(benchmark, key) for key in DECIDING}
    settings |= {
        **options,
        "batch_norm_momentum": BATCH_NORM_MOMENTUM,
        "backend": keras.backend.backend(),
    }
    return json.loads(json.dumps(settings))


def finished_runs(benchmark: Benchmark) -> Runs:
    """The finished runs among the results, also those of other machines.

    Raises:
        ValueError: If one of them had other settings.
    """
    settings = settings_of(benchmark)
    runs: Runs = {}
    for path in result_path(benchmark).with_suffix("").glob("*.json"):
        run = json.loads(path.read_text())
        if run["settings"] != settings:
            raise ValueError(
                f"{path} is of a run with other settings: give another `name`, or "
                f"remove it. Received: {settings}, there: {run['settings']}"
            )
        runs.setdefault((run["variant"], run["images_per_class"]), {})[run["seed"]] = (
            run
        )
    names = list(VARIANTS)
    return dict(
        sorted(
            runs.items(),
            key=lambda item: (-(item[0][1] or math.inf), names.index(item[0][0])),
        )
    )


def run_once(
    benchmark: Benchmark,
    variant: str,
    images: dict[str, ImageList],
    count: int | None,
    seed: int,
) -> None:
    """Trains one variant; its scores of val and test become a file of the results."""
    slug = f"{variant} {count or 'all'} {seed}".replace(" ", "_").replace("/", "_")
    work = Path(benchmark.work_dir) / benchmark.name / slug
    options = dataclasses.replace(
        benchmark.options, seed=seed, max_images_per_class=count, log_dir=str(work)
    )
    model = train(benchmark, variant, images, options, work)
    run = {
        "variant": variant,
        "images_per_class": count,
        "seed": seed,
        "settings": settings_of(benchmark),
        "machine": describe_machine(),
        "versions": describe_versions(),
        "val_auc_of_stages": best_of_stages(work),
    }
    if benchmark.mirror:
        run["one_look"] = scores_of(model, images, options)
        model = with_mirror(model)
    run |= scores_of(model, images, options)
    path = result_path(benchmark).with_suffix("") / f"{slug}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(json.dumps(run) + "\n")


def scores_of(
    model: keras.Model, images: dict[str, ImageList], options: TrainingOptions
) -> dict[str, list[float]]:
    """What a model says of the images that it was not trained on, by split."""
    scores = {}
    for split in ("val", "test"):
        dataset = make_dataset(
            images[split],
            image_size=model.input_shape[1],
            batch_size=64,
            training=False,
            pipeline=options.pipeline,
        )
        found = np.ravel(model.predict(dataset, verbose=0))
        scores[split] = [float(f"{score:.6g}") for score in found]
    return scores


def best_of_stages(run: Path) -> list[float]:
    """Best val AUC of each stage of a run, from its logs."""
    best = []
    for path in sorted(run.glob("stage*/history.csv")):
        with path.open(newline="") as file:
            best.append(max(float(row["val_auc"]) for row in csv.DictReader(file)))
    return best


def main(benchmark: Benchmark) -> None:
    """Makes the runs that are missing; the table is of all that are finished."""
    unknown = set(benchmark.variants) - set(VARIANTS)
    if unknown:
        raise ValueError(
            f"`variants` must be among {', '.join(VARIANTS)}. "
            f"Received: variants={benchmark.variants}"
        )
    images = read_images(benchmark.data_dir)
    for seed in benchmark.seeds:
        for count in benchmark.images_per_class:
            for variant in benchmark.variants:
                if seed not in finished_runs(benchmark).get((variant, count), {}):
                    keras.backend.clear_session()
                    with fused_batch_normalization():
                        run_once(benchmark, variant, images, count, seed)
                write_table(benchmark, images, finished_runs(benchmark))


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
