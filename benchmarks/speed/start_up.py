"""How long the command line takes to help, beside `import numpy`.

    python -m benchmarks.speed.start_up --before DIRECTORY

Whole processes, from start to end, in alternation.
"""

import dataclasses
import statistics
import subprocess
import sys
import time
from pathlib import Path

import tyro

from benchmarks.record import write_result

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


def seconds(arguments: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], cwd=folder, check=True, capture_output=True
    )
    return time.perf_counter() - start


def main(benchmark: Benchmark) -> None:
    commands = {
        'python -c "import numpy"': (["-c", "import numpy"], ROOT),
        "train --help": (HELP, ROOT),
    }
    if benchmark.before is not None:
        commands["train --help, before"] = (HELP, Path(benchmark.before).resolve())
    for arguments, folder in commands.values():
        seconds(arguments, folder)  # from the disk
    rounds = [
        [seconds(*command) for command in commands.values()]
        for _ in range(benchmark.rounds)
    ]
    rows = []
    for index, name in enumerate(commands):
        times = [each[index] for each in rounds]
        ratios = [each[index] / each[0] for each in rounds]
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
