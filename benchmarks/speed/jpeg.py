"""JPEG in the graph beside kornia's form, and beside Pillow on all cores.

KERAS_BACKEND=torch python -m benchmarks.speed.jpeg --photographs DIR
"""

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.record import backend_and_device, write_result
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
    results_dir: str = "benchmarks/results"
    """Where the table is written, as speed_jpeg_<backend>.json; on a GPU, as
    speed_jpeg_<backend>_gpu.json."""


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


def main(benchmark: Benchmark) -> None:
    """Times all forms in alternation, and writes the table."""
    images, cores = crops(benchmark), len(os.sched_getaffinity(0))
    pixels = images.astype("float32")
    random = RandomJPEGCompression((30, 100), grid_shift=True, seed=0)
    steps = {
        f"Pillow, {cores} threads": by_pillow(images, cores),
        "`JPEGCompression`": compiled_forward(JPEGCompression(QUALITY), [pixels]),
        '`JPEGCompression`, `"4:4:4"`': compiled_forward(
            JPEGCompression(QUALITY, "4:4:4"), [pixels]
        ),
        # In inference mode it does nothing, so with its drawing.
        "`RandomJPEGCompression`, a quality and a grid for each": compiled_forward(
            lambda x: random.transform_images(x, random.get_random_transformation(x)),
            [pixels],
        ),
    }
    if keras.backend.backend() == "torch":
        steps["`jpeg_codec_differentiable` of kornia"] = by_kornia(images)
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
