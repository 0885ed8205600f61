"""Counts what becomes of malformed and unusual files in the check before training.

    python -m benchmarks.messy_input

The same files as in `tests/examples/test_messy_input.py`, and besides them some images
just below the limit of pixels, which take the most memory.
"""

import dataclasses
import tempfile
import time
from pathlib import Path

import tyro

from benchmarks.record import write_result
from test_support.messy_files.everything import messy_files
from test_support.messy_files.messy import ANY, Messy
from test_support.messy_files.outcome import Outcome, outcome_of
from test_support.messy_files.sizes import large_files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Check malformed and unusual files."""

    results_dir: str = "benchmarks/results"
    """Where the table is written, as messy_input.json."""


def measure(files: list[Messy]) -> tuple[Outcome, float]:
    """What came of the files, and the seconds it took to make, check and read them."""
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        return outcome_of(files, Path(directory)), time.perf_counter() - start


def count(name: str, files: list[Messy], outcome: Outcome) -> list:
    """One row of the table."""
    wrong = [messy for messy in files if messy.name in outcome.complaints]
    right = [messy for messy in files if messy.name not in outcome.complaints]
    read = [messy for messy in right if messy.name in outcome.read]
    unseen = [messy for messy in read if messy.pixels is ANY]
    quarantined = [messy for messy in right if messy.name in outcome.quarantined]
    return [
        name,
        len(files),
        len(read) - len(unseen),
        len(quarantined),
        len(unseen),
        len(right) - len(read) - len(quarantined),
        len(wrong),
    ]


def main(benchmark: Benchmark) -> None:
    """Counts and writes the table."""
    files, large = messy_files(), large_files()
    outcome, seconds = measure(files)
    large_outcome, large_seconds = measure(large)
    for name, complaint in (outcome.complaints | large_outcome.complaints).items():
        print(f"wrong: {name!r}: {complaint}")
    kinds = dict.fromkeys(messy.kind for messy in files)
    rows = [
        count(kind, [messy for messy in files if messy.kind == kind], outcome)
        for kind in kinds
    ]
    rows.append(count("just below the limit of pixels", large, large_outcome))
    totals = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    rows.append(["all", *totals])
    write_result(
        Path(benchmark.results_dir) / "messy_input.json",
        title="Malformed and unusual files",
        what="What the check before training makes of each, with 8 threads: read with "
        "the pixels that it must have, or quarantined with the reason that it must "
        "have.",
        columns=[
            "kind",
            "files",
            "read",
            "quarantined",
            "damage unseen",
            "ignored",
            "wrong",
        ],
        rows=rows,
        notes="Damage unseen: a changed byte that no decoder can notice, since the "
        "format has no checksum there; the file is read as it is. Ignored: hidden "
        "files and empty folders. Memory at its peak, above that of the idle process: "
        f"{outcome.memory / 1e6:.0f} MB for the malformed and unusual files, "
        f"{large_outcome.memory / 1e6:.0f} MB for the images just below the limit of "
        f"pixels. Seconds to make, check and read: {seconds:.0f} and "
        f"{large_seconds:.0f}.",
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
