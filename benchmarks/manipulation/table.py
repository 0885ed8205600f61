"""The table of accuracies, with confusion matrices and learning curves beside it."""

from pathlib import Path

import numpy as np

from benchmarks.intervals import bootstrap_clusters, student_interval
from benchmarks.manipulation.edits import CLASSES, SETS
from benchmarks.manipulation.network import FIRST_LAYERS
from benchmarks.manipulation.patches import SIZE
from benchmarks.record import write_result

REFERENCE = next(iter(FIRST_LAYERS))  # what the other first layers are compared with


def accuracy_of_photographs(called: np.ndarray) -> np.ndarray:
    """Share of right calls, by photograph.

    Args:
        called: Indices in `CLASSES`, `(…, photographs, true classes, patches)`.
    """
    return np.mean(called == np.arange(len(CLASSES))[:, None], axis=(-2, -1))


def confusion_matrix(called: np.ndarray) -> list[list[int]]:
    """How often patches of each true class (row) were called each class (column)."""
    return [
        [int(np.sum(called[..., true, :] == call)) for call in range(len(CLASSES))]
        for true in range(len(CLASSES))
    ]


def bootstrap_mean(by_photograph: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean over seeds, resampling photographs.

    Args:
        by_photograph: One value a seed and photograph. Every photograph gives as many
            patches, so that it weighs as much as its patches do.
    """
    means = by_photograph.mean(axis=0)
    return bootstrap_clusters(
        lambda chosen: float(means[chosen].mean()), np.arange(len(means))
    )


def write_table(path: Path, runs: dict[str, dict[str, list[dict]]]) -> None:
    """One row for each set of edits, test set and first layer.

    Args:
        path: JSON file under `benchmarks/results`.
        runs: Results of `run`, by set of edits and first layer, in the same order of
            seeds for every first layer.
    """
    rows: list[list] = []
    measured: list[dict] = []
    for edits, by_layer in runs.items():
        for test_set in by_layer[REFERENCE][0]["called"]:
            reference = None
            for first_layer, results in by_layer.items():
                called = np.array([result["called"][test_set] for result in results])
                by_photograph = accuracy_of_photographs(called)
                accuracies = by_photograph.mean(axis=1).tolist()
                interval = bootstrap_mean(by_photograph)
                row = [edits, test_set, first_layer]
                row += [student_interval(accuracies), to_text(interval)]
                entry = {
                    "edits": edits,
                    "test_set": test_set,
                    "first_layer": first_layer,
                    "accuracies": accuracies,
                    "interval": interval,
                    "confusion": confusion_matrix(called),
                }
                if reference is None:
                    reference = by_photograph
                    row += ["", ""]
                else:
                    difference = by_photograph - reference
                    entry["differences"] = difference.mean(axis=1).tolist()
                    entry["difference_interval"] = bootstrap_mean(difference)
                    row.append(student_interval(entry["differences"]))
                    row.append(to_text(entry["difference_interval"]))
                rows.append(row)
                measured.append(entry)
    first = next(iter(runs.values()))[REFERENCE]
    settings = first[0]["settings"]
    photographs = settings["photographs"]
    steps = settings["patches"] * photographs["train"] * len(CLASSES)
    write_result(
        path,
        title="Which first layer sees manipulations",
        what=(
            "Accuracy over six classes (none, median, blur, noise, resampling, JPEG) of "
            f"the network of Bayar & Stamm (2018) on {SIZE}-pixel patches of the green "
            f"channel, behind five first layers. {photographs['train']} photographs to "
            f"train on, {settings['epochs']} epochs of {steps} patches drawn anew, "
            f"Adam at {settings['learning_rate']:g}; val ({photographs['val']} "
            "photographs) chooses the epoch. Test sets: "
            + ", ".join(
                f"{name} ({photographs[name]} photographs)"
                for name in first[0]["called"]
            )
            + f", {settings['test_patches']} patches of each in each class. "
            f"{len(first)} seeds, mean ± 95 % interval over seeds, and 95 % bootstrap "
            "interval over photographs. Differences to the free layer are paired by "
            "seed and by patch."
        ),
        columns=[
            "edits",
            "test set",
            "first layer",
            "accuracy",
            "accuracy, bootstrap",
            f"minus {REFERENCE}",
            f"minus {REFERENCE}, bootstrap",
        ],
        rows=rows,
        notes=[
            " ".join(f"{edits.capitalize()}: {describe(edits)}." for edits in runs),
            "Every first layer saw the same patches in the same order with the same "
            "optimizer, and the body behind it started from the same weights. The "
            "photographs are split whole; they were edited whole and then cut, at "
            "offsets that stand in all places of a grid of 8x8 equally often. Chance "
            "is 0.167.",
        ],
        figures=figures(measured),
        classes=CLASSES,
        measured=measured,
        learning_curves=[
            {
                "edits": edits,
                "first_layer": first_layer,
                "val_accuracies": [result["val_accuracies"] for result in results],
                "losses": [result["losses"] for result in results],
                "best_epochs": [result["best_epoch"] for result in results],
                "seconds": [result["seconds"] for result in results],
            }
            for edits, by_layer in runs.items()
            for first_layer, results in by_layer.items()
        ],
    )


def figures(measured: list[dict]) -> list[dict[str, str]]:
    """Files that `benchmarks.manipulation.figures` draws, and what they show."""
    test_set = measured[0]["test_set"]
    shown = [
        {
            "file": "images/manipulation_accuracy.png",
            "alt": (
                "Accuracy behind each first layer, for each set of edits and test set: "
                "the first columns of the table as dots, one a seed, with the bootstrap "
                "interval over photographs as a bar."
            ),
        }
    ]
    for edits in dict.fromkeys(entry["edits"] for entry in measured):
        worst = "; ".join(
            f"{entry['first_layer']}: {most_confused(entry['confusion'])}"
            for entry in measured
            if (entry["edits"], entry["test_set"]) == (edits, test_set)
        )
        shown.append(
            {
                "file": f"images/manipulation_{edits}.png",
                "alt": (
                    f"Confusion matrices of the {edits} edits on {test_set}, one a "
                    "first layer, and their accuracy on val by epoch. Most often "
                    f"confused: {worst}."
                ),
            }
        )
    return shown


def most_confused(confusion: list[list[int]]) -> str:
    """The largest share of a class that was called another one, in words."""
    shares = np.array(confusion) / np.sum(confusion, axis=1, keepdims=True)
    np.fill_diagonal(shares, 0)
    true, called = np.unravel_index(np.argmax(shares), shares.shape)
    return f"{CLASSES[true]} called {CLASSES[called]}, {shares[true, called]:.0%}"


def to_text(interval: tuple[float, float]) -> str:
    """An interval, as `low to high`."""
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def describe(edits: str) -> str:
    """The edits of a set, in words."""
    it = SETS[edits]
    return (
        f"median {it.median}×{it.median}, Gaussian blur σ {it.blur:g}, noise "
        f"σ {it.noise:g} rounded to whole grey levels, bilinear resampling "
        f"×{it.resampling:g}, JPEG {it.jpeg}"
    )
