"""The evaluation as one HTML page: a detector's card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from examples.deepfake_v3.evaluation.figures import small_png
from examples.deepfake_v3.evaluation.intervals import DRAWS
from examples.deepfake_v3.evaluation.scoring import Scored, Scorer
from examples.deepfake_v3.loading.data import CLASS_NAMES
from examples.deepfake_v3.loading.images import (
    UnusableImageError,
    crop_to_size,
    read_image,
)
from examples.deepfake_v3.pages import page

WORST = 12  # errors of each class
MANY_FALSE_CALLS = 0.2  # share of real images called fake after a slight change
FEW = 30  # clusters: resampling fewer, intervals come out too narrow


def find_worst_errors(
    test: Scored, scorer: Scorer, threshold: float
) -> dict[str, dict[str, Any]]:
    """The errors that the detector is surest of.

    Returns:
        `{true class: {"count", "images"}}`, images as "file" below the data directory
        and "score", the worst first, and not more than `WORST`.
    """
    worst = {}
    for label, name in enumerate(CLASS_NAMES):
        called_fake = test.scores >= threshold
        wrong = np.flatnonzero((test.labels == label) & (called_fake != label))
        # Of the real images the highest scores, of the fake ones the lowest.
        order = np.argsort(test.scores[wrong] * (2 * label - 1), kind="stable")
        worst[name] = {
            "count": len(wrong),
            "images": [
                {"file": scorer.name(test.paths[i]), "score": float(test.scores[i])}
                for i in wrong[order][:WORST]
            ],
        }
    return worst


def judge(results: Mapping[str, Any]) -> list[str]:
    """What a reader of the numbers must know, as sentences."""
    notes = []
    for row in results["cross_data"]:
        count = row["counts"]["clusters"]
        if count < FEW:
            what = "groups" if row["group_source"] else "images"
            notes.append(
                f"{row['data_dir']} has {count} {what} to resample. From fewer than "
                f"{FEW}, intervals are too narrow, or there are none."
            )
        real = row["counts"]["real"]
        if real < 100:
            notes.append(
                f"{row['data_dir']} has {real} real images, so 1 % false alarms "
                "means none at all."
            )
    notes += _false_calls(results["robustness"])
    if results["calibration"]["at_end_of_range"]:
        notes.append(
            "The temperature is the {} that is tried, since on val {}. After scaling, "
            "the scores mean little.".format(
                *("highest", "sure scores are wrong as often as right")
                if results["calibration"]["temperature"] > 1
                else ("lowest", "no image is on the wrong side of .5")
            )
        )
    for split, count in results["lost"].items():
        if count:
            notes.append(
                f"Of {split}, {count} images could be read no longer and are left out."
            )
    return notes


def _false_calls(robustness: Mapping[str, Any] | None) -> list[str]:
    """A sentence if slight changes make real images fakes to the detector."""
    if not robustness:
        return []
    shares = {
        f"{row['kind']} {row['level']}": 1 - row["specificity"]["value"]
        for row in robustness["rows"]
        if row["slight"]
    }
    many = [name for name, share in shares.items() if share > MANY_FALSE_CALLS]
    if not many:
        return []
    untouched = 1 - robustness["rows"][0]["specificity"]["value"]
    worst = max(shares, key=shares.__getitem__)
    return [
        f"Of the real images, {untouched:.0%} are called fake, and {shares[worst]:.0%} "
        f"after no more than a slight change ({worst}). More than one in five are so "
        f"after: {', '.join(many)}. This detector accuses people who edited a picture."
    ]


def write_card(
    results: Mapping[str, Any],
    figures: Mapping[str, Figure],
    root: Path,
    image_size: int,
    path: Path,
) -> None:
    """Writes the page.

    Args:
        results: What `evaluate_model_v3` returns.
        figures: From `draw_figures`; may be empty.
        root: The data directory.
        image_size: Side in pixels of what the detector sees of an image.
        path: HTML file to write.
    """
    page.write_page(
        "card.html",
        path,
        {
            **results,
            "draws": DRAWS,
            "figures": {
                name: page.data_uri(small_png(figure), "image/png")
                for name, figure in figures.items()
            },
        },
        {"thumbnail": lambda file: _thumbnail(root / file, image_size)},
    )


def _thumbnail(path: Path, image_size: int) -> str:
    """What the detector saw of an image, or "" if it is gone meanwhile."""
    try:
        return page.thumbnail(crop_to_size(read_image(path), image_size))
    except UnusableImageError:
        return ""
