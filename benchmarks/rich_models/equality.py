"""Are the rich models equal to the published ones, on photographs?

    KERAS_BACKEND=jax python -m benchmarks.rich_models.equality \\
        --data-dirs DIR DIR --published-dir DIR

Needs the extra `reference`. What sealwatch counts takes most of the time: it is kept in
`--published-dir`, for the other backends, one after the other. A run that was stopped
goes on where it was.
"""

import contextlib
import dataclasses
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tyro
from PIL import Image

from benchmarks.record import write_result
from examples.deepfake_v3.files.files import replacing
from keras_forensics.layers import (
    ColorRichFeatures,
    DCTRFeatures,
    GFRFeatures,
    SPAMFeatures,
    SRMFeatures,
)
from keras_forensics.layers.gfr_features import STEPS as GFR_STEPS
from test_support import published_rich_models as published

QUALITIES = (75, 95)
"""Of the JPEG files whose features are compared."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Equality:
    """Compare every feature of photographs and crops with the published code."""

    data_dirs: tuple[str, ...]
    """Folders of photographs."""
    published_dir: str
    """Where the counts of the published code are kept."""
    first: int = 0
    """Number of the first photograph that is taken of each folder of more than twice as
    many, in the order of their names."""
    photographs: int = 24
    """How many of each folder."""
    whole: int = 1
    """How many of these are also taken whole."""
    sizes: tuple[tuple[int, int], ...] = ((201, 199), (256, 256))
    """Heights and widths of the crops, from the middle."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as rich_models_<backend>.json."""


def read_images(equality: Equality):
    """`(name of the folder, size in words, name, colour image)` of each image."""
    for folder in map(Path, equality.data_dirs):
        files = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg"))
        first = equality.first if len(files) > 2 * equality.first else 0
        for number, path in enumerate(files[first : first + equality.photographs]):
            image = np.array(Image.open(path).convert("RGB"))
            crops = [("whole", image)] if number < equality.whole else []
            for height, width in equality.sizes:
                top = (image.shape[0] - height) // 2
                left = (image.shape[1] - width) // 2
                crop = image[top : top + height, left : left + width]
                crops.append((f"{height}×{width}", crop))
            for size, crop in crops:
                yield _name(folder), size, path.stem, crop


def _name(folder: Path) -> str:
    """Of a data set, and of the split if there is one."""
    if folder.name in ("train", "val", "test"):
        return f"{folder.parent.name}, {folder.name}"
    return folder.name


def grey(image: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(image).convert("L"))


def differing(features, expected, count):
    """How many features differ by more than a hundredth of one count."""
    return int((abs(features - expected) > 0.01 * count).sum())


def count_all(image) -> dict[str, np.ndarray]:
    """What the published code counts, by layer, way of counting and submodel."""
    pixels = grey(image)
    counted = {
        "SRMFeatures/hor": published.count_srm(pixels, "hor"),
        "SRMFeatures/ver": published.count_srm(pixels, "ver"),
        "ColorRichFeatures/all": published.count_colours(image),
        "SPAMFeatures/all": published.spam(pixels),
    }
    return {
        f"{prefix}/{name}": values
        for prefix, by_name in counted.items()
        for name, values in by_name.items()
    }


def kept_counts(path: Path, count) -> dict[str, np.ndarray]:
    """What `count` returns, computed at the first call."""
    if not path.exists():
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(file, **count())
    with np.load(path) as arrays:
        return dict(arrays)


def _of(counts, prefix: str) -> dict[str, np.ndarray]:
    return {
        key.rsplit("/", 1)[1]: values
        for key, values in counts.items()
        if key.startswith(f"{prefix}/")
    }


def compare_srm(layer, image, counts) -> tuple[int, int]:
    features = _features(layer, grey(image)[..., None])
    rows, columns = (_of(counts, f"SRMFeatures/{which}") for which in ("hor", "ver"))
    assert set(rows) == set(layer.submodels)
    wrong = 0
    for name, where in layer.submodels.items():
        total = 2 if "minmax" in name else 1
        expected = published.frequencies(rows[name], name, total)
        expected = expected + published.frequencies(columns[name], name, total)
        most = max(rows[name].sum(), columns[name].sum())
        wrong += differing(features[where], expected, 1 / most)
    return features.size, wrong


def compare_colours(layer, image, counts) -> tuple[int, int]:
    features = _features(layer, image)
    counts = _of(counts, "ColorRichFeatures/all")
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


def compare_spam(layer, image, counts) -> tuple[int, int]:
    pixels = grey(image)
    features = _features(layer, pixels[..., None])
    expected = np.concatenate([*_of(counts, "SPAMFeatures/all").values()])
    return features.size, differing(features, expected, 1 / (4 * pixels.size))


def count_dctr(image, quality: int) -> dict[str, np.ndarray]:
    pixels, features = published.dctr(grey(image), quality)
    return {"pixels": pixels, "features": features}


def count_gfr(image, quality: int) -> dict[str, np.ndarray]:
    pixels, _ = published.dctr(grey(image), quality)
    return {"pixels": pixels, "features": published.gfr(pixels, GFR_STEPS[quality])}


def compare_in_grid(layer, image, counts) -> tuple[int, int]:
    features = _features(layer, counts["pixels"][..., None])
    # The largest histograms count four places of the grid, of 8 by 8.
    count = 16 / counts["pixels"].size
    return features.size, differing(features, counts["features"], count)


def comparisons() -> dict:
    """`{layer in words: (layer, comparison, name and function of the counts)}`."""
    whole = ("", count_all)
    found: dict = {
        kind.__name__: (kind(dtype="float64"), compare, whole)
        for kind, compare in (
            (SPAMFeatures, compare_spam),
            (SRMFeatures, compare_srm),
            (ColorRichFeatures, compare_colours),
        )
    }
    for quality in QUALITIES:
        counted = (f" dctr {quality}", partial(count_dctr, quality=quality))
        layer = DCTRFeatures(quality, dtype="float64")
        found[f"DCTRFeatures, quality {quality}"] = (layer, compare_in_grid, counted)
        counted = (f" gfr {quality}", partial(count_gfr, quality=quality))
        layer = GFRFeatures(quality, dtype="float64")
        found[f"GFRFeatures, quality {quality}"] = (layer, compare_in_grid, counted)
    return found


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


def write_table(path: Path, compared: dict[str, dict[str, list]]) -> None:
    """Writes the sums over images, and what was found in each."""
    totals: dict[tuple, list[int]] = {}
    for key, by_layer in compared.items():
        folder, size, _ = key.split("/")
        for layer, (features, wrong) in by_layer.items():
            row = totals.setdefault((layer, folder, size), [0, 0, 0])
            for index, value in enumerate((1, features, wrong)):
                row[index] += value
    write_result(
        path,
        title=f"Rich models beside the published code, on {keras.backend.backend()}",
        what=(
            "Features of photographs and of crops from their middle, and how many "
            "differ from those of sealwatch by more than a hundredth of one count."
        ),
        columns=["layer", "photographs", "size", "images", "features", "differ"],
        rows=[[*key, *row] for key, row in sorted(totals.items())],
        notes=(
            "In float64, where rounding is far below one count. sealwatch's counting "
            "of tuples is replaced by one that gives whole numbers; its residuals, "
            "extremes, quantisation and symmetries are its own. Files for DCTRFeatures "
            "and GFRFeatures are written by Pillow, and unrounded pixels are those of "
            "sealwatch. A table can grow over several runs: the command is that of the "
            "last."
        ),
        compared=compared,
    )


def main(equality: Equality) -> None:
    """Compares all images, and writes the table after each."""
    table = Path(equality.results_dir) / f"rich_models_{keras.backend.backend()}.json"
    compared = json.loads(table.read_text())["compared"] if table.exists() else {}
    compare_all = comparisons()
    for folder, size, name, image in read_images(equality):
        key = f"{folder}/{size}/{name}"
        found = compared.setdefault(key, {})
        for layer_name, (layer, compare, (kept, count)) in compare_all.items():
            if layer_name in found:
                continue
            path = Path(equality.published_dir) / f"{key.replace('/', ' ')}{kept}.npz"
            counts = kept_counts(path, partial(count, image))
            with float64():
                found[layer_name] = compare(layer, image, counts)
        print(key, found, flush=True)
        write_table(table, compared)


if __name__ == "__main__":
    main(tyro.cli(Equality))
