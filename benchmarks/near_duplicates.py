"""Which edited copies the perceptual hash finds again, by the bits that may differ.

python -m benchmarks.near_duplicates --data-dirs DIR DIR
"""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tyro
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.record import write_result
from examples.deepfake_v3.auditing.duplicates import perceptual_hash
from examples.deepfake_v3.loading.data import list_files
from examples.deepfake_v3.loading.images import read_image

DISTANCES = (2, 4, 6, 8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NearDuplicates:
    """Edit images and write which copies are found."""

    data_dirs: tuple[str, ...]
    """Folders of images."""
    images: int = 300
    """Images of each folder, drawn at random."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as near_duplicates.json."""


def compress(image: Image.Image, quality: int) -> Image.Image:
    """The image after JPEG compression."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def crop(image: Image.Image, share: float) -> Image.Image:
    """The image without `share` of its width and height at each side."""
    x, y = (max(1, round(share * n)) for n in image.size)
    return image.crop((x, y, image.width - x, image.height - y))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG quality 50": lambda image: compress(image, 50),
    "JPEG quality 20": lambda image: compress(image, 20),
    "half the size": lambda image: image.resize([n // 2 for n in image.size]),
    "twice the size": lambda image: image.resize([2 * n for n in image.size]),
    "20 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "2 % cropped at each side": lambda image: crop(image, 0.02),
    "5 % cropped at each side": lambda image: crop(image, 0.05),
    "mirrored": ImageOps.mirror,
}


def main(benchmark: NearDuplicates) -> None:
    """Edits the images of one set after the other."""
    rows = []
    for data_dir in benchmark.data_dirs:
        files = [p for p in list_files(Path(data_dir)) if p.suffix in (".jpg", ".png")]
        drawn = np.random.default_rng(0).permutation(len(files))[: benchmark.images]
        images = [Image.fromarray(read_image(files[i])) for i in drawn]
        hashes = [perceptual_hash(np.asarray(image)) for image in images]
        for name, edit in EDITS.items():
            bits = []
            for image, known in zip(images, hashes, strict=True):
                copy = perceptual_hash(np.asarray(edit(image)))
                if known is not None and copy is not None:
                    bits.append((known ^ copy).bit_count())
            shares = [float(np.mean(np.array(bits) <= each)) for each in DISTANCES]
            rows.append(
                [Path(data_dir).name, name, *(f"{share:.0%}" for share in shares)]
            )
    write_result(
        Path(benchmark.results_dir) / "near_duplicates.json",
        title="Copies that the audit finds again",
        what=(
            f"{benchmark.images} images of each set are edited. The share of copies "
            "whose perceptual hash differs by at most so many of 64 bits; the audit's "
            "default is 4."
        ),
        columns=["set", "edit", *(f"{each} bits" for each in DISTANCES)],
        rows=rows,
    )


if __name__ == "__main__":
    main(tyro.cli(NearDuplicates))
