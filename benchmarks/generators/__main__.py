"""Generators never seen, without mistaking a resize for a fake: how far one gets.

    KERAS_BACKEND=jax python -m benchmarks.generators --pairs-dir DIR \\
        --photographs-dirs DIR --hard-negatives-dir DIR [--named-dir DIR]

One generator after the other is left out of training. A classifier of what front ends
leave learns from the others, beside photographs that were resized, filtered or made
noisy, and so were fakes. It is asked about the generator left out, about processed
photographs, and about kinds of processing that it was not trained on. Features and
finished folds are kept in the working directory and not computed again.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import tyro

from benchmarks.generators.fronts import CONTROLS, FRONTS, features_of
from benchmarks.generators.protocol import HELD_OUT, Fold, control_auc, leave_out
from benchmarks.generators.table import (
    FALSE_ALARM_COLUMNS,
    FRONT_COLUMNS,
    GENERATOR_COLUMNS,
    false_alarm_rows,
    front_row,
    generator_row,
)
from benchmarks.generators.verdicts import FALSE_ALARMS, Budget, Thresholds
from benchmarks.generators.windows import Windows, read_windows
from benchmarks.record import write_result
from examples.deepfake_v3.files.files import replacing

BEST = ("ColorRichFeatures", "SPAMFeatures")
"""Fronts whose features are taken together, chosen before all were compared."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark(Budget):
    """Leave one generator out, for several seeds."""

    pairs_dir: str
    """Pairs, as pairs_dir/generator/{train,val,test}/{real,fake}."""
    photographs_dirs: tuple[str, ...]
    """The photographs of which the real windows are, in folders or further down."""
    hard_negatives_dir: str
    """Processed photographs, as hard_negatives_dir/kind/{train,val,test}/real."""
    named_dir: str | None = None
    """Other generators, as named_dir/generator/{train,val,test}/fake and real/…"""
    held_out: tuple[str, ...] = tuple(HELD_OUT)
    """Which processing is left out of training, in turn."""
    fronts: tuple[str, ...] = tuple(FRONTS)
    """Fronts that are compared."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of classifiers."""
    work_dir: str = "benchmarks/work/generators"
    """Features and finished folds."""
    results_dir: str = "benchmarks/results"
    """Where generators*.json are written."""


class Folds:
    """Folds of a benchmark, made once and kept."""

    def __init__(self, benchmark: Benchmark, windows: Windows):
        self.benchmark = benchmark
        self.windows = windows
        self.folder = Path(benchmark.work_dir) / "folds"
        self.pixels = hashlib.sha256(windows.pixels).hexdigest()

    def features(self, fronts: tuple[str, ...]) -> np.ndarray:
        work_dir = self.benchmark.work_dir
        return np.concatenate(
            [features_of(front, self.windows, work_dir) for front in fronts], axis=1
        )

    def generators(self, set_name: str) -> list[str]:
        facts = self.windows.facts
        return sorted(
            set(facts.generator[(facts.set == set_name) & (facts.label == 1)])
        )

    def of(
        self, set_name: str, fronts: tuple[str, ...], held_out: str, **budget
    ) -> dict[str, list[Fold]]:
        """Folds of all seeds, by the generator left out."""
        features, found = None, {}
        fields = [field.name for field in dataclasses.fields(Budget)]
        chosen = Budget(
            **{name: getattr(self.benchmark, name) for name in fields} | budget
        )
        for generator in self.generators(set_name):
            found[generator] = []
            for seed in self.benchmark.seeds:
                settings = {
                    "fronts": fronts,
                    "held_out": HELD_OUT[held_out],
                    "generator": generator,
                    "seed": seed,
                    "pixels": self.pixels,
                    "backend": keras.backend.backend(),
                    **dataclasses.asdict(chosen),
                }
                digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
                path = self.folder / f"{digest[:32]}.npz"
                if not path.exists():
                    if features is None:
                        features = self.features(fronts)
                    fold = leave_out(
                        features, self.windows, generator, held_out, chosen, seed
                    )
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with replacing(path) as partial, partial.open("wb") as file:
                        np.savez(
                            file,
                            facts=fold.facts,
                            scores=fold.scores,
                            **dataclasses.asdict(fold.thresholds),
                        )
                    keras.backend.clear_session()
                with np.load(path) as kept:
                    found[generator].append(
                        Fold(
                            kept["facts"].view(np.recarray),
                            kept["scores"],
                            Thresholds(float(kept["known"]), float(kept["unknown"])),
                        )
                    )
            print(*fronts, "without", held_out, generator, flush=True)
            print("  AUC", *(f"{fold.auc():.3f}" for fold in found[generator]))
        return found


def measure_generators(folds: Folds) -> list[list]:
    """A row for each generator, and of each set its mean and worst."""
    rows = []
    sets = ("pairs", "named") if folds.benchmark.named_dir else ("pairs",)
    facts = {name: folds.features((name,)) for name in CONTROLS}
    for set_name in sets:
        of_set = folds.of(set_name, BEST, "nothing")
        found = [
            generator_row(
                generator,
                each,
                [control_auc(facts[name], folds.windows, generator) for name in facts],
            )
            for generator, each in of_set.items()
        ]
        rows += found
        rows += [
            [f"{name} of {len(found)}", *of_columns(found, worst)]
            for name, worst in (("mean", False), ("worst", True))
        ]
    return rows


def of_columns(rows: list[list], worst: bool) -> list[str]:
    """The mean or the worst of each column of numbers."""
    cells = []
    for index, column in enumerate(GENERATOR_COLUMNS[1:], 1):
        if column == "interval":
            cells.append("")
            continue
        values = [float(row[index]) for row in rows]
        low_is_good = column.startswith("untouched")
        of = (max if low_is_good else min) if worst else np.mean
        digits = len(rows[0][index].partition(".")[2])
        cells.append(f"{of(values):.{digits}f}")
    return cells


def main(benchmark: Benchmark) -> None:
    """Makes all folds that are missing, and the three tables."""
    windows = read_windows(
        benchmark.pairs_dir,
        benchmark.photographs_dirs,
        benchmark.hard_negatives_dir,
        benchmark.named_dir,
    )
    folds = Folds(benchmark, windows)
    results = Path(benchmark.results_dir)
    seeds = f"{len(benchmark.seeds)} seeds"
    said = (
        "A classifier of the features of ColorRichFeatures and SPAMFeatures names what "
        "was done to a window of 128x128 pixels: nothing, a kind of classical "
        "processing, or one of the generators, where the one in question was left out. "
        "A window is fake if a generator is more probable than no processing, and than "
        f"any processing, each at a threshold for {FALSE_ALARMS:.0%} false alarms on "
        "val, in the kind of processing that has most: of those that were trained on "
        "(known), or of those and of each as if it were no class (unknown)."
    )
    write_result(
        results / "generators.json",
        title="Generators never seen",
        what=f"{said} AUC on the one left out, means over {seeds} with the 95% "
        "interval of a bootstrap of photographs, untouched and compressed (both "
        "classes); and what boosted trees reach on colour alone, and on noise and "
        "blockiness alone.",
        columns=GENERATOR_COLUMNS,
        rows=measure_generators(folds),
        notes="AUC is of fakes against untouched photographs. What is called fake "
        "depends on the threshold, which processed photographs must stand, too.",
    )
    write_result(
        results / "generators_false_alarms.json",
        title="Processed photographs called fake",
        what=f"{said} The share of real images called fake, by what was done to them, "
        f"when kinds of processing were not trained on; means over all generators left "
        f"out and {seeds}, with the 95% interval of a bootstrap of photographs.",
        columns=FALSE_ALARM_COLUMNS,
        rows=[
            row
            for held_out in benchmark.held_out
            for row in false_alarm_rows(
                [
                    fold
                    for each in folds.of("pairs", BEST, held_out).values()
                    for fold in each
                ],
                held_out,
            )
        ],
        notes="Files are those of the folder of processed photographs, windows are cut "
        "from photographs of the test split and processed with strengths drawn.",
    )
    write_fronts(folds, results)


def write_fronts(folds: Folds, results: Path) -> None:
    """What each front's features reach on the same windows, beside a control."""
    name = "noise and blockiness"
    facts = folds.features((name,))
    controls = {
        generator: control_auc(facts, folds.windows, generator)
        for generator in folds.generators("pairs")
    }
    rows = []
    for front in folds.benchmark.fronts:
        for classifier, units in (("linear", 0), ("dense", 256)):
            found = folds.of("pairs", (front,), "nothing", hidden_units=units)
            number = folds.features((front,)).shape[1]
            rows.append(front_row(front, number, classifier, found, controls))
    write_result(
        results / "generators_fronts.json",
        title="What each front tells of generators never seen",
        what="Co-occurrences of the residuals of each front (order 3, truncation 2, in "
        "steps of a grey level), or its own features, under the same classifiers, "
        "linear or with a hidden layer, with the same windows, one generator left out "
        f"in turn. Means over generators and {len(folds.benchmark.seeds)} seeds; what "
        f"the AUC has more than {name} alone, with the 95% interval over generators; "
        "and the AUC of fakes against photographs that were resized or filtered.",
        columns=FRONT_COLUMNS,
        rows=rows,
        control={each: round(value, 3) for each, value in controls.items()},
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
