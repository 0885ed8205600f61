"""What rich models count, and what they see of embedding."""

import io

import keras
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.fft import dctn, idctn

from docs.drawing import pictures
from docs.drawing.plots import BLUE, GREY, RED, WIDTH
from keras_forensics import (
    ColorRichFeatures,
    Cooccurrence2D,
    DCTRFeatures,
    GFRFeatures,
    SPAMFeatures,
    SRMFeatures,
    SRMFilterBank,
)

CHANGED = 0.2  # share of pixels that embedding changes by one


def cooccurrences() -> Figure:
    """Pairs of neighbouring residuals of a photograph, and of the same shuffled."""
    residuals = SRMFilterBank("rgbn", threshold=None)(_green()[None])[..., 2:]
    residuals = keras.ops.convert_to_numpy(residuals)
    shuffled = np.random.default_rng(0).permutation(residuals.ravel())
    layer = Cooccurrence2D(
        order=2, truncation=4, quantization_step=1, directions=("horizontal",)
    )
    figure = Figure((WIDTH, 0.56 * WIDTH), layout="constrained")
    sides = figure.subplots(1, 2, sharey=True)
    for axes, maps, title in zip(
        sides,
        (residuals, shuffled.reshape(residuals.shape)),
        ("photograph", "the same, shuffled"),
        strict=True,
    ):
        histogram = keras.ops.convert_to_numpy(layer(maps)).reshape(9, 9)
        axes.imshow(
            np.log(histogram + 1e-5), cmap="Blues", extent=(-4.5, 4.5, 4.5, -4.5)
        )
        axes.set_title(title, fontsize=9.5)
        axes.set(xlabel="right neighbour", xticks=(-4, 0, 4), yticks=(-4, 0, 4))
    sides[0].set_ylabel("residual")
    return figure


def spam_triples() -> Figure:
    """How much embedding moves the frequencies of three differences."""
    pixels = _green()
    layer = SPAMFeatures()
    before, after = (
        keras.ops.convert_to_numpy(layer(each[None]))[0, layer.submodels["straight"]]
        for each in (pixels, _embed(pixels))
    )
    change = (100 * (after - before)).reshape(7, 7, 7)
    figure = Figure((WIDTH, 0.42 * WIDTH), layout="constrained")
    largest = abs(change[2:5]).max()
    sides = figure.subplots(1, 3, sharey=True)
    for axes, first in zip(sides, (-1, 0, 1), strict=True):
        shown = axes.imshow(
            change[first + 3],
            cmap="RdBu_r",
            vmin=-largest,
            vmax=largest,
            extent=(-3.5, 3.5, 3.5, -3.5),
        )
        axes.set_title(f"after {first}".replace("-", "−"), fontsize=9.5)
        axes.set(xlabel="third", xticks=(-3, 0, 3), yticks=(-3, 0, 3))
    sides[0].set_ylabel("second difference")
    bar = figure.colorbar(shown, ax=sides, shrink=0.8)
    bar.set_label("change, per cent", fontsize=9)
    return figure


def srm_submodels() -> Figure:
    """How much of each submodel's histogram embedding moves."""
    return _moved(SRMFeatures("q1"), _green(), 6.4)


def colour_submodels() -> Figure:
    """The same for colours, if each is changed by itself, or all in the same way."""
    return _moved(ColorRichFeatures(), pictures.photograph(), 5.2, alike=True)


def dctr_submodels() -> Figure:
    """How much of each submodel embedding in coefficients moves, at quality 90."""
    moved = _moved_in_coefficients(DCTRFeatures(90), 90).reshape(8, 8)
    figure = Figure((0.62 * WIDTH, 0.5 * WIDTH), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(moved, cmap="Blues", vmin=0)
    axes.set(xlabel="frequency across", ylabel="frequency down")
    bar = figure.colorbar(shown, ax=axes)
    bar.set_label("moved, per cent", fontsize=9)
    return figure


def gfr_submodels() -> Figure:
    """How much of each submodel embedding in coefficients moves, at quality 75."""
    moved = _moved_in_coefficients(GFRFeatures(75), 75).reshape(2, 4, 17)
    figure = Figure((WIDTH, 0.38 * WIDTH), layout="constrained")
    sides = figure.subplots(1, 2, sharey=True)
    for axes, wave, each in zip(sides, ("cosines", "sines"), moved, strict=True):
        shown = axes.imshow(each, cmap="Blues", vmin=0, vmax=moved.max(), aspect="auto")
        axes.set_title(wave, fontsize=9.5)
        axes.set(xlabel="direction, degrees", xticks=(0, 8, 16))
        axes.set_xticklabels(("0", "45", "90"))
    sides[0].set(ylabel="scale, pixels", yticks=range(4))
    sides[0].set_yticklabels(("0.5", "0.75", "1", "1.25"))
    bar = figure.colorbar(shown, ax=sides)
    bar.set_label("moved, per cent", fontsize=9)
    return figure


def _moved_in_coefficients(layer, quality: int) -> np.ndarray:
    """The share of each submodel's histograms that embedding moves, in per cent."""
    coefficients, table = _coefficients(_green()[..., 0], quality)
    random = np.random.default_rng(0)
    change = random.choice((-1, 1), coefficients.shape)
    # As embedding does: zeros are left alone, and so are means of blocks.
    change *= (random.random(coefficients.shape) < CHANGED) & (coefficients != 0)
    change[..., 0, 0] = 0
    before, after = (
        keras.ops.convert_to_numpy(
            layer(_pixels(each * table)[None, ..., None])
        ).reshape(len(layer.submodels), -1)
        for each in (coefficients, coefficients + change)
    )
    return 50 * abs(after - before).sum(-1) / before.sum(-1)


def _coefficients(grey: np.ndarray, quality: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantised coefficients `(rows, columns, 8, 8)`, and the table of a quality."""
    with io.BytesIO() as file:
        Image.fromarray(grey).save(file, "JPEG", quality=quality)
        tables = Image.open(file).quantization  # type: ignore[attr-defined]
    table = np.reshape(tables[0], (8, 8))
    height, width = (8 * (side // 8) for side in grey.shape)
    blocks = grey[:height, :width].reshape(height // 8, 8, width // 8, 8) - 128.0
    blocks = dctn(blocks.transpose(0, 2, 1, 3), axes=(2, 3), norm="ortho")
    return np.rint(blocks / table), table


def _pixels(coefficients: np.ndarray) -> np.ndarray:
    """Unrounded pixels of dequantised coefficients."""
    rows, columns = coefficients.shape[:2]
    blocks = idctn(coefficients, axes=(2, 3), norm="ortho") + 128
    return blocks.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)


def _moved(layer, picture: np.ndarray, height: float, alike: bool = False) -> Figure:
    forms = {"each by itself" if alike else "embedding": (_embed(picture), RED)}
    if alike:
        forms["all alike"] = (_embed(picture, alike=True), BLUE)
    before = keras.ops.convert_to_numpy(layer(picture[None]))[0]
    figure = Figure((WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    names = [name.removesuffix("_q1") for name in layer.submodels]
    places = np.arange(len(names))
    for label, (changed, colour) in forms.items():
        after = keras.ops.convert_to_numpy(layer(changed[None]))[0]
        moved = [
            # Half the sum of differences is the share that changed its bin.
            50 * abs(after[where] - before[where]).sum() / before[where].sum()
            for where in layer.submodels.values()
        ]
        axes.plot(moved, places, "o", ms=4, color=colour, label=label)
    axes.hlines(places, 0, axes.get_xlim()[1], color=GREY, lw=0.4, alpha=0.5)
    axes.set_yticks(places, names, fontsize=7.5)
    axes.set(xlabel="moved, per cent", xlim=(0, None), ylim=(len(names) - 0.3, -0.7))
    if alike:
        axes.legend(frameon=False)
    return figure


def _green() -> np.ndarray:
    return pictures.photograph()[..., 1:2]


def _embed(picture: np.ndarray, alike: bool = False) -> np.ndarray:
    """Changes some pixels by one, of each colour by itself or of all alike."""
    random = np.random.default_rng(0)
    shape = (*picture.shape[:2], 1 if alike else picture.shape[2])
    change = random.choice((-1, 1), shape) * (random.random(shape) < CHANGED)
    return np.clip(picture.astype(int) + change, 0, 255).astype("uint8")
