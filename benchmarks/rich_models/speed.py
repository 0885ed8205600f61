"""How fast the rich models are beside the published code, and what memory they need.

    KERAS_BACKEND=torch python -m benchmarks.rich_models.speed --image FILE

Needs the extra `reference`. The layer and sealwatch run in alternation in one process,
on as many cores as there are.
"""

import dataclasses
import json
import statistics
import time
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from benchmarks.record import backend_and_device, write_result
from benchmarks.speed.memory_growth import in_own_process, measure_memory
from benchmarks.speed.timing import compiled_forward
from keras_forensics.layers import (
    ColorRichFeatures,
    DCTRFeatures,
    GFRFeatures,
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
    """How often each is timed; 0: only memory is measured, for rows that there are."""
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
        "GFR": lambda image: sealwatch.gfr.extract(
            image[..., 1].astype("float64"), quantization_steps=(2, 4, 6, 8)
        ),
    }[name]


LAYERS = {
    "SPAM": lambda: SPAMFeatures(),
    "SRM q1": lambda: SRMFeatures("q1"),
    "SRM full": lambda: SRMFeatures(),
    "colour": lambda: ColorRichFeatures(),
    "DCTR": lambda: DCTRFeatures(),
    "GFR": lambda: GFRFeatures(),
}


def cut(image: np.ndarray, name: str) -> np.ndarray:
    """A batch of one image, as the layer takes it."""
    if name == "colour":
        return image[None]
    grey = image[None, ..., 1:2]
    # Pixels of which nobody knows that they are whole.
    return grey.astype("float64") if name in ("DCTR", "GFR") else grey


def memory_of(name: str, image: np.ndarray) -> float:
    """The most MB by which the first image enlarges a process of its own.

    What the backend takes for a small image is there before.
    """
    layer = LAYERS[name]()
    compiled_forward(layer, [cut(image[:40, :40], name)])()
    step = compiled_forward(layer, [cut(image, name)])
    return measure_memory(step)


def seconds(step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def spread(values) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def time_model(name: str, image: np.ndarray, speed: Speed) -> list[str | float]:
    """Times a layer and the published code in alternation: cells of the table."""
    one = cut(image, name)
    many = np.concatenate([np.roll(one, 17 * k, 1) for k in range(speed.batch_size)])
    layer, theirs = LAYERS[name](), published(name)
    first = compiled_forward(layer, [one])
    trace = seconds(first)
    batch = compiled_forward(layer, [many])
    batch()
    theirs(image)
    ours, batched, reference = [], [], []
    for _ in range(speed.rounds):
        ours.append(seconds(first))
        batched.append(seconds(batch) / speed.batch_size)
        reference.append(seconds(lambda: theirs(image)))
    ratios = [
        spread([b / a for a, b in zip(each, reference, strict=True)])
        for each in (ours, batched)
    ]
    return [spread(reference), spread(ours), *ratios, round(trace, 1)]


def main(speed: Speed) -> None:
    """Measures the models, and writes the table after each."""
    where, in_words = backend_and_device()
    pixels = np.array(Image.open(speed.image).convert("RGB"))
    image = pixels[: speed.size, : speed.size]
    assert image.shape[:2] == (speed.size, speed.size), "the photograph is too small"
    table = Path(speed.results_dir) / f"speed_rich_models_{where}.json"
    rows = {}
    if table.exists():
        rows = {row[0]: row for row in json.loads(table.read_text())["rows"]}
    for name in speed.what or LAYERS:
        memory = in_own_process(memory_of, name, image)
        times = time_model(name, image, speed) if speed.rounds else rows[name][1:-1]
        rows[name] = [name, *times, round(memory)]
        print(*rows[name], sep="\t", flush=True)
        write_table(speed, table, in_words, [rows[n] for n in LAYERS if n in rows])


def write_table(speed: Speed, table: Path, in_words: str, rows: list[list]) -> None:
    """Writes the rows there are."""
    write_result(
        table,
        title=f"Speed of the rich models on {in_words}",
        what=(
            f"One image of {speed.size} pixels a side: seconds, and how many times as "
            "long sealwatch takes, as median (smallest to largest) over rounds in "
            "alternation, for one image and for each of a batch of "
            f"{speed.batch_size}. Seconds of the first call, which traces and "
            "compiles, and the most memory by which the first image, with its "
            "tracing, enlarges a process of its own; on JAX with the program that "
            "another process compiled."
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
        notes=(
            "sealwatch computes SPAM in Rust, the others in Python with NumPy. A table "
            "can grow over several runs: the command is that of the last."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Speed))
