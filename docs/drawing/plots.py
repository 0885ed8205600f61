"""Plots of what layers compute, drawn with their outputs.

Black on nothing: the style sheet turns the colours round in dark mode. None is wider
than a phone can show in a readable size.
"""

import keras
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from PIL import Image
from scipy.ndimage import gaussian_filter

from docs.drawing import pictures, views
from keras_forensics import (
    BayarConstraint,
    BayarConv2D,
    BlockDCT2D,
    ChannelAttention,
    ErrorLevel,
    GatedFusion,
    JPEGCompression,
    JPEGGrid,
    MedianResidual,
    NPRResidual,
    SpectralProfile,
    SRMFilterBank,
    SRMLayerV3,
    StatisticsPooling2D,
    WarmupCosineDecay,
)
from keras_forensics.filters import Filter, get

WIDTH = 4.9  # inches
BLUE, RED, GREY = "#3465c4", "#c0392b", "#808080"


def v3_taps() -> Figure:
    """The taps of SRMLayerV3, times their divisors."""
    responses = impulse_responses(SRMLayerV3(threshold=None))
    return _taps(responses, get("v3"), columns=3, numbers=True)


def srm30_taps() -> Figure:
    """The taps of SRMFilterBank("srm30"), as colours."""
    responses = impulse_responses(SRMFilterBank("srm30", threshold=None))
    return _taps(responses, get("srm30"), columns=5, numbers=False)


def v3_frequencies() -> Figure:
    """Which frequencies pass SRMLayerV3."""
    responses = impulse_responses(SRMLayerV3(threshold=None))
    names = [entry.name for entry in get("v3")]
    return _frequencies(responses, names)


def rgbn_frequencies() -> Figure:
    """Which frequencies pass SRMFilterBank("rgbn")."""
    responses = impulse_responses(SRMFilterBank("rgbn", threshold=None))
    names = [entry.name for entry in get("rgbn")]
    return _frequencies(responses, names)


def truncation() -> Figure:
    """The output of a truncated bank over the residual that it truncates."""
    # The pixel below minus the one at the centre.
    difference = [[[0, 0, 0], [0, -1, 0], [0, 1, 0]]]
    picture = np.full((3, 41, 1), 128, "uint8")
    picture[2, :, 0] = np.arange(128 - 20, 128 + 21)
    residual, truncated = (
        views.run(SRMFilterBank(difference, threshold=threshold), picture)[1, :, 0]
        for threshold in (None, 3.0)
    )
    figure, axes = _axes(2.6)
    axes.plot(residual, truncated, color=BLUE)
    axes.set(xlabel="residual, grey levels", ylabel="output", xlim=(-10, 10))
    return figure


def bayar_kernels() -> Figure:
    """A Bayar kernel before and after training, and what passes it."""
    keras.utils.set_random_seed(0)
    untrained = BayarConv2D(1, 5, padding="reflect")
    untrained.build((None, None, None, 1))
    responses = np.concatenate(
        [impulse_responses(layer) for layer in (untrained, views.trained_predictor())]
    )
    figure = Figure((WIDTH, WIDTH), layout="constrained")
    grid = figure.subplots(2, 2)
    titles = ("before training", "after training")
    for axes, response, title in zip(grid[0], responses, titles, strict=True):
        _heat(axes, response, title)
        _write(axes, response, digits=2)
    for axes, response in zip(grid[1], responses, strict=True):
        _spectrum(axes, response)
    return figure


def bayar_projection() -> Figure:
    """BayarConstraint on kernels of two free taps."""
    figure, axes = _axes(WIDTH)
    line = np.array([-1.3, 2.3])
    axes.plot(line, 1 - line, color="black", label="the constraint: $a + b = 1$")
    # The last three have a small sum, a smaller one, and a negative one.
    kernels = np.array(
        [[0.2, 1.4], [1.8, 1.2], [-0.3, 0.9], [0.9, -0.6], [1.0, -0.9], [-0.6, -0.2]],
        "float32",
    )
    for name, colour in (("project", BLUE), ("divide", RED)):
        after = _constrained_pairs(kernels, name)
        for index, (start, end) in enumerate(zip(kernels, after, strict=True)):
            axes.add_patch(
                FancyArrowPatch(
                    tuple(start),
                    tuple(end),
                    arrowstyle="->",
                    color=colour,
                    mutation_scale=10,
                    shrinkA=0,
                    shrinkB=0,
                )
            )
            if index == 0:
                axes.plot([], [], color=colour, label=f'"{name}"')
    axes.plot(*kernels.T, "o", color="black", markersize=4, label="a kernel before")
    axes.set(xlim=(-1.3, 2.3), ylim=(-1.3, 2.3), xlabel="tap $a$", ylabel="tap $b$")
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize=8.5, loc="lower left")
    return figure


def gate() -> Figure:
    """GatedFusion of one feature that is 1, over the gate's logit."""
    logits = np.linspace(-6, 6, 121, dtype="float32")[:, None]
    gates = keras.ops.sigmoid(logits)
    fused = keras.ops.convert_to_numpy(GatedFusion()([np.ones_like(logits), gates]))
    figure, axes = _axes(2.8)
    axes.plot(logits[:, 0], fused[:, 1], color=GREY, label="kept beside it: $v$")
    axes.plot(logits[:, 0], fused[:, 0], color=BLUE, label=r"gated: $v \cdot g$")
    axes.set(xlabel="logit of the gate", ylabel="output for $v = 1$")
    axes.legend(frameon=False, loc="center right")
    return figure


def coefficients() -> Figure:
    """A coefficient of BlockDCT2D before and after compression."""
    grey = pictures.photograph()[:, :, 1:2]
    before = views.run(BlockDCT2D(), grey)[..., 2].ravel()
    compressed = views.run(JPEGCompression(75), grey)
    after = views.run(BlockDCT2D(), compressed)[..., 2].ravel()
    figure = Figure((WIDTH, 3.4), layout="constrained")
    grid = figure.subplots(2, 1, sharex=True)
    titles = ("as it is", "after JPEG at quality 75")
    for axes, values, title in zip(grid, (before, after), titles, strict=True):
        axes.hist(values, np.arange(-30.5, 31), color=BLUE)
        axes.set(ylabel="blocks", title=title)
        axes.spines[["top", "right"]].set_visible(False)
    grid[1].set(xlabel="coefficient, grey levels", xticks=range(-30, 31, 6))
    return figure


def ghost() -> Figure:
    """The energy of ErrorLevel inside and outside the splice, over the quality."""
    qualities = tuple(range(55, 96, 2))
    # On the grid of the eye, which was pasted elsewhere.
    left, top = (place % 8 for place in pictures.EYE_CORNER)
    picture = pictures.splice()[top:, left:]
    errors = views.run(ErrorLevel(qualities, "4:2:0"), picture)
    energies = (errors.reshape(*picture.shape, -1) ** 2).mean(2)
    inside = pictures.tampered()[top:, left:]
    figure, axes = _axes(2.8)
    for name, where, colour in (
        ("outside the eye", ~inside, GREY),
        ("in the eye", inside, BLUE),
    ):
        mean = energies[where].mean(0)
        axes.plot(qualities, mean / mean.max(), color=colour, label=name)
    axes.set(xlabel="quality", ylabel="mean square, relative", ylim=(0, 1.05))
    axes.axvline(pictures.EYE_JPEG_QUALITY, color=GREY, lw=0.8, ls=":")
    axes.legend(frameon=False, loc="lower left")
    return figure


def grid_scores() -> Figure:
    """The scores of JPEGGrid for the photograph and for the splice."""
    figure = Figure((WIDTH, 2.5), layout="constrained")
    shown = zip(figure.subplots(1, 2), ("photograph", "splice"), strict=True)
    for axes, name in shown:
        scores = views.run(JPEGGrid(), pictures.PICTURES[name]())
        axes.imshow(scores, cmap="Blues", vmin=0.9, vmax=1.2)
        axes.set_title(name, fontsize=9.5)
        axes.set(xticks=range(8), yticks=range(8), xlabel="column", ylabel="row")
    return figure


def edge_residuals() -> Figure:
    """MedianResidual and a linear residual across an edge of a noisy image."""
    step = np.where(np.arange(31) < 15, 70.0, 170.0)
    grain = np.random.default_rng(0).normal(0, 2, (31, 31))
    image = np.rint(step + grain).astype("uint8")[..., None]
    linear = SRMFilterBank(
        [[[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]], threshold=None, divisors=[8]
    )
    figure, axes = _axes(2.8)
    for layer, colour, name in (
        (linear, GREY, "less the mean"),
        (MedianResidual(), BLUE, "less the median"),
    ):
        row = views.run(layer, image)[15, :, 0]
        axes.plot(np.arange(31), row, color=colour, label=name)
    axes.set(xlabel="column; the edge is at 15", ylabel="grey levels", xlim=(0, 30))
    axes.legend(frameon=False, loc="lower right")
    return figure


def window_residuals() -> Figure:
    """NPRResidual between two columns of a window, on both grids there can be."""
    photograph = Image.fromarray(pictures.photograph())
    half = photograph.crop((64, 64, 192, 192))
    versions = {"as it is": photograph}
    for name in ("nearest", "bilinear", "bicubic", "lanczos"):
        filtered = half.resize(photograph.size, Image.Resampling[name.upper()])
        versions[name] = filtered
    means = [
        [
            abs(views.run(NPRResidual(), np.array(each)[:, column:])[::2, 1::2]).mean()
            for column in (0, 1)
        ]
        for each in versions.values()
    ]
    figure, axes = _axes(2.8)
    place = np.arange(len(versions))
    for column, colour, name in (
        (0, BLUE, "within the windows of enlarging"),
        (1, GREY, "one column beside them"),
    ):
        values = [pair[column] for pair in means]
        axes.bar(place + 0.4 * column - 0.2, values, 0.38, color=colour, label=name)
    axes.set(ylabel="mean magnitude, grey levels", xticks=place)
    axes.set_xticklabels(versions)
    axes.legend(frameon=False, fontsize=8.5)
    return figure


def peaks_of_period_two() -> Figure:
    """The heights of SpectralProfile at half a cycle a pixel, for four pictures."""
    photograph = pictures.photograph()
    half = Image.fromarray(photograph).crop((64, 64, 192, 192))
    shown = {
        "photograph": photograph,
        "enlarged": np.array(half.resize((256, 256), Image.Resampling.BICUBIC)),
        "simulated\ncamera": pictures.rendered_photograph(),
        "simulated\ndecoder": pictures.generated(),
    }
    layer = SpectralProfile(output="peaks", periods=(2,))
    green = np.stack([picture[..., 1:2] for picture in shown.values()])
    heights = keras.ops.convert_to_numpy(layer(green))
    figure, axes = _axes(2.8)
    place = np.arange(len(shown))
    for k, (name, colour) in enumerate(
        (("horizontal", BLUE), ("vertical", RED), ("diagonal", GREY))
    ):
        axes.bar(place + 0.27 * (k - 1), heights[:, k], 0.25, color=colour, label=name)
    axes.set(ylabel="height, decibels", xticks=place)
    axes.set_xticklabels(shown)
    axes.axhline(0, color="black", lw=0.8)
    axes.legend(frameon=False, loc="upper left")
    return figure


def channel_weights() -> Figure:
    """What a ChannelAttention layer has learned to do with 16 channels."""
    images, outputs = _attention_data()
    layer = ChannelAttention(reduction_ratio=4)
    keras.utils.set_random_seed(0)
    # The mean over pixels and channels is all that training sees.
    mean = keras.layers.Lambda(lambda x: keras.ops.mean(x, (1, 2)))
    model = keras.Sequential([keras.Input(images.shape[1:]), layer, mean])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    model.fit(images, outputs, batch_size=64, verbose=0)

    figure = Figure((WIDTH, 3.4), layout="constrained")
    grid = figure.subplots(2, 1, sharex=True, sharey=True)
    for axes, level, name in zip(grid, (0.25, 0.75), ("dark", "bright"), strict=True):
        image = np.full((1, *images.shape[1:]), level, "float32")
        weights = keras.ops.convert_to_numpy(layer(image))[0, 0, 0] / level
        axes.bar(np.arange(16), weights, color=BLUE)
        axes.set(ylabel="weight", ylim=(0, 1.05), title=f"a {name} image")
        axes.spines[["top", "right"]].set_visible(False)
    grid[1].set(xlabel="channel", xticks=range(0, 16, 2))
    return figure


def statistics() -> Figure:
    """Both outputs of StatisticsPooling2D for a residual, over an image's blur."""
    deviations = np.linspace(0, 2, 21)
    photograph = pictures.photograph().astype("float32")
    images = np.stack(
        [gaussian_filter(photograph, (sigma, sigma, 0)) for sigma in deviations]
    )
    pooled = StatisticsPooling2D()(SRMLayerV3(threshold=None)(images))
    pooled = keras.ops.convert_to_numpy(pooled).reshape(len(images), 2, 3, -1)
    laplacian = views.V3_NAMES.index("Laplacian")
    mean, deviation = pooled[..., laplacian].mean(axis=2).T  # over colours
    figure, axes = _axes(2.8)
    axes.plot(deviations, mean, color=GREY, label="mean")
    axes.plot(deviations, deviation, color=BLUE, label="standard deviation")
    axes.set(xlabel="blur, σ in pixels", ylabel="grey levels", xlim=(0, 2))
    axes.legend(frameon=False)
    return figure


def schedule() -> Figure:
    """The rates of WarmupCosineDecay."""
    rates = WarmupCosineDecay(1e-3, decay_steps=100, warmup_steps=10, min_lr=1e-5)
    steps = np.arange(121)
    figure, axes = _axes(2.8)
    axes.plot(steps, [float(rates(step)) for step in steps], color=BLUE)
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None), xlim=(0, 120))
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    for step, name, height in ((10, "warmup_steps", 0.03), (100, "decay_steps", 0.9)):
        axes.axvline(step, color=GREY, lw=0.8, ls=":")
        axes.text(step + 1.5, height * 1e-3, name, color=GREY, fontsize=9)
    return figure


def impulse_responses(layer: keras.layers.Layer, side: int = 5) -> np.ndarray:
    """The taps of a layer's filters, as its answers to one white pixel.

    Args:
        layer: Maps `(batch, height, width, 1)` to `(batch, height, width, filters)`
            without truncation.
        side: Height and width of the filters.

    Returns:
        Array of shape `(filters, side, side)`: taps over divisor.
    """
    image = np.zeros((1, 3 * side, 3 * side, 1), "uint8")
    image[0, image.shape[1] // 2, image.shape[2] // 2] = 1
    answer = keras.ops.convert_to_numpy(layer(image))[0]
    part = slice(side, 2 * side)
    # Convolution layers correlate, so the answer is the kernel turned round.
    return np.moveaxis(answer[part, part][::-1, ::-1], -1, 0)


def frequency_response(taps: np.ndarray, size: int = 64) -> np.ndarray:
    """The gain of a filter at frequencies from -1/2 to 1/2 cycles a pixel."""
    return abs(np.fft.fftshift(np.fft.fft2(taps, (size, size))))


def _attention_data(count: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Flat images, and outputs that keep 8 of 16 channels: which depends on them."""
    level = np.random.default_rng(0).uniform(0.2, 0.8, (count, 1)).astype("float32")
    images = np.ones((count, 2, 2, 16), "float32") * level[:, :, None, None]
    keep = (np.arange(16) < 8) == (level < 0.5)
    return images, level * keep


def _constrained_pairs(kernels: np.ndarray, normalization: str) -> np.ndarray:
    """BayarConstraint on 1x3 kernels, given and returned as their two outer taps."""
    full = np.zeros((1, 3, len(kernels), 1), "float32")
    full[0, [0, 2], :, 0] = kernels.T
    after = BayarConstraint(normalization)(keras.ops.convert_to_tensor(full))
    return keras.ops.convert_to_numpy(after)[0, [0, 2], :, 0].T


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure((WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _taps(
    responses: np.ndarray, bank: tuple[Filter, ...], columns: int, numbers: bool
) -> Figure:
    rows = -(-len(bank) // columns)
    figure = Figure((WIDTH, 1.14 * rows * WIDTH / columns), layout="constrained")
    grid = figure.subplots(rows, columns).flat
    for axes, response, entry in zip(grid, responses, bank, strict=False):
        title = entry.name.replace("SQUARE", "SQ")
        _heat(axes, response, f"{title} / {entry.divisor}", 9.5 if numbers else 7.5)
        if numbers:
            _write(axes, response * entry.divisor, digits=0)
    for axes in list(figure.axes)[len(bank) :]:
        axes.remove()
    return figure


def _frequencies(responses: np.ndarray, names: list[str]) -> Figure:
    columns = 3
    rows = -(-len(names) // columns)
    figure = Figure((WIDTH, 1.12 * rows * WIDTH / columns), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True).flat
    for axes, response, name in zip(grid, responses, names, strict=False):
        _spectrum(axes, response)
        axes.set_title(name, fontsize=9.5)
    for axes in list(figure.axes)[len(names) :]:
        axes.remove()
    return figure


def _heat(axes: Axes, taps: np.ndarray, title: str, size: float = 9.5) -> None:
    largest = abs(taps).max()
    axes.imshow(taps, cmap="RdBu_r", vmin=-largest, vmax=largest)
    axes.set_title(title, fontsize=size)
    axes.set(xticks=[], yticks=[])


def _write(axes: Axes, taps: np.ndarray, digits: int) -> None:
    """Writes each tap on its square, white on a dark one."""
    largest = abs(taps).max()
    for (row, column), tap in np.ndenumerate(np.round(taps, digits) + 0.0):
        red, green, blue, _ = colormaps["RdBu_r"](0.5 + 0.5 * tap / largest)
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.45
        axes.text(
            column,
            row,
            f"{tap:.{digits}f}",
            ha="center",
            va="center",
            fontsize=7.5 if digits else 8.5,
            color="white" if dark else "black",
        )


def _spectrum(axes: Axes, taps: np.ndarray) -> None:
    gain = frequency_response(taps)
    axes.imshow(gain / gain.max(), cmap="Blues", extent=(-0.5, 0.5, 0.5, -0.5))
    axes.set(xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5])
    axes.set_xticklabels(["−½", "0", "½"], fontsize=9)
    axes.set_yticklabels(["−½", "0", "½"], fontsize=9)
