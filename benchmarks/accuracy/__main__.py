"""The recipe on real images, whole and without its parts, at equal budget.

    python -m benchmarks.accuracy --name faces --data-dir DIR --weights FILE.h5

Every variant is trained on the same images in the same order, for the same epochs at
the same rates: first with a frozen backbone, then in the stages of fine-tuning, as
`train` and `fine-tune` do. The epoch and the threshold are chosen on val. The scores of
finished runs are kept among the results, so that more seeds can be run on another day
or machine; unfinished runs go on.
"""

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tyro

from benchmarks.accuracy.fused import fused_batch_normalization
from benchmarks.accuracy.images import read_images
from benchmarks.accuracy.runs import Runs, keep_run, read_runs, slug
from benchmarks.accuracy.table import result_path, write_table
from benchmarks.accuracy.variants import VARIANTS, build
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.pipeline import make_dataset
from examples.deepfake_v3.mirror import with_mirror
from examples.deepfake_v3.model import (
    BATCH_NORM_MOMENTUM,
)
from examples.deepfake_v3.model_files.saving import save_model
from examples.deepfake_v3.options.fine_tune import FineTuneConfig, FineTuning
from examples.deepfake_v3.options.train import Config
from examples.deepfake_v3.options.training import CHANGE_NO_RESULT, TrainingOptions
from examples.deepfake_v3.training.checkpoint import fingerprint, forget_stages
from examples.deepfake_v3.training.precision import building_under, choose_dtype_policy
from examples.deepfake_v3.training.stage import Stage
from examples.deepfake_v3.training.stages import StagesRun, enter_stage, run_stages


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark(FineTuning):
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
    batch_size: int = 32
    """Images a step."""
    together: bool = False
    """Train all seeds of a variant at once, as one program: on a GPU, with JAX. A run
    that is stopped begins anew."""
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
    *(field.name for field in dataclasses.fields(FineTuning)),
)
"""Options that change what a run leaves, beside those of the recipe."""


def stages(benchmark: Benchmark) -> dict[int, tuple[int | None, float, int]]:
    """Layers of the backbone that train, peak rate and epochs, by number of the stage.

    Stages without epochs are left out.
    """
    listed = [
        (0, benchmark.frozen_rate, benchmark.frozen_epochs),
        *zip(
            FineTuneConfig.unfreeze,
            benchmark.rates,
            benchmark.stage_epochs,
            strict=True,
        ),
    ]
    return {number: stage for number, stage in enumerate(listed) if stage[-1]}


def enter(benchmark: Benchmark, number: int, run: Path, model: keras.Model) -> Stage:
    """Sets which layers a stage trains, and says how."""
    last, rate, epochs = stages(benchmark)[number]
    plan: dict[str, Any] = {
        "name": f"stage{number}",
        "number": number,
        "best_path": run / f"stage{number}.keras",
        "epochs": epochs,
        "learning_rate": rate,
    }
    if any(layer.name == "backbone" for layer in model.layers):
        return enter_stage(model, benchmark, last=last, **plan)
    return Stage(
        batch_size=benchmark.batch_size,
        initial_weights=fingerprint(model.variables),
        **plan,
    )


def initial_model(benchmark: Benchmark, variant: str, seed: int) -> keras.Model:
    """A variant with the weights of a seed."""
    keras.utils.set_random_seed(seed)
    with building_under(choose_dtype_policy(benchmark.options.mixed_precision)):
        return build(
            variant, benchmark.weights, benchmark.image_size, benchmark.visual_size
        )


def train(
    benchmark: Benchmark,
    variant: str,
    images: dict[str, ImageList],
    options: TrainingOptions,
    run: Path,
) -> tuple[keras.Model, StagesRun]:
    """All stages of one variant; the model ends with the weights of its best epoch."""
    model = initial_model(benchmark, variant, options.seed)
    enter_stages = [
        functools.partial(enter, benchmark, number, run) for number in stages(benchmark)
    ]
    done = run_stages(model, images, options, enter_stages)
    save_model(model, run / "model.keras")
    forget_stages(done.log_dirs)
    for path in run.glob("stage*.keras"):
        path.unlink()
    return model, done


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


def runs_folder(benchmark: Benchmark) -> Path:
    """Where finished runs are kept, also those of other machines."""
    return result_path(benchmark).with_suffix("")


def finished_runs(benchmark: Benchmark) -> Runs:
    """The finished runs among the results.

    Raises:
        ValueError: If one of them had other settings.
    """
    settings = settings_of(benchmark)

    def of_other_settings(run: dict[str, Any]) -> str:
        if run["settings"] == settings:
            return ""
        return (
            "is of a run with other settings: give another `name`, or remove it. "
            f"Received: {settings}, there: {run['settings']}"
        )

    return read_runs(runs_folder(benchmark), of_other_settings)


def run_once(
    benchmark: Benchmark,
    variant: str,
    images: dict[str, ImageList],
    count: int | None,
    seed: int,
) -> None:
    """Trains one variant from one seed, and keeps what it scores on val and test."""
    work = Path(benchmark.work_dir) / benchmark.name / slug(variant, count, seed)
    options = dataclasses.replace(
        benchmark.options, seed=seed, max_images_per_class=count, log_dir=str(work)
    )
    model, done = train(benchmark, variant, images, options, work)
    best = [max(epoch["val_auc"] for epoch in logs) for logs in done.logs.values()]
    found: dict[str, Any] = {"val_auc_of_stages": best}
    if benchmark.mirror:
        found["one_look"] = scores_of(model, images, options)
        model = with_mirror(model)
    found |= scores_of(model, images, options)
    keep_run(
        runs_folder(benchmark), variant, count, seed, settings_of(benchmark), found
    )


def run_together(
    benchmark: Benchmark,
    variant: str,
    images: dict[str, ImageList],
    seeds: Sequence[int],
) -> None:
    """Trains one variant from all seeds at once, and keeps what they score."""
    from benchmarks.accuracy.together import train_together  # needs JAX

    work = Path(benchmark.work_dir) / benchmark.name
    of_stages, looks = train_together(
        [initial_model(benchmark, variant, seed) for seed in seeds],
        [
            functools.partial(enter, benchmark, number, work)
            for number in stages(benchmark)
        ],
        images,
        benchmark.options,
        seeds,
    )
    for index, seed in enumerate(seeds):
        found: dict[str, Any] = {"val_auc_of_stages": of_stages[index]}
        once = {split: rounded(scores[index, 0]) for split, scores in looks.items()}
        if benchmark.mirror:
            found["one_look"] = once
            twice = {split: scores[index].mean(0) for split, scores in looks.items()}
            found |= {split: rounded(scores) for split, scores in twice.items()}
        else:
            found |= once
        keep_run(
            runs_folder(benchmark), variant, None, seed, settings_of(benchmark), found
        )


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
        scores[split] = rounded(np.ravel(model.predict(dataset, verbose=0)))
    return scores


def rounded(scores: np.ndarray) -> list[float]:
    """Scores as they are kept."""
    return [float(f"{score:.6g}") for score in scores]


def main(benchmark: Benchmark) -> None:
    """Makes the runs that are missing; the table is of all that are finished."""
    unknown = set(benchmark.variants) - set(VARIANTS)
    if unknown:
        raise ValueError(
            f"`variants` must be among {', '.join(VARIANTS)}. "
            f"Received: variants={benchmark.variants}"
        )
    if benchmark.together and benchmark.images_per_class != (None,):
        raise ValueError(
            "With `together`, all images are trained on: leave `images_per_class` out. "
            f"Received: images_per_class={benchmark.images_per_class}"
        )
    images = read_images(benchmark.data_dir)
    if benchmark.together:
        for variant in benchmark.variants:
            finished = finished_runs(benchmark).get((variant, None), {})
            if missing := [seed for seed in benchmark.seeds if seed not in finished]:
                keras.backend.clear_session()
                run_together(benchmark, variant, images, missing)
            write_table(benchmark, images, finished_runs(benchmark))
        return
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
