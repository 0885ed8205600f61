"""How long the command line takes to help, beside `import numpy`.

    python -m benchmarks.speed.start_up --before DIRECTORY

Whole processes, from start to end, in alternation.
"""

import dataclasses
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

import tyro

from benchmarks.record import write_result
from benchmarks.speed.timing import Step, alternate

ROOT = Path(__file__).resolve().parents[2]
HELP = ["-m", "examples.deepfake_v3", "train", "--help"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Times `train --help` beside `import numpy`."""

    before: str | None = None
    """A checkout of another version, whose help is timed too."""
    rounds: int = 10
    """How often each is timed, in alternation with the others."""
    output: str = "benchmarks/results/speed_start_up.json"
    """Where the table is written."""


def run(arguments: list[str], folder: Path) -> None:
    subprocess.run(
        [sys.executable, *arguments], cwd=folder, check=True, capture_output=True
    )


def main(benchmark: Benchmark) -> None:
    reference = 'python -c "import numpy"'
    steps: dict[str, Step] = {
        reference: partial(run, ["-c", "import numpy"], ROOT),
        "train --help": partial(run, HELP, ROOT),
    }
    if benchmark.before is not None:
        before = Path(benchmark.before).resolve()
        steps["train --help, before"] = partial(run, HELP, before)
    seconds = alternate(steps, benchmark.rounds, warm_up=1)
    rows = []
    for name, times in seconds.items():
        ratios = [a / b for a, b in zip(times, seconds[reference], strict=True)]
        spread = [statistics.median(ratios), min(ratios), max(ratios)]
        rows.append([name, statistics.median(times), *spread])
    write_result(
        benchmark.output,
        title="Start of the command line",
        what="Seconds of a whole process, and its ratio to `import numpy` in the same "
        f"round ({benchmark.rounds} rounds in alternation).",
        columns=["process", "median s", "median ratio", "smallest", "largest"],
        rows=rows,
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
