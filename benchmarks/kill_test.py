"""Kills a run again and again, and compares its end with that of one left alone.

    python -m benchmarks.kill_test --backends tensorflow jax torch

Half of the kills come from outside, at a random moment after the first stage begins;
the others hit the process while it writes a file, or gives it its name. Rows of other
backends in the results are kept.
"""

import dataclasses
import json
import tempfile
from pathlib import Path

import tyro

from benchmarks.record import write_result
from test_support.kills import kill_and_compare


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Kill runs on each backend and compare how they end."""

    backends: tuple[str, ...] = ("tensorflow", "jax", "torch")
    """Backends, one after the other."""
    kills: int = 20
    """Kills on each."""
    seed: int = 0
    """Seed of the moments."""
    results: str = "benchmarks/results/kill_test.json"
    """Where the table is written."""


def main(benchmark: Benchmark) -> None:
    """Kills on every backend and writes the table."""
    results = Path(benchmark.results)
    outcomes = json.loads(results.read_text())["outcomes"] if results.exists() else {}
    for backend in benchmark.backends:
        with tempfile.TemporaryDirectory() as directory:
            outcome = kill_and_compare(
                Path(directory),
                backend=backend,
                kills=benchmark.kills,
                seed=benchmark.seed,
            )
        outcomes[backend] = dataclasses.asdict(outcome)
        print(backend, outcomes[backend], flush=True)
        write_outcomes(results, outcomes)


def write_outcomes(results: Path, outcomes: dict[str, dict]) -> None:
    """Writes the table; `outcomes` are those of each backend."""
    write_result(
        results,
        title="Killed runs",
        what=(
            "Runs of two commands, `train` and `fine-tune` in three stages, are ended "
            "by SIGKILL at random moments and started again with the same command. "
            "All model files and histories are then compared with those of a run that "
            "was left alone. Half of the kills hit the process while it writes: inside "
            "a file, before its flush, before or just after it gets its name. The "
            "detector with `alpha=0.35`, 16 training images of 32 pixels, CPU, float32."
        ),
        columns=[
            "backend",
            "kills",
            "of these while writing",
            "runs",
            "model files compared",
            "largest difference of a variable",
            "histories equal",
        ],
        rows=[
            [
                backend,
                outcome["kills"],
                outcome["writing"],
                outcome["runs"],
                outcome["models"],
                outcome["difference"],
                "yes" if outcome["histories_equal"] else "no",
            ]
            for backend, outcome in outcomes.items()
        ],
        notes=(
            "0 is bit for bit, states of random generators included. TensorFlow ran "
            "under `tf.config.experimental.enable_op_determinism()`, which promises "
            "that; JAX and torch needed no switch. A run was killed several times on "
            "its way."
        ),
        outcomes=outcomes,
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
