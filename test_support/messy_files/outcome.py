"""What became of the files, which are looked at in a process of their own."""

import csv
import dataclasses
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS
from test_support.messy_files.messy import Messy

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of the files.

    Attributes:
        read: Those that were read, as their names.
        quarantined: Those that were not, `{name: reason}`.
        complaints: `{name: what is wrong}`, empty if all is as it must be.
        memory: The most bytes that the check and the reading took at a time.
    """

    read: set[str]
    quarantined: dict[str, str]
    complaints: dict[str, str]
    memory: int


def outcome_of(files: list[Messy], directory: Path) -> Outcome:
    """Makes the files below a new directory, checks and reads them in a process."""
    data_dir, result = directory / "data", directory / "outcome.npz"
    for index, part in enumerate(itertools.product(SPLITS, CLASS_NAMES)):
        (data_dir / Path(*part)).mkdir(parents=True)
        # A good image in each class, or the check would end there.
        Image.new("RGB", (8, 8), (index,) * 3).save(data_dir / Path(*part) / "0.png")
    folder = data_dir / "train" / "real"
    paths = {messy.name: messy.write(folder) for messy in files}
    examine = [sys.executable, "-m", "test_support.messy_files.examine"]
    subprocess.run([*examine, str(data_dir), str(result)], cwd=ROOT, check=True)
    with np.load(result) as stored:
        found = {
            os.fsdecode(bytes.fromhex(key)): stored[key]
            for key in set(stored.files) - {"memory"}
        }
        memory = int(stored["memory"])
    with result.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        reasons = {row["file"]: row["reason"] for row in csv.DictReader(file)}

    read, quarantined, complaints = set(), {}, {}
    for messy in files:
        path = str(paths[messy.name])
        pixels = found.pop(path, None)
        reason = reasons.pop(path.encode(errors="backslashreplace").decode(), None)
        if pixels is not None:
            read.add(messy.name)
        if reason is not None:
            quarantined[messy.name] = reason
        if complaint := messy.complaint(pixels, reason):
            complaints[messy.name] = complaint
    return Outcome(read, quarantined, complaints, memory)
