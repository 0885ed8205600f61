"""The whole recipe on real images, at a size that the machine can bear.

    python -m benchmarks.real_images --name faces --data-dir DIR --weights FILE.h5

Seeds that are finished are kept in the working directory and not run again. The test
split is used once a seed and phase, for the numbers of the table: it chooses nothing.
"""

import dataclasses
import json
import time
from pathlib import Path

import tyro

from benchmarks.intervals import student_interval
from benchmarks.record import write_result
from examples.deepfake_v3.evaluate_model import evaluate_model_v3
from examples.deepfake_v3.fine_tune import fine_tune_v3
from examples.deepfake_v3.train_model import train_model_v3

METRICS = ("accuracy", "auc_roc", "f1_score")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Train, fine-tune and evaluate on real images, for several seeds."""

    name: str
    """Name of the data set, for the table and for the result file."""
    data_dir: str
    """Images, as data_dir/{train,val,test}/{real,fake}."""
    weights: str
    """MobileNetV2 weights, a .h5 file."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order, augmentation and of the choice of training images."""
    image_size: int = 224
    """Side of the input in pixels."""
    max_images_per_class: int = 1000
    """Training images a class."""
    epochs: int = 3
    """Epochs with a frozen backbone."""
    stage_epochs: tuple[int, ...] = (1, 1, 2)
    """Epochs of the three fine-tuning stages."""
    batch_size: int = 32
    """Images a step."""
    confounds: str = ""
    """What else separates the classes of this set, for the notes of the table."""
    work_dir: str = "benchmarks/work"
    """Models, logs and the results of finished seeds."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as real_images_<name>.json."""


def run_seed(benchmark: Benchmark, seed: int) -> dict:
    """Runs the recipe for one seed, unless its results are there."""
    run = Path(benchmark.work_dir) / benchmark.name / f"seed{seed}"
    finished = run / "results.json"
    if finished.exists():
        return json.loads(finished.read_text())
    training = {
        "data_dir": benchmark.data_dir,
        "log_dir": str(run / "logs"),
        "max_images_per_class": benchmark.max_images_per_class,
        "batch_size": benchmark.batch_size,
        "seed": seed,
        "verbose": 2,
    }
    start = time.monotonic()
    train_model_v3(
        model_save_path=str(run / "detector.keras"),
        weights=benchmark.weights,
        image_size=benchmark.image_size,
        epochs=benchmark.epochs,
        **training,
    )
    frozen_seconds = time.monotonic() - start
    fine_tune_v3(
        model_path=str(run / "detector_best.keras"),
        output_path=str(run / "detector_final.keras"),
        epochs=benchmark.stage_epochs,
        **training,
    )
    results = {
        "seed": seed,
        "frozen_seconds": frozen_seconds,
        "fine_tuning_seconds": time.monotonic() - start - frozen_seconds,
        **{
            phase: evaluate_model_v3(
                model_path=str(run / f"detector_{file}.keras"),
                data_dir=benchmark.data_dir,
                reports_dir=str(run / f"reports_{file}"),
                robustness_images=0,
            )
            for phase, file in (("frozen", "best"), ("fine_tuned", "final"))
        },
    }
    finished.write_text(json.dumps(results, indent=1))
    return results


def main(benchmark: Benchmark) -> None:
    """Runs all seeds; the table is written anew after each."""
    runs = []
    for seed in benchmark.seeds:
        runs.append(run_seed(benchmark, seed))
        rows = [
            [
                phase.replace("_", " "),
                threshold.split("_")[0],
                *(
                    student_interval([run[phase][threshold][metric] for run in runs])
                    for metric in METRICS
                ),
            ]
            for phase in ("frozen", "fine_tuned")
            for threshold in ("default_threshold", "optimal_threshold")
        ]
        counts = runs[0]["fine_tuned"]["counts"]
        write_result(
            Path(benchmark.results_dir) / f"real_images_{benchmark.name}.json",
            title=f"The recipe on real images: {benchmark.name}, scaled down",
            what=(
                f"{2 * benchmark.max_images_per_class} training images of "
                f"{benchmark.image_size} pixels, {benchmark.epochs} epochs with a "
                f"frozen backbone, then {'+'.join(map(str, benchmark.stage_epochs))} "
                f"of fine-tuning; {counts['test']} test images; "
                f"{len(runs)} seeds, mean ± 95 % interval over seeds. The optimal "
                "threshold is the best F1 on val."
            ),
            columns=["phase", "threshold", "accuracy", "AUC", "F1"],
            rows=rows,
            notes=(
                "The interval is over seeds (weights, order, choice of training "
                "images); the test images are the same for all."
                + (f" {benchmark.confounds}" if benchmark.confounds else "")
            ),
            seeds=[
                {
                    "seed": run["seed"],
                    "frozen_seconds": round(run["frozen_seconds"]),
                    "fine_tuning_seconds": round(run["fine_tuning_seconds"]),
                    **{
                        phase: {
                            key: run[phase][key]
                            for key in ("default_threshold", "optimal_threshold")
                        }
                        for phase in ("frozen", "fine_tuned")
                    },
                }
                for run in runs
            ],
        )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
