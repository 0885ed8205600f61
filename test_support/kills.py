"""Kills runs, lets them go on, and compares what they leave with one left alone."""

import dataclasses
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from examples.deepfake_v3.demo_set import render_demo_set

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass
class Outcome:
    """What came of the kills on one backend.

    Attributes:
        kills: Processes that were killed.
        writing: Those of them that were killed while they wrote a file.
        runs: Runs that were killed at least once, and went on to their end.
        models: Model files compared.
        difference: Largest difference of a variable in them; 0 is bit for bit.
        histories_equal: Whether every history is the same, byte for byte.
    """

    kills: int = 0
    writing: int = 0
    runs: int = 0
    models: int = 0
    difference: float = 0.0
    histories_equal: bool = True


def kill_and_compare(
    directory: Path,
    *,
    backend: str,
    kills: int,
    seed: int,
    arguments: Sequence[str] = (),
) -> Outcome:
    """Runs once in peace, then with kills, and compares all that the runs leave.

    Args:
        directory: An empty directory.
        backend: Keras backend.
        kills: How many processes are killed, the half of them while they write.
        seed: Seed of the moments.
        arguments: Further arguments of `test_support.killed_run`.
    """
    data = render_demo_set(
        directory / "data",
        images_per_class={"train": 8, "val": 8, "test": 1},
        image_size=64,
        seed=0,
    )

    def command(run: Path, *kill: str) -> list[str]:
        module = [sys.executable, "-u", "-m", "test_support.killed_run"]
        return [*module, str(data), str(run), *arguments, *kill]

    peace = directory / "peace"
    start = time.perf_counter()
    assert _run(command(peace), backend), "killed by someone else"
    # Short enough that most kills come before the end, and leave some to go.
    longest = (time.perf_counter() - start) / 3

    rng = random.Random(seed)
    outcome = Outcome()
    names = (directory / f"killed{number}" for number in itertools.count(1))
    run, killed_before = next(names), False

    def complete() -> None:
        nonlocal run, killed_before
        outcome.runs += killed_before
        _compare(peace, run, outcome)
        run, killed_before = next(names), False

    while outcome.kills < kills:
        kill: tuple[str, ...] = ()
        seconds = None
        if outcome.kills % 2:
            seconds = rng.uniform(0, longest)
        else:
            event, most = rng.choice(
                [("write", 4000), ("flush", 12), ("rename", 6), ("renamed", 6)]
            )
            count = rng.randint(1, most)
            kill = ("--kill.event", event, "--kill.count", str(count))
        if _run(command(run, *kill), backend, seconds):
            complete()
            continue
        killed_before = True
        outcome.kills += 1
        outcome.writing += bool(kill)
        print(
            f"{backend}: kill {outcome.kills} in {run.name}, "
            + (" ".join(kill) or f"{seconds:.1f} s after its start"),
            flush=True,
        )
    if killed_before:
        assert _run(command(run), backend), "killed by someone else"
        complete()
    return outcome


def _run(command: list[str], backend: str, seconds: float | None = None) -> bool:
    """Runs to the end, or to a kill.

    Args:
        command: What to run.
        backend: Keras backend.
        seconds: Kill it so long after its first stage began; never without it.

    Returns:
        Whether it came to its end.

    Raises:
        RuntimeError: If it failed by itself.
    """
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as process:
        lines, timer = [], None
        for line in process.stdout or ():
            lines.append(line)
            if "peak rate" in line and seconds is not None and timer is None:
                timer = threading.Timer(seconds, process.kill)
                timer.start()
        process.wait()
        if timer is not None:
            timer.cancel()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(lines)[-4000:]}")
    return process.returncode == 0


def _compare(peace: Path, run: Path, outcome: Outcome) -> None:
    """Compares all models and histories of two runs."""
    expected, found = (
        sorted(
            path.relative_to(each)
            for path in each.rglob("*")
            if path.suffix in (".keras", ".csv", ".npz")
        )
        for each in (peace, run)
    )
    if expected != found:
        raise AssertionError(f"{peace} has {expected}, {run} has {found}")
    for name in expected:
        if name.suffix == ".keras":
            outcome.models += 1
            ours, theirs = _variables(peace / name), _variables(run / name)
            assert ours.keys() == theirs.keys(), name
            outcome.difference = max(
                outcome.difference, *(_difference(ours[k], theirs[k]) for k in ours)
            )
        elif (peace / name).read_bytes() != (run / name).read_bytes():
            outcome.histories_equal = False


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.max(np.abs(first.astype("float64") - second), initial=0.0))


def _variables(path: Path) -> dict[str, np.ndarray]:
    """Every variable in a model file, states of random generators included."""
    found = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = np.array(item)

    with (
        zipfile.ZipFile(path) as archive,
        archive.open("model.weights.h5") as weights,
        h5py.File(weights, "r") as file,
    ):
        file.visititems(collect)
    return found
