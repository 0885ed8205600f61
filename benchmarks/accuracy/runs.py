"""Finished runs: a JSON file each, in a folder of the table's name.

What a run scored on val and test is kept, so that a table can be made of runs from
several days and machines, and other measurements made of the same scores.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.accuracy.variants import VARIANTS
from benchmarks.record import describe_machine, describe_versions
from examples.deepfake_v3.files.files import replacing

Runs = dict[tuple[str, int | None], dict[int, dict[str, Any]]]
"""`{(variant, training images a class): {seed: run}}`."""


def slug(variant: str, count: int | None, seed: int) -> str:
    """What the files of a run are called."""
    return f"{variant} {count or 'all'} {seed}".replace(" ", "_").replace("/", "_")


def keep_run(
    folder: Path,
    variant: str,
    count: int | None,
    seed: int,
    settings: dict[str, Any],
    found: dict[str, Any],
) -> None:
    """Writes a finished run.

    Args:
        folder: Where the runs of its table are.
        variant: Its variant.
        count: Training images a class; `None`: all.
        seed: Its seed.
        settings: What it has in common with the others, as JSON would give it back.
        found: What it scored.
    """
    run = {
        "variant": variant,
        "images_per_class": count,
        "seed": seed,
        "settings": settings,
        "machine": describe_machine(),
        "versions": describe_versions(),
        **found,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / f"{slug(variant, count, seed)}.json") as partial:
        partial.write_text(json.dumps(run) + "\n")


def read_runs(folder: Path, complaint: Callable[[dict[str, Any]], str]) -> Runs:
    """The runs of a folder, those on most images first, by variant and by seed.

    Args:
        folder: Where they are.
        complaint: Says what is wrong with a run, after the name of its file; nothing
            where it can be used.

    Raises:
        ValueError: If `complaint` says something of one of them.
    """
    found = {
        path: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")
    }
    for path, run in found.items():
        if wrong := complaint(run):
            raise ValueError(f"{path} {wrong}")
    names = list(VARIANTS)
    runs: Runs = {}
    for run in sorted(
        found.values(),
        key=lambda run: (
            -(run["images_per_class"] or math.inf),
            names.index(run["variant"]),
            run["seed"],
        ),
    ):
        of_variant = runs.setdefault((run["variant"], run["images_per_class"]), {})
        of_variant[run["seed"]] = run
    return runs
