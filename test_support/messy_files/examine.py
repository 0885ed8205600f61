"""Checks a data directory as before training, and reads what is usable.

    python -m test_support.messy_files.examine DATA_DIR RESULT

Whoever imports Keras holds much memory: so this does not.
"""

import os
import re
import resource
import sys
from pathlib import Path

import numpy as np

from examples.deepfake_v3.loading import data
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.images import LARGE, crop_to_size, read_image
from test_support.messy_files.sizes import SAMPLE


def examine(data_dir: str, result: str) -> None:
    """Checks a data directory, reads what is usable, and writes what came of it."""
    # A failure must not take the machine with it.
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    data.THREADS = 8  # all of them may take memory at a time
    before = peak_memory()
    report = Path(result).with_suffix(".csv")
    images = check_data_dir(data_dir, report_path=report)["train"]
    images.fingerprints()
    found = {}
    for path in images.paths:
        pixels = read_image(path)
        crop_to_size(pixels, 224)
        if pixels.size > LARGE:
            pixels = pixels[::SAMPLE, ::SAMPLE].copy()
        found[os.fsencode(path).hex()] = pixels
    np.savez(result, memory=peak_memory() - before, **found)


def peak_memory() -> int:
    """The most bytes that this process has ever held; Linux only."""
    # Not `getrusage`, which counts the process that started this one.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


if __name__ == "__main__":
    examine(*sys.argv[1:])
