"""`predict` on exported files, without Keras, beside `predict` on Keras.

    python -m benchmarks.speed.runtimes --model-path FILE.keras --exports DIR \
        --data-dir DIR

Whole processes, from start to end, in alternation: one photograph, and many. Each file
scores the same photographs; scores and verdicts are compared with those of Keras.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import tyro

from benchmarks.record import write_result
from benchmarks.speed.timing import Step, alternate, ratio
from examples.deepfake_v3.prediction.sources import find_files
from examples.deepfake_v3.runtimes.runtimes import RUNTIMES

ROOT = Path(__file__).resolve().parents[2]
KERAS = "keras"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time predict in each runtime."""

    model_path: str
    """The detector, a .keras file."""
    exports: str = "exports"
    """Where `export` wrote its files for onnx, openvino and litert."""
    data_dir: str
    """Folder with photographs."""
    images: int = 1000
    """How many of them are scored at once."""
    rounds: int = 10
    """How often one photograph is timed, in alternation."""
    rounds_of_many: int = 3
    """How often many are."""
    results: str | None = "benchmarks/results/speed_runtimes.json"
    """Where the table is written."""


# A process begins with the peak of the one that starts it, so that a small one does.
LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Command:
    """`predict` with one model, as a process of its own.

    Args:
        model: The file.
    """

    def __init__(self, model: Path):
        self.model = model
        self.megabytes: list[float] = []

    def __call__(self, listed: Path, output: Path) -> None:
        """Scores the files of a list; notes the largest memory of a process."""
        command = [sys.executable, "-m", "examples.deepfake_v3", "predict", "-"]
        command += ["--model-path", str(self.model), "--output", str(output)]
        with listed.open() as files:
            done = subprocess.run(
                [sys.executable, "-c", LAUNCHER, *command, "--format", "jsonl"],
                stdin=files,
                cwd=ROOT,
                check=True,
                capture_output=True,
            )
        self.megabytes.append(int(done.stdout) / 1000)


def read_scores(output: Path) -> tuple[list[float], list[str]]:
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    return [row["score"] for row in rows], [row["verdict"] for row in rows]


def main(benchmark: Benchmark) -> None:
    """Times all, compares their scores, writes the table."""
    stem, exports = Path(benchmark.model_path).stem, Path(benchmark.exports).resolve()
    commands = {KERAS: Command(Path(benchmark.model_path).resolve())} | {
        name: Command(exports / f"{stem}{runtime.ending}")
        for name, runtime in RUNTIMES.items()
    }
    files = find_files([str(Path(benchmark.data_dir).resolve())]).files
    step = max(1, len(files) // benchmark.images)
    chosen = files[::step][: benchmark.images]
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        lists = {"one": chosen[:1], "many": chosen}
        for name, listed in lists.items():
            (folder / name).write_text("".join(f"{file}\n" for file in listed))
        seconds, peaks = {}, {}
        for name, rounds in (
            ("one", benchmark.rounds),
            ("many", benchmark.rounds_of_many),
        ):
            steps: dict[str, Step] = {
                runtime: partial(command, folder / name, folder / f"{runtime}.jsonl")
                for runtime, command in commands.items()
            }
            seconds[name] = alternate(steps, rounds, warm_up=1 if name == "one" else 0)
            peaks[name] = {
                runtime: max(command.megabytes) for runtime, command in commands.items()
            }
        found = {name: read_scores(folder / f"{name}.jsonl") for name in commands}
    rows = []
    for name in commands:
        pairs = zip(found[name][0], found[KERAS][0], strict=True)
        same = [a == b for a, b in zip(found[name][1], found[KERAS][1], strict=True)]
        rows.append(
            [
                name,
                statistics.median(seconds["one"][name]),
                ratio(seconds["one"][KERAS], seconds["one"][name]),
                peaks["one"][name],
                len(chosen) / statistics.median(seconds["many"][name]),
                ratio(seconds["many"][KERAS], seconds["many"][name]),
                peaks["many"][name],
                max(abs(a - b) for a, b in pairs),
                f"{sum(same)} of {len(same)}",
            ]
        )
        print(*rows[-1], sep="\t")
    if benchmark.results is None:
        return
    write_result(
        benchmark.results,
        title="predict without Keras",
        what="`predict` as whole processes, from start to end: one photograph, and "
        f"{len(chosen)} of them. Keras's seconds by those of the runtime (median and "
        f"quartiles of {benchmark.rounds} and {benchmark.rounds_of_many} rounds in "
        "alternation); above 1, the runtime is faster.",
        columns=[
            "model in",
            "one: s",
            "one: ratio",
            "one: MB",
            "many: images/s",
            "many: ratio",
            "many: MB",
            "largest difference of a score",
            "same verdict",
        ],
        rows=rows,
        notes="MB: the most memory that a process held. Files are decoded in processes "
        "of their own, which are the same for all.",
        seconds=seconds,
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
