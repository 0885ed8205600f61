"""Draws the figures of the experiment from its result.

    python -m benchmarks.manipulation.figures

They are named in the result, and shown on the page of results.
"""

import dataclasses
import json
from pathlib import Path

import matplotlib
import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#7f7f7f", "#3b6fb6", "#d1603d", "#b8860b", "#4a9a5b")  # by first layer
DPI = 110  # pixels per inch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """Draw accuracies, confusion matrices and learning curves."""

    result: str = "benchmarks/results/manipulation.json"
    """What to draw."""
    docs_dir: str = "docs"
    """Where the figures are written, under the names that the result gives them."""


def main(drawing: Drawing) -> list[Path]:
    """Writes one figure of accuracies, and one of matrices for each set of edits."""
    result = json.loads(Path(drawing.result).read_text())
    with matplotlib.rc_context({"font.size": 11}):
        figures = [accuracy_figure(result)] + [
            confusion_figure(result, edits)
            for edits in dict.fromkeys(entry["edits"] for entry in result["measured"])
        ]
    paths = []
    for figure, shown in zip(figures, result["figures"], strict=True):
        path = Path(drawing.docs_dir) / shown["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without the version of matplotlib: the same result gives the same file.
        figure.savefig(path, metadata={"Software": None})
        paths.append(path)
    return paths


def accuracy_figure(result: dict) -> Figure:
    """Accuracies of each set of edits and test set: seeds, and bootstrap interval."""
    measured = result["measured"]
    panels = list(
        dict.fromkeys((entry["edits"], entry["test_set"]) for entry in measured)
    )
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = _figure(9, 0.6 + 2.4 * rows)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for (edits, test_set), panel in zip(panels, axes, strict=False):
        entries = [
            entry
            for entry in measured
            if (entry["edits"], entry["test_set"]) == (edits, test_set)
        ]
        for place, (entry, colour) in enumerate(zip(entries, COLOURS, strict=True)):
            panel.plot(
                entry["interval"], [place] * 2, color=colour, lw=8, alpha=0.35, zorder=1
            )
            panel.plot(
                entry["accuracies"],
                [place] * len(entry["accuracies"]),
                "o",
                color=colour,
                markeredgecolor="white",
            )
        panel.set_yticks(
            range(len(entries)), [entry["first_layer"] for entry in entries]
        )
        panel.set(title=f"{edits} edits, {test_set}", ylim=(len(entries) - 0.5, -0.5))
        panel.grid(axis="x", alpha=0.3)
    for panel in axes[len(panels) :]:
        panel.set_visible(False)
    figure.supxlabel("accuracy: one dot a seed, bar: 95 % bootstrap over photographs")
    return figure


def confusion_figure(result: dict, edits: str) -> Figure:
    """Confusion matrices on the first test set, and learning curves."""
    entries = [entry for entry in result["measured"] if entry["edits"] == edits]
    entries = [e for e in entries if e["test_set"] == entries[0]["test_set"]]
    figure = _figure(12, 8.2)
    *panels, last = figure.subplots(2, 3).flat
    for panel, entry in zip(panels, entries, strict=True):
        draw_confusion(panel, entry, result["classes"])
    curves = [c for c in result["learning_curves"] if c["edits"] == edits]
    for curve, colour in zip(curves, COLOURS, strict=True):
        values = np.array(curve["val_accuracies"])
        epochs = np.arange(1, values.shape[1] + 1)
        last.plot(epochs, values.mean(axis=0), color=colour, label=curve["first_layer"])
        last.fill_between(
            epochs,
            values.min(axis=0),
            values.max(axis=0),
            color=colour,
            alpha=0.2,
            lw=0,
        )
    last.set(
        xlabel="epoch",
        ylabel="accuracy on val",
        title="mean and range of seeds",
    )
    last.xaxis.get_major_locator().set_params(integer=True)
    last.grid(alpha=0.3)
    # Below: everywhere inside there is a curve.
    last.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, fontsize=9)
    figure.suptitle(
        f"The {edits} edits, {entries[0]['test_set']}: "
        "share of each true class (row) that was called each class (column), in %"
    )
    return figure


def draw_confusion(axes: Axes, entry: dict, classes: list[str]) -> None:
    """Percentages of one matrix, over all seeds."""
    counts = np.array(entry["confusion"])
    shares = 100 * counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (true, called), share in np.ndenumerate(shares):
        axes.text(
            called,
            true,
            f"{share:.0f}",
            ha="center",
            va="center",
            color="white" if share > 60 else "black",
        )
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, classes)
    axes.set_title(f"{entry['first_layer']}: {np.mean(entry['accuracies']):.3f}")


def _figure(width: float, height: float) -> Figure:
    figure = Figure((width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


if __name__ == "__main__":
    main(tyro.cli(Drawing))
