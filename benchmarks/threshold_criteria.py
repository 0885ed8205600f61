"""Which criterion should choose the threshold, where scores say much or little?

Scores are simulated as in the binormal model: those of real images are normal around 0,
those of fake ones around a distance that gives the wanted AUC, on a logistic scale. A
threshold is chosen on some val images by the code that `calibrate` runs, and judged on
the population, whose shares are areas under the normal curve and need no images.

    python -m benchmarks.threshold_criteria
"""

import argparse
import itertools
from typing import get_args

import numpy as np
from scipy.stats import norm

from benchmarks.record import write_result
from examples.deepfake_v3.checks import Criterion
from examples.deepfake_v3.evaluation.metrics import find_optimal_threshold

AUCS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
RATIOS = ((10, 1), (3, 1), (1, 1), (1, 3), (1, 10))  # real to fake
COUNTS = (44, 440)  # val images
SPREADS = (1.0, 2.0)  # standard deviation of the fakes' scores, of which real have 1
SHOWN = (440, 1.0)  # in the long table

CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
MEASURES = ("accuracy", "balanced accuracy", "F1", "false alarms")


def population(
    thresholds: np.ndarray, distance: float, spread: float, fake_share: float
) -> dict[str, np.ndarray]:
    """What thresholds on scores, as logits, amount to in the binormal population."""
    alarms = norm.sf(thresholds + distance / 2)
    recall = norm.sf((thresholds - distance / 2) / spread)
    true_positives, real_share = fake_share * recall, 1 - fake_share
    called_fake = true_positives + real_share * alarms
    return {
        "accuracy": true_positives + real_share * (1 - alarms),
        "balanced accuracy": (recall + 1 - alarms) / 2,
        "F1": 2 * true_positives / (called_fake + fake_share),
        "false alarms": alarms,
    }


def measure(draws: int, seed: int) -> list[dict]:
    """One row for each AUC, ratio, number of val images, spread and criterion."""
    rows = []
    grid = itertools.product(SPREADS, COUNTS, AUCS, RATIOS)
    for number, (spread, count, auc, (real, fake)) in enumerate(grid):
        rng = np.random.default_rng((seed, number))
        distance = norm.ppf(auc) * np.sqrt(1 + spread**2)
        fakes = round(count * fake / (real + fake))
        labels = np.repeat([0, 1], [count - fakes, fakes])
        thresholds: dict[Criterion, list[float]] = {name: [] for name in CRITERIA}
        for _ in range(draws):
            noise = rng.normal(size=count) * np.where(labels, spread, 1)
            scores = 1 / (1 + np.exp(-noise - distance * (labels - 0.5)))
            for name in CRITERIA:
                thresholds[name].append(find_optimal_threshold(labels, scores, name))
        for name, chosen in thresholds.items():
            odds = np.array(chosen)
            values = population(
                np.log(odds) - np.log1p(-odds), distance, spread, fake / (real + fake)
            )
            rows.append(
                {
                    "criterion": name,
                    "AUC": auc,
                    "real:fake": f"{real}:{fake}",
                    "val images": count,
                    "spread of fakes": spread,
                    **{what: float(values[what].mean()) for what in MEASURES},
                    "draws that call most real images fake": float(
                        (values["false alarms"] > 0.5).mean()
                    ),
                }
            )
    return rows


def summarise(rows: list[dict]) -> dict[str, list]:
    """A row for each criterion: means over all cases, and over those of low AUC."""
    alarms = "draws that call most real images fake"
    table = []
    for name in CRITERIA:
        own = [row for row in rows if row["criterion"] == name]
        weak = [row for row in own if row["AUC"] < 0.75]
        table.append(
            [
                f"`{name}`",
                *(float(np.mean([row[what] for row in own])) for what in MEASURES),
                max(row["false alarms"] for row in own),
                float(np.mean([row["false alarms"] for row in weak])),
                float(np.mean([row[alarms] for row in weak])),
            ]
        )
    columns = [
        "criterion",
        *MEASURES,
        "false alarms, worst case",
        "false alarms, AUC up to .7",
        f"{alarms}, AUC up to .7",
    ]
    return {"columns": columns, "rows": table}


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description="Compares threshold criteria.")
    parser.add_argument("--draws", type=int, default=200, help="val sets a case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--output", default="benchmarks/results/threshold_criteria.json"
    )
    options = parser.parse_args()
    rows = measure(options.draws, options.seed)
    cells = {
        (row["AUC"], row["real:fake"], row["criterion"]): " / ".join(
            f"{row[what]:.2f}" for what in ("accuracy", "F1", "false alarms")
        )
        for row in rows
        if (row["val images"], row["spread of fakes"]) == SHOWN
    }
    write_result(
        options.output,
        title="Criteria for the threshold, on simulated scores",
        what=(
            "Accuracy, F1 and false-alarm rate (real images called fake) in the "
            f"population, at a threshold chosen on {SHOWN[0]} val images with the same "
            f"ratio of classes: means over {options.draws} val sets. The first table "
            "is the mean of all cases: 7 AUCs, 5 ratios, "
            f"{COUNTS[0]} and {COUNTS[1]} val images, and fakes whose scores vary as "
            "much as those of real images and twice as much."
        ),
        summary=summarise(rows),
        columns=["AUC", "real:fake", *(f"`{name}`" for name in CRITERIA)],
        rows=[
            [
                auc,
                f"{real}:{fake}",
                *(cells[auc, f"{real}:{fake}", name] for name in CRITERIA),
            ]
            for auc, (real, fake) in itertools.product(AUCS, RATIOS)
        ],
        notes=[
            "Youden's J is twice the balanced accuracy less 1, so both have one "
            "threshold. `balanced` is where recall and specificity are nearest to each "
            "other. `false_alarms` finds the most fakes while at most 5 % of the real "
            "images are called fake.",
            "`youden` is the default: its balanced accuracy is the highest, and that "
            "asks nothing of the ratio of classes, which where a detector is used is "
            "seldom that of val. `f1` has the highest accuracy where most of val is "
            "fake, by calling nearly everything fake, and so it does at any ratio "
            "where scores say little. Where a false alarm is dear, take "
            "`false_alarms`.",
        ],
        measurements=rows,
    )


if __name__ == "__main__":
    main()
