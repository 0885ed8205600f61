"""Writes `data/rich_models.npz`: counts of the published rich models.

    pip install "keras-forensics[reference]"
    python -m tests.make_rich_models

Images are drawn, so that no photograph is needed, with smooth and noisy regions that
fill all levels.
"""

from pathlib import Path

import numpy as np

from test_support.published_rich_models import count_colours, count_srm, dctr, gfr, spam

PATH = Path(__file__).parent / "data" / "rich_models.npz"


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


DCTR_QUALITY = 75  # where many residuals are ties
GFR_STEPS = (2, 4, 6, 8)
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
        arrays[f"{name}/spam"] = np.concatenate([*spam(grey(image)).values()])
    arrays["dctr/pixels"], arrays["dctr"] = dctr(grey(arrays["odd"]), DCTR_QUALITY)
    arrays["gfr"] = gfr(arrays["dctr/pixels"], GFR_STEPS).astype("float32")
    return arrays


if __name__ == "__main__":
    np.savez_compressed(PATH, **compute())
    print(PATH, PATH.stat().st_size, "bytes")
