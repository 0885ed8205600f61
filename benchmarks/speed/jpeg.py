"""JPEG in the graph beside kornia's form, and beside Pillow on all cores: time, memory.

KERAS_BACKEND=torch python -m benchmarks.speed.jpeg --photographs DIR
"""

import dataclasses
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.record import backend_and_device, write_result
from benchmarks.speed.memory_growth import in_own_process, measure_memory
from benchmarks.speed.timing import Step, compare, compiled_forward
from keras_forensics import JPEGCompression, RandomJPEGCompression
from test_support import pillow_jpeg

QUALITY = 75


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time compression and decompression of one batch."""

    photographs: str
    """Folder of photographs, of which crops are taken in turn."""
    image_size: int = 224
    """Side of the images in pixels."""
    batch_size: int = 64
    """Images a step."""
    rounds: int = 15
    """How often each form is timed, in alternation with the others."""
    tables: tuple[Literal["speed", "memory"], ...] = ("speed", "memory")
    """What to measure. Memory is that of the host: not on a GPU."""
    results_dir: str = "benchmarks/results"
    """Where the tables are written, as speed_jpeg_<backend>.json and
    memory_jpeg_<backend>.json; on a GPU, as speed_jpeg_<backend>_gpu.json."""


def crops(benchmark: Benchmark) -> np.ndarray:
    """Crops of photographs at random places, uint8."""
    paths = [
        path
        for path in sorted(Path(benchmark.photographs).rglob("*"))
        if path.suffix in (".png", ".jpg")
    ]
    random, size, found = np.random.default_rng(0), benchmark.image_size, []
    for index in range(benchmark.batch_size):
        photograph = Image.open(paths[index % len(paths)]).convert("RGB")
        left, top = (random.integers(0, side - size + 1) for side in photograph.size)
        found.append(np.asarray(photograph)[top : top + size, left : left + size])
    return np.stack(found)


def by_pillow(images: np.ndarray, cores: int) -> Step:
    """Every image saved and opened, on so many threads: Pillow frees the lock."""
    pool = ThreadPoolExecutor(cores)

    def one(pixels):
        return pillow_jpeg.decode(pillow_jpeg.encode(pixels, QUALITY))

    return lambda: list(pool.map(one, images))


def by_kornia(images: np.ndarray) -> Step:
    """The tensor form of kornia, on the device that Keras uses."""
    import kornia
    import torch

    device = keras.ops.convert_to_tensor(images).device
    scaled = torch.tensor(np.moveaxis(images, -1, 1) / 255, dtype=torch.float32)
    scaled = scaled.to(device)
    qualities = torch.full((len(images),), float(QUALITY), device=device)

    def step():
        with torch.no_grad():
            kornia.enhance.jpeg_codec_differentiable(scaled, qualities)
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return step


def steps_on(images: np.ndarray) -> dict[str, Callable[[], Step]]:
    """How to make the step of each form that runs on the backend."""
    pixels = images.astype("float32")
    random = RandomJPEGCompression((30, 100), grid_shift=True, seed=0)
    forms = {
        "`JPEGCompression`": JPEGCompression(QUALITY),
        '`JPEGCompression`, `"4:4:4"`': JPEGCompression(QUALITY, "4:4:4"),
        # In inference mode it does nothing, so with its drawing.
        "`RandomJPEGCompression`, a quality and a grid for each": (
            lambda x: random.transform_images(x, random.get_random_transformation(x))
        ),
    }
    steps: dict[str, Callable[[], Step]] = {
        name: functools.partial(compiled_forward, form, [pixels])
        for name, form in forms.items()
    }
    if keras.backend.backend() == "torch":
        kornia = functools.partial(by_kornia, images)
        steps["`jpeg_codec_differentiable` of kornia"] = kornia
    return steps


def memory_of(form: str, images: np.ndarray) -> float:
    """The most MB by which the first batch enlarges the process.

    What the backend takes for a small batch is there before.
    """
    steps_on(images[:1, :40, :40])[form]()()
    # Compiling the step runs the layer once: within what is measured.
    return measure_memory(lambda: steps_on(images)[form]()())


def main(benchmark: Benchmark) -> None:
    """Writes the tables."""
    images = crops(benchmark)
    if "speed" in benchmark.tables:
        write_speed(benchmark, images)
    if "memory" in benchmark.tables:
        write_memory(benchmark, images)


def write_memory(benchmark: Benchmark, images: np.ndarray) -> None:
    """Measures each form in a process of its own."""
    rows = []
    for form in steps_on(images):
        memory = in_own_process(memory_of, form, images)
        rows.append([form, round(memory), round(memory * 1e6 / images.size, 1)])
        print(*rows[-1], sep="\t", flush=True)
    name, device = backend_and_device()
    write_result(
        f"{benchmark.results_dir}/memory_jpeg_{name}.json",
        title=f"Memory of JPEG on {device}",
        what=f"The most by which the first batch of {len(images)} images of "
        f"{benchmark.image_size} × {benchmark.image_size} pixels enlarges a process of "
        "its own, and what that is for each value of a pixel. Layers are called once "
        "as they are and once compiled; on JAX the programs are those that another "
        "process compiled.",
        columns=["form", "MB", "bytes a value"],
        rows=rows,
        notes="The batch is there in uint8 before; in float32 it takes 4 bytes a value "
        "more, and the result as much again.",
    )


def write_speed(benchmark: Benchmark, images: np.ndarray) -> None:
    """Times all forms in alternation."""
    cores = len(os.sched_getaffinity(0))
    steps = {f"Pillow, {cores} threads": by_pillow(images, cores)}
    steps |= {name: make() for name, make in steps_on(images).items()}
    name, device = backend_and_device()
    write_result(
        f"{benchmark.results_dir}/speed_jpeg_{name}.json",
        title=f"JPEG on {device}",
        what=f"Compression and decompression of {len(images)} crops of photographs of "
        f"{benchmark.image_size} × {benchmark.image_size} pixels at quality {QUALITY}, "
        "4:2:0 if not said otherwise.",
        columns=["form", "milliseconds a batch", "time relative to Pillow's"],
        rows=compare(steps, benchmark.rounds, max_seconds=300),
        notes="Median over rounds in alternation; ratios within a round, with their "
        "quartiles. kornia's pixels are not those of a file.",
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
