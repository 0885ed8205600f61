"""Are the rich models equal to the published ones, on photographs?

    KERAS_BACKEND=jax python -m benchmarks.rich_models.equality --data-dirs DIR DIR

Needs the extra `reference`.
"""

import contextlib
import dataclasses
from pathlib import Path

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.record import write_result
from keras_forensics.layers import ColorRichFeatures, SPAMFeatures, SRMFeatures
from test_support import published_rich_models as published


@dataclasses.dataclass(frozen=True, kw_only=True)
class Equality:
    """Compare every feature of photographs and crops with the published code."""

    data_dirs: tuple[str, ...]
    """Folders of photographs."""
    photographs: int = 24
    """How many of each folder, in the order of their names."""
    whole: int = 4
    """How many of these are also taken whole."""
    sizes: tuple[tuple[int, int], ...] = ((201, 199), (256, 256))
    """Heights and widths of the crops, from the middle."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as rich_models_<backend>.json."""


def read_images(equality: Equality, folder: Path):
    """`(size in words, colour image)` of each crop and whole photograph."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg"))
    for number, path in enumerate(files[: equality.photographs]):
        image = np.array(Image.open(path).convert("RGB"))
        if number < equality.whole:
            yield "whole", image
        for height, width in equality.sizes:
            top = (image.shape[0] - height) // 2
            left = (image.shape[1] - width) // 2
            yield (
                f"{height}×{width}",
                image[top : top + height, left : left + width],
            )


def grey(image: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(image).convert("L"))


def differing(features, expected, count):
    """How many features differ by more than a hundredth of one count."""
    return int((abs(features - expected) > 0.01 * count).sum())


def compare_srm(layer, image) -> tuple[int, int]:
    pixels = grey(image)
    features = _features(layer, pixels[..., None])
    rows = published.count_srm(pixels, "hor")
    columns = published.count_srm(pixels, "ver")
    assert set(rows) == set(layer.submodels)
    wrong = 0
    for name, where in layer.submodels.items():
        total = 2 if "minmax" in name else 1
        expected = published.frequencies(rows[name], name, total)
        expected = expected + published.frequencies(columns[name], name, total)
        most = max(rows[name].sum(), columns[name].sum())
        wrong += differing(features[where], expected, 1 / most)
    return features.size, wrong


def compare_colours(layer, image) -> tuple[int, int]:
    features = _features(layer, image)
    counts = published.count_colours(image)
    assert list(counts) == list(layer.submodels)
    wrong = 0
    for name, where in layer.submodels.items():
        parts = 2 if "spam11" in name else 1
        total = round(features[where].sum() / parts)
        expected = published.frequencies(counts[name], name, total)
        wrong += differing(
            features[where], expected, 1 / counts[name].sum(dtype="float64")
        )
    return features.size, wrong


def compare_spam(layer, image) -> tuple[int, int]:
    pixels = grey(image)
    features = _features(layer, pixels[..., None])
    expected = np.concatenate([*published.spam(pixels).values()])
    return features.size, differing(features, expected, 1 / (4 * pixels.size))


COMPARISONS = {
    SPAMFeatures: compare_spam,
    SRMFeatures: compare_srm,
    ColorRichFeatures: compare_colours,
}


def _features(layer, image) -> np.ndarray:
    return keras.ops.convert_to_numpy(layer(image[None]))[0]


@contextlib.contextmanager
def float64():
    """Features whose rounding is far below one count, on every backend."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield


def main(equality: Equality) -> None:
    """Compares all images and writes the table."""
    totals: dict = {}
    with float64():
        layers = {kind: kind(dtype="float64") for kind in COMPARISONS}
        for folder in map(Path, equality.data_dirs):
            name = folder.name if folder.name.isidentifier() else str(folder)
            if folder.name in ("train", "val", "test"):
                name = f"{folder.parent.name}, {folder.name}"
            for size, image in read_images(equality, folder):
                for kind, compare in COMPARISONS.items():
                    compared, wrong = compare(layers[kind], image)
                    row = totals.setdefault((kind.__name__, name, size), [0, 0, 0])
                    row[0] += 1
                    row[1] += compared
                    row[2] += wrong
                print(name, size, image.shape, *totals.values(), flush=True)
    backend = keras.backend.backend()
    rows = [[*key, *row] for key, row in sorted(totals.items())]
    write_result(
        Path(equality.results_dir) / f"rich_models_{backend}.json",
        title=f"Rich models beside the published code, on {backend}",
        what=(
            "Features of photographs and of crops from their middle, and how many "
            "differ from those of sealwatch by more than a hundredth of one count."
        ),
        columns=["layer", "photographs", "size", "images", "features", "differ"],
        rows=rows,
        notes=(
            "In float64, where rounding is far below one count. sealwatch's counting "
            "of tuples is replaced by one that gives whole numbers; its residuals, "
            "extremes, quantisation and symmetries are its own."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Equality))
