"""The headline experiment of constrained convolutions, on photographs of your own.

    python -m benchmarks.manipulation --data-dir DIR [DIR ...]

A network tells six classes of patches apart: untouched, median-filtered, blurred,
noisy, enlarged and JPEG-compressed. It is the same, and may spend the same, behind each
of five first layers: a free convolution, a constrained one, two fixed banks, and none.
Val chooses the epoch, the test sets choose nothing. Finished runs are kept in the
working directory and not run again. The figures are drawn from the result, by

    python -m benchmarks.manipulation.figures
"""

import dataclasses
import functools
from pathlib import Path
from typing import Literal

import tyro

from benchmarks.manipulation.edits import SETS
from benchmarks.manipulation.network import FIRST_LAYERS
from benchmarks.manipulation.patches import list_photographs
from benchmarks.manipulation.runs import Budget, read_data, run
from benchmarks.manipulation.table import write_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark(Budget):
    """Train the network behind each first layer, for several seeds."""

    data_dir: tuple[str, ...]
    """Photographs: the first directory holds train, val and test, the others are
    further test sets."""
    edits: tuple[Literal["easy", "harder"], ...] = ("easy", "harder")
    """Sets of edits."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights and of the training patches."""
    work_dir: str = "benchmarks/work/manipulation"
    """Finished runs."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as manipulation.json."""


def main(benchmark: Benchmark) -> None:
    """Runs all that is not finished; the table is written anew after each seed."""
    lists = list_photographs(benchmark.data_dir)
    budget = {
        field.name: getattr(benchmark, field.name)
        for field in dataclasses.fields(Budget)
    }
    photographs = {name: len(paths) for name, paths in lists.items()}

    @functools.cache
    def read(edits: str):
        return read_data(lists, edits, benchmark)

    runs: dict[str, dict[str, list[dict]]] = {}
    for seed in benchmark.seeds:
        for edits in benchmark.edits:
            for first_layer in FIRST_LAYERS:
                settings = {
                    "edits": {edits: dataclasses.asdict(SETS[edits])},
                    "first_layer": first_layer,
                    "seed": seed,
                    "photographs": photographs,
                    **budget,
                }
                slug = f"{edits} {first_layer} {seed}".replace(",", "")
                path = Path(benchmark.work_dir) / f"{slug.replace(' ', '_')}.json"
                print(edits, first_layer, "seed", seed, flush=True)
                result = run(path, settings, benchmark, functools.partial(read, edits))
                by_layer = runs.setdefault(edits, {name: [] for name in FIRST_LAYERS})
                by_layer[first_layer].append(result)
            write_table(Path(benchmark.results_dir) / "manipulation.json", runs)


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
