"""From the scores of all runs to one table."""

from pathlib import Path

import numpy as np

from benchmarks.accuracy.images import group_of_each
from benchmarks.intervals import paired_auc_difference, student_interval
from benchmarks.record import write_result
from examples.deepfake_v3.evaluation.metrics import (
    compute_metrics,
    find_optimal_threshold,
)
from examples.deepfake_v3.loading.data import ImageList

METRICS = ("accuracy", "auc_roc", "f1_score")


def result_path(benchmark) -> Path:
    """The file of the table."""
    return Path(benchmark.results_dir) / f"accuracy_{benchmark.name}.json"


def difference(ours, theirs, labels, groups) -> tuple[str, str]:
    """Test AUC less that of the reference: over seeds, and over test images.

    Args:
        ours: `{seed: run}`.
        theirs: The same of the reference.
        labels: Labels of the test images.
        groups: Their groups.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return "", ""

    by_seed, (low, high) = paired_auc_difference(
        *([np.array(runs[seed]["test"]) for seed in seeds] for runs in (ours, theirs)),
        labels,
        groups,
    )
    return student_interval(by_seed), f"{low:+.3f} to {high:+.3f}"


def of_one_look(title: str, runs, labels, groups) -> str:
    """What a variant scores without mirror images, and what these add.

    Args:
        title: What to call it.
        runs: `{seed: run}`.
        labels: Labels of the test images.
        groups: Their groups.
    """
    once = [np.array(run["one_look"]["test"]) for run in runs.values()]
    twice = [np.array(run["test"]) for run in runs.values()]
    metrics = [compute_metrics(labels, scores) for scores in once]
    accuracy, auc = (
        np.mean([run[name] for run in metrics]) for name in ("accuracy", "auc_roc")
    )
    _, (low, high) = paired_auc_difference(twice, once, labels, groups)
    return (
        f"{title} {accuracy:.3f} and {auc:.3f}, to which the second look adds "
        f"{low:+.3f} to {high:+.3f} of AUC"
    )


def of_one_set(data_dir: str, images: ImageList, finished) -> str:
    """What the variants score on the test images of one of several data sets.

    Args:
        data_dir: The directory of this set.
        images: The test images of all sets.
        finished: `{(variant, training images a class): {seed: run}}`.
    """
    chosen = np.array([path.is_relative_to(data_dir) for path in images.paths])
    scores = []
    for (variant, count), runs in finished.items():
        metrics = [
            compute_metrics(images.labels[chosen], np.array(run["test"])[chosen])
            for run in runs.values()
        ]
        accuracy, auc = (
            student_interval([run[name] for run in metrics])
            for name in ("accuracy", "auc_roc")
        )
        scores.append(f"{titled(variant, count)} {accuracy} and {auc}")
    return f"Accuracy and AUC on {Path(data_dir).name} alone: {', '.join(scores)}."


def titled(variant: str, count: int | None) -> str:
    """A row of the table in words."""
    return f"{variant} ({2 * count} training images)" if count else variant


def described(benchmark, images: ImageList, groups: np.ndarray, finished) -> str:
    """What the runs of a table have in common, and what stands in no column of it."""
    scaled = (
        f", scaled to {benchmark.visual_size} in the visual stream"
        if benchmark.visual_size
        else ""
    )
    fine_tuning = (
        f"then {'+'.join(map(str, benchmark.stage_epochs))} of fine-tuning"
        if any(benchmark.stage_epochs)
        else "no fine-tuning"
    )
    parts = [
        f"Images of {benchmark.image_size} pixels{scaled}; {benchmark.frozen_epochs} "
        f"epochs with a frozen backbone, {fine_tuning}, for every variant. "
        f"{len(images)} test images, threshold .5, mean ± 95 % interval over seeds. "
        "Stages: frozen backbone, then those of fine-tuning, best epoch, mean over "
        "seeds. The last columns are the difference in AUC to the "
        f"{benchmark.reference}: over seeds, and the 95 % bootstrap interval over test "
        "images, drawn by group."
    ]
    if benchmark.mirror:
        looks = [
            of_one_look(titled(variant, count), runs, images.labels, groups)
            for (variant, count), runs in finished.items()
        ]
        parts.append(
            "A score is the mean of two looks, at the image and at its mirror image. "
            f"Accuracy and AUC of one look: {'; '.join(looks)}."
        )
    machines = {
        f"{run['machine'].get('GPU', run['machine']['processor'])} "
        f"({run['versions']['backend']})"
        for runs in finished.values()
        for run in runs.values()
    }
    parts.append(f"Trained on {', '.join(sorted(machines))}.")
    if len(benchmark.data_dir) > 1:
        parts += [
            of_one_set(data_dir, images, finished) for data_dir in benchmark.data_dir
        ]
    return " ".join(parts)


def write_table(benchmark, images: dict[str, ImageList], finished) -> None:
    """Writes one row for every variant and number of training images."""
    labels = images["test"].labels
    groups = group_of_each(benchmark.data_dir, images["test"])
    rows, details = [], []
    for (variant, count), runs in finished.items():
        metrics = []
        for seed, run in sorted(runs.items()):
            on_val = images["val"].labels, np.array(run["val"])
            test = np.array(run["test"])
            threshold = find_optimal_threshold(*on_val, "youden")
            metrics.append(
                {
                    "seed": seed,
                    "default": compute_metrics(labels, test),
                    "optimal": compute_metrics(labels, test, threshold),
                    "val": compute_metrics(*on_val),
                    "val_auc_of_stages": run["val_auc_of_stages"],
                }
            )
        reference = finished.get((benchmark.reference, count), {})
        rows.append(
            [
                variant,
                2 * count if count else len(images["train"]),
                len(runs),
                *(
                    student_interval([run["default"][name] for run in metrics])
                    for name in METRICS
                ),
                ", ".join(
                    f"{auc:.3f}"
                    for auc in np.mean(
                        [run["val_auc_of_stages"] for run in runs.values()], axis=0
                    )
                ),
                *(
                    ("", "")
                    if variant == benchmark.reference
                    else difference(runs, reference, labels, groups)
                ),
            ]
        )
        details.append({"variant": variant, "images_per_class": count, "runs": metrics})
    write_result(
        result_path(benchmark),
        title=f"Accuracy on real images: {benchmark.name}",
        what=described(benchmark, images["test"], groups, finished),
        columns=[
            "variant",
            "training images",
            "seeds",
            "accuracy",
            "AUC",
            "F1",
            "val AUC of stages",
            "AUC difference",
            "bootstrap",
        ],
        rows=rows,
        notes=(
            "Epochs are chosen on val; the test images chose nothing. "
            + benchmark.notes
        ).strip(),
        runs=details,
    )
