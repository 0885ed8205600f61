"""The table of accuracies, with confusion matrices and learning curves beside it."""

from pathlib import Path

import numpy as np

from benchmarks.intervals import bootstrap_mean, student_interval
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


def measure(runs: dict[str, dict[str, list[dict]]]) -> list[dict]:
    """Accuracies, intervals and confusion matrices, and differences to `REFERENCE`.

    Args:
        runs: Results of `run`, by set of edits and first layer, with the same seeds in
            the same order for every first layer of a set.

    Returns:
        One entry for each set of edits, test set and first layer.
    """
    measured: list[dict] = []
    for edits, by_layer in runs.items():
        for test_set in by_layer[REFERENCE][0]["called"]:
            called = {
                first_layer: np.array([run["called"][test_set] for run in results])
                for first_layer, results in by_layer.items()
            }
            accuracies = {
                first_layer: accuracy_of_photographs(array)
                for first_layer, array in called.items()
            }
            for first_layer, by_photograph in accuracies.items():
                difference = by_photograph - accuracies[REFERENCE]
                measured.append(
                    {
                        "edits": edits,
                        "test_set": test_set,
                        "first_layer": first_layer,
                        "accuracies": by_photograph.mean(axis=1).tolist(),
                        "interval": bootstrap_mean(by_photograph.mean(axis=0)),
                        "differences": difference.mean(axis=1).tolist(),
                        "difference_interval": bootstrap_mean(difference.mean(axis=0)),
                        "confusion": confusion_matrix(called[first_layer]),
                    }
                )
    return measured


def to_row(entry: dict) -> list[str]:
    """The cells of one row."""
    row = [entry["edits"], entry["test_set"], entry["first_layer"]]
    for values, interval in (
        ("accuracies", "interval"),
        ("differences", "difference_interval"),
    ):
        low, high = entry[interval]
        row += [student_interval(entry[values]), f"{low:.3f} to {high:.3f}"]
    return row if entry["first_layer"] != REFERENCE else [*row[:-2], "", ""]


def write_table(path: Path, runs: dict[str, dict[str, list[dict]]]) -> None:
    """Writes one row for each set of edits, test set and first layer.

    Args:
        path: JSON file under `benchmarks/results`.
        runs: As for `measure`.
    """
    measured = measure(runs)
    write_result(
        path,
        title="Which first layer sees manipulations",
        what=describe_runs(next(iter(runs.values()))[REFERENCE]),
        columns=[
            "edits",
            "test set",
            "first layer",
            "accuracy",
            "accuracy, bootstrap",
            f"minus {REFERENCE}",
            f"minus {REFERENCE}, bootstrap",
        ],
        rows=[to_row(entry) for entry in measured],
        notes=[
            " ".join(
                f"{edits.capitalize()}: {describe_edits(edits)}." for edits in runs
            ),
            "Every first layer saw the same patches in the same order with the same "
            "optimizer, and the body behind it started from the same weights, but for "
            "the convolution that reads its maps. Photographs are split whole; they "
            "were edited whole and then cut, at offsets that stand in all places of a "
            "grid of 8x8 equally often. Chance is 0.167.",
        ],
        figures=describe_figures(measured),
        classes=CLASSES,
        measured=measured,
        learning_curves=[
            {
                "edits": edits,
                "first_layer": first_layer,
                "val_accuracies": [run["val_accuracies"] for run in results],
                "losses": [run["losses"] for run in results],
                "best_epochs": [run["best_epoch"] for run in results],
                "seconds": [run["seconds"] for run in results],
            }
            for edits, by_layer in runs.items()
            for first_layer, results in by_layer.items()
        ],
    )


def describe_runs(results: list[dict]) -> str:
    """What was measured and how, in words, from the runs of one first layer."""
    settings, test_sets = results[0]["settings"], results[0]["called"]
    photographs = settings["photographs"]
    patches = settings["patches"] * photographs["train"] * len(CLASSES)
    return (
        f"Accuracy over the classes {', '.join(CLASSES)} of the network of Bayar & "
        f"Stamm (2018) on {SIZE}-pixel patches of the green channel, behind five first "
        f"layers. {photographs['train']} photographs to train on, "
        f"{settings['epochs']} epochs of {patches} patches drawn anew, batches of "
        f"{settings['batch_size']}, Adam at {settings['learning_rate']:g}; "
        f"{photographs['val']} photographs (val) choose the epoch. Test sets: "
        + ", ".join(f"{name} with {photographs[name]}" for name in test_sets)
        + f" photographs, {settings['test_patches']} patches of each in each class. "
        f"{len(results)} seeds, mean ± 95 % interval over seeds, and 95 % bootstrap "
        f"interval over photographs. Differences to the {REFERENCE} layer are paired, "
        "by seed and by photograph."
    )


def describe_edits(edits: str) -> str:
    """The edits of a set, in words."""
    it = SETS[edits]
    return (
        f"median {it.median}×{it.median}, Gaussian blur σ {it.blur:g}, noise "
        f"σ {it.noise:g} rounded to whole grey levels, bilinear resampling "
        f"×{it.resampling:g}, JPEG {it.jpeg}"
    )


def describe_figures(measured: list[dict]) -> list[dict[str, str]]:
    """Files that `benchmarks.manipulation.figures` draws, and what they show."""
    test_set = measured[0]["test_set"]
    shown = [
        {
            "file": "images/manipulation_accuracy.png",
            "alt": (
                "Accuracy behind each first layer, for each set of edits and test set: "
                "one dot a seed, and a bar for the bootstrap interval over photographs."
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
