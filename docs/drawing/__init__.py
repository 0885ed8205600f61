"""Draws the figures of the site, with the layers that they show.

The site's build draws them (docs/hooks.py), so they cannot be out of date. To look at
them alone: `python -m docs.drawing DIRECTORY`.
"""

import functools
import io
from collections.abc import Callable
from functools import partial

import keras
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from docs.drawing import pictures, plots, rich_models, views
from docs.drawing.data_way import data_way
from docs.drawing.explained import explanation
from docs.drawing.pictures import PICTURES
from keras_forensics import (
    ForensicStream,
    HaarPyramid2D,
    JPEGCompression,
    RandomJPEGCompression,
    TextureContrast,
)

HAAR_LEVELS = 3

PLOTS: dict[str, Callable[[], Figure]] = {
    "architecture": data_way,
    "bayar_constraint": plots.bayar_projection,
    "bayar_conv2d": plots.bayar_kernels,
    "block_dct2d": plots.coefficients,
    "channel_attention": plots.channel_weights,
    "color_rich_features": rich_models.colour_submodels,
    "cooccurrence2d": rich_models.cooccurrences,
    "dctr_features": rich_models.dctr_submodels,
    "gfr_features": rich_models.gfr_submodels,
    "error_level": plots.ghost,
    "filters": plots.srm30_taps,
    "gated_fusion": plots.gate,
    "jpeg_grid": plots.grid_scores,
    "median_residual": plots.edge_residuals,
    "npr_residual": plots.window_residuals,
    "spam_features": rich_models.spam_triples,
    "spectral_profile": plots.peaks_of_period_two,
    "srm_features": rich_models.srm_submodels,
    "srm_filter_bank": plots.rgbn_frequencies,
    "srm_layer_v3_frequencies": plots.v3_frequencies,
    "srm_layer_v3_taps": plots.v3_taps,
    "statistics_pooling2d": plots.statistics,
    "truncation": plots.truncation,
    "warmup_cosine_decay": plots.schedule,
}


def names() -> list[str]:
    """The file names of all figures."""
    return [
        *(f"{name}.svg" for name in PLOTS),
        *(f"{name}.webp" for name in _sights()),
    ]


@functools.cache
def draw(name: str) -> bytes:
    """The content of a figure's file."""
    stem, kind = name.rsplit(".", 1)
    return _svg(PLOTS[stem]()) if kind == "svg" else _webp(_sights()[stem]())


def _sights() -> dict[str, Callable[[], np.ndarray]]:
    """Pictures, and what layers see of them: values in [0, 1]."""
    sights: dict[str, Callable[[], np.ndarray]] = {
        "home": _home,
        "explanation": explanation,
        "jpeg_compression_sees": _residuals_after_jpeg,
        "haar_pyramid2d_sees": _haar_bands,
        "random_jpeg_compression_sees": _random_jpeg,
        "srm_layer_v3_sees": _all_v3,
        "forensic_stream_sees": partial(_stream_maps, views.chosen_stream, 3),
        "forensic_stream_v3_sees": partial(_stream_maps, views.stream_v3, 5),
        "texture_contrast_sees": _texture_mosaics,
    }
    for picture, make in PICTURES.items():
        for view, see in views.VIEWS.items():
            sights[f"gallery_{picture}_{view}"] = partial(_look, make, see)
    return sights


def _look(
    make: Callable[[], np.ndarray], see: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    return see(make())


def _home() -> np.ndarray:
    picture = PICTURES["splice"]()
    return _sheet([views.as_it_is(picture), views.srm(picture)], columns=2)


def _all_v3() -> np.ndarray:
    picture = PICTURES["splice"]()
    seen = [views.srm(picture, name) for name in views.V3_NAMES]
    return _sheet([views.as_it_is(picture), *seen], columns=3)


def _residuals_after_jpeg() -> np.ndarray:
    picture = PICTURES["photograph"]()
    compressed = [views.run(JPEGCompression(q), picture) for q in (95, 75, 50)]
    return _sheet([views.srm(each) for each in (picture, *compressed)], columns=2)


def _random_jpeg() -> np.ndarray:
    part = np.tile(PICTURES["photograph"]()[90:154, 60:124], (4, 1, 1, 1))
    augment = RandomJPEGCompression(quality=(5, 40), seed=2)
    seen = keras.ops.convert_to_numpy(augment(part, training=True))
    enlarged = seen.repeat(3, axis=1).repeat(3, axis=2) / 255
    return _sheet(list(enlarged), columns=2)


def _haar_bands() -> np.ndarray:
    bands = views.run(HaarPyramid2D(levels=HAAR_LEVELS), PICTURES["photograph"]())
    seen = 0.5 + 2 * bands / 255
    low = pictures.SIZE >> HAAR_LEVELS
    seen[:low, :low] = bands[:low, :low] / 255
    return seen


def _texture_mosaics() -> np.ndarray:
    picture = PICTURES["photograph"]()
    mosaics = views.run(TextureContrast(patch_size=16, mosaic_side=8), picture) / 255
    enlarged = mosaics.repeat(2, axis=0).repeat(2, axis=1)
    rich, poor = enlarged[..., :3], enlarged[..., 3:]
    return _sheet([views.as_it_is(picture), rich, poor], columns=3)


def _stream_maps(make: Callable[[], ForensicStream], columns: int) -> np.ndarray:
    residuals = views.stream_residuals(make, PICTURES["splice"]())
    maps = abs(residuals) / views.THRESHOLD
    maps = np.repeat(maps[..., None], 3, axis=-1)
    return _sheet([maps[:, :, index] for index in range(maps.shape[2])], columns)


def _sheet(images: list[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Puts images of one size side by side, with transparent gaps."""
    height, width, _ = images[0].shape
    rows = -(-len(images) // columns)
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap, 4)
    sheet = np.zeros(size)
    for index, image in enumerate(images):
        top = index // columns * (height + gap)
        left = index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = np.dstack(
            [image, np.ones((height, width))]
        )
    return sheet


def _svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    # Text stays text: small, and as sharp as the reader's screen.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "figures"}):
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return content.getvalue()


def _webp(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    pixels = np.rint(255 * image.clip(0, 1)).astype(np.uint8)
    # Without loss: compression would hide what the figures are about.
    Image.fromarray(pixels).save(content, "WEBP", lossless=True, method=4)
    return content.getvalue()
