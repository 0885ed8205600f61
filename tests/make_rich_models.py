"""Writes `data/rich_models.npz`: counts of the published rich models.

    pip install "keras-forensics[reference]"
    python -m tests.make_rich_models

Images are drawn, so that no photograph is needed, with smooth and noisy regions that
fill all levels. Residuals, extremes and symmetries are those of the package sealwatch;
only the counting of tuples is replaced, by one that does not divide by their number, so
that features are whole numbers. Its own features are compared in `test_sealwatch.py`.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).parent / "data" / "rich_models.npz"
STEPS = [[1, 2], *[[1, 1.5, 2]] * 4]


def draw_image(height: int, width: int, seed: int) -> np.ndarray:
    """A colour image with gradients, an edge and noise that grows to the right."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    smooth = 120 + 90 * np.sin(5 * rows + seed) * np.cos(4 * columns)
    smooth += 30 * (rows + columns > 0.9)
    noise = random.normal(0, 1, (height, width, 4)) * (0.5 + 6 * columns[..., None])
    colours = smooth[..., None] + noise[..., :3] + noise[..., 3:]
    return np.clip(np.rint(colours), 0, 255).astype("uint8")


def grey(image: np.ndarray) -> np.ndarray:
    """The green channel, as whole grey levels."""
    return image[..., 1]


def _count_whole(which):
    """A replacement of sealwatch's counting, of tuples in one direction."""

    def count(levels, direction, truncation):
        bins = 2 * truncation + 1
        if levels.ndim == 3:  # colours
            neighbours, order = np.moveaxis(levels, 2, 0), 3
        elif direction != which:
            return np.zeros((bins,) * 4)
        else:
            axis, order = int(direction == "hor"), 4
            size = levels.shape[axis] - order + 1
            neighbours = [
                np.take(levels, range(start, start + size), axis)
                for start in range(order)
            ]
        counts = np.zeros((bins,) * order)
        index = tuple(np.int64(each) + truncation for each in neighbours)
        np.add.at(counts, index, 1)
        return counts

    return count


def count_srm(pixels: np.ndarray, which: str) -> dict[str, np.ndarray]:
    """Whole features of every submodel, of tuples along `"hor"` or `"ver"`."""
    from sealwatch.srm import cooccurrence, symm

    families = ("1st", "2nd", "3rd", "3x3", "5x5")
    counted: dict = {}
    for family, divisor, steps in zip(families, (1, 2, 3, 4, 12), STEPS, strict=True):
        compute = getattr(cooccurrence, f"all{family}")
        for step in steps:
            cubes = compute(
                pixels.astype(int), step * divisor, CoocN=_count_whole(which)
            )
            name = f"f{family[0] if family in families[:3] else family}"
            counted = symm.post_process(cubes, name, step, counted)
    return counted


def count_colours(image: np.ndarray) -> dict[str, np.ndarray]:
    """Whole features of every submodel, two directions counted twice as published."""
    from sealwatch.srm import crm

    kept = crm.Cooc3
    crm.Cooc3 = _count_whole("colours")
    try:
        return crm.extract(image, Tc=3)
    finally:
        crm.Cooc3 = kept


def count_spam(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Features as sealwatch normalises them, in float64."""
    import sealwatch

    with sealwatch.BACKEND_PYTHON:
        return dict(sealwatch.spam.extract(pixels))


IMAGES = {"odd": (45, 38, 0), "even": (32, 56, 1)}


def compute() -> dict[str, np.ndarray]:
    """Arrays by name: images, names of submodels, and features one after the other."""
    arrays: dict[str, np.ndarray] = {}
    for name, (height, width, seed) in IMAGES.items():
        image = draw_image(height, width, seed)
        arrays[name] = image
        rows, columns = (count_srm(grey(image), which) for which in ("hor", "ver"))
        arrays["srm"] = np.array(sorted(rows))
        for which, counted in (("hor", rows), ("ver", columns)):
            arrays[f"{name}/srm/{which}"] = np.concatenate(
                [counted[key] for key in arrays["srm"]]
            ).astype("int32")
        colours = count_colours(image)
        arrays["colours"] = np.array(sorted(colours))
        arrays[f"{name}/colours"] = np.concatenate(
            [colours[key] for key in arrays["colours"]]
        ).astype("int32")
        spam = count_spam(grey(image))
        arrays[f"{name}/spam"] = np.concatenate([spam["straight"], spam["diagonal"]])
    return arrays


if __name__ == "__main__":
    np.savez_compressed(PATH, **compute())
    print(PATH, PATH.stat().st_size, "bytes")
