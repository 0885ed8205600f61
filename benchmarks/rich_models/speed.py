"""How fast the rich models are beside the published code, and what memory they need.

    KERAS_BACKEND=torch python -m benchmarks.rich_models.speed --image FILE

Needs the extra `reference`. The layer and sealwatch run in alternation in one process,
on as many cores as there are.
"""

import dataclasses
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import tyro
from PIL import Image

from benchmarks.record import backend_and_device, write_result
from benchmarks.speed.timing import compiled_forward
from keras_forensics.layers import (
    ColorRichFeatures,
    DCTRFeatures,
    SPAMFeatures,
    SRMFeatures,
)
from test_support.published_rich_models import import_sealwatch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speed:
    """Time the rich models and the published code in alternation."""

    image: str
    """A photograph of 512 pixels or more a side."""
    size: int = 512
    """Height and width of the part that is taken."""
    rounds: int = 5
    """How often each is timed."""
    batch_size: int = 8
    """Images of the larger batch."""
    what: tuple[str, ...] = ()
    """Models to time, such as "SRM q1"; left out: all."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as speed_rich_models_<backend>.json."""


def published(name: str):
    """sealwatch's function of a colour image."""
    sealwatch = import_sealwatch()

    def spam(image):
        with sealwatch.BACKEND_RUST:
            return sealwatch.spam.extract(np.ascontiguousarray(image[..., 1]))

    return {
        "SPAM": spam,
        "SRM q1": lambda image: sealwatch.srmq1.extract(image[..., 1]),
        "SRM full": lambda image: sealwatch.srm.extract(image[..., 1]),
        "colour": lambda image: sealwatch.crm.extract(image, Tc=3),
        "DCTR": lambda image: sealwatch.dctr.extract(image[..., 1] - 128.0, 4),
    }[name]


LAYERS = {
    "SPAM": lambda: SPAMFeatures(),
    "SRM q1": lambda: SRMFeatures("q1"),
    "SRM full": lambda: SRMFeatures(),
    "colour": lambda: ColorRichFeatures(),
    "DCTR": lambda: DCTRFeatures(),
}


def measure_memory(step) -> float:
    """The most MB by which a step enlarges the process, a hundred times a second."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    done = threading.Event()

    def watch():
        nonlocal most
        while not done.wait(0.01):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    step()
    done.set()
    watcher.join()
    return (max(most, process.memory_info().rss) - before) / 1e6


def seconds(step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def spread(values) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main(speed: Speed) -> None:
    """Times all models and writes the table."""
    where, in_words = backend_and_device()
    pixels = np.array(Image.open(speed.image).convert("RGB"))
    image = pixels[: speed.size, : speed.size]
    assert image.shape[:2] == (speed.size, speed.size), "the photograph is too small"
    rows = []
    for name, make in LAYERS.items():
        if speed.what and name not in speed.what:
            continue
        one = image[None] if name == "colour" else image[None, ..., 1:2]
        if name == "DCTR":  # pixels of which nobody knows that they are whole
            one = one.astype("float64")
        many = np.concatenate(
            [np.roll(one, 17 * k, 1) for k in range(speed.batch_size)]
        )
        layer, theirs = make(), published(name)
        first = compiled_forward(layer, [one])
        trace = seconds(first)
        memory = measure_memory(first)
        batch = compiled_forward(layer, [many])
        batch()
        theirs(image)
        ours, batched, reference = [], [], []
        for _ in range(speed.rounds):
            ours.append(seconds(first))
            batched.append(seconds(batch) / speed.batch_size)
            reference.append(seconds(lambda theirs=theirs: theirs(image)))
        ratios, of_batch = (
            spread([b / a for a, b in zip(each, reference, strict=True)])
            for each in (ours, batched)
        )
        rows.append(
            [
                name,
                spread(reference),
                spread(ours),
                ratios,
                of_batch,
                round(trace, 1),
                round(memory),
            ]
        )
        print(*rows[-1], sep="\t", flush=True)
    write_result(
        Path(speed.results_dir) / f"speed_rich_models_{where}.json",
        title=f"Speed of the rich models on {in_words}",
        what=(
            f"One image of {speed.size} pixels a side: seconds, and how many times as "
            "long sealwatch takes, as median (smallest to largest) over "
            f"{speed.rounds} rounds in alternation, for one image and for each of a "
            f"batch of {speed.batch_size}. Seconds of the first call, which traces and "
            "compiles, and the most memory by which a later call enlarges the process."
        ),
        columns=[
            "model",
            "sealwatch, s",
            "layer, s",
            "ratio",
            f"ratio, batch of {speed.batch_size}",
            "first call, s",
            "memory, MB",
        ],
        rows=rows,
        notes="sealwatch computes SPAM in Rust, the others in Python with NumPy.",
    )


if __name__ == "__main__":
    main(tyro.cli(Speed))
