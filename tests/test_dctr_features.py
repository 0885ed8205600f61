"""Features of the undecimated DCT equal the published ones, ties included."""

import keras
import numpy as np
import pytest

from keras_forensics import DCTRFeatures
from tests.backend import NAME, float64
from tests.make_rich_models import DCTR_QUALITY, PATH

STORED = dict(np.load(PATH))
numpy = keras.ops.convert_to_numpy
PIXELS = STORED["dctr/pixels"][None, ..., None]


def test_features_are_the_published_ones():
    # The smallest histogram counts one place of the grid: far fewer than a thousand.
    with float64():
        features = numpy(DCTRFeatures(DCTR_QUALITY)(PIXELS))[0]
    np.testing.assert_allclose(features, STORED["dctr"], 0, 1e-6)


def test_ties_are_rounded_up_however_the_decompression_rounded_them():
    # Blocks of one coefficient: at the file's own grid a residual is that coefficient.
    step = DCTRFeatures(75).step
    frequency, sample = np.ogrid[:8, :8]
    pattern = np.cos((2 * sample + 1) * frequency * np.pi / 16)[3] / 2
    block = 2.5 * step * np.tile(pattern / np.sqrt(8), (8, 1))
    for noise in (-1e-6, 1e-6):
        pixels = np.tile(block * (1 + noise), (3, 3))[None, ..., None] + 128
        with float64():
            layer = DCTRFeatures(75, selected=("dct_03",))
            histograms = numpy(layer(pixels)).reshape(25, 5)
        np.testing.assert_allclose(histograms[0], [0, 0, 0, 1, 0], atol=1e-6)


def test_histograms_sum_to_one_and_submodels_can_be_computed_alone():
    layer = DCTRFeatures(selected=("dct_75", "dct_02"))
    features = numpy(layer(PIXELS))[0]
    assert list(layer.submodels) == ["dct_02", "dct_75"]
    np.testing.assert_allclose(features.reshape(-1, 5).sum(-1), 1, atol=1e-6)
    alone = numpy(DCTRFeatures(selected=("dct_75",))(PIXELS))[0]
    np.testing.assert_array_equal(alone, features[layer.submodels["dct_75"]])


def test_step_is_the_published_one():
    steps = {100: 0.2, 95: 0.8, 75: 4, 50: 8, 25: 16, 1: 100}
    assert {q: pytest.approx(DCTRFeatures(q).step) for q in steps} == steps


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"`quality` must be a number.*Received: qual"):
        DCTRFeatures(quality=0)
    with pytest.raises(ValueError, match=r"`selected` must be None or .*Received: "):
        DCTRFeatures(selected=("dct_88",))
    with pytest.raises(ValueError, match=r"at least 15 pixels along axis 2. Received"):
        DCTRFeatures()(np.zeros((1, 15, 14, 1)))


@pytest.mark.skipif(NAME != "jax", reason="the other backends always have float64")
def test_without_64_bits_few_residuals_fall_into_the_next_bin():
    features = numpy(DCTRFeatures(DCTR_QUALITY)(PIXELS.astype("float32")))[0]
    moved = abs(features - STORED["dctr"]).reshape(-1, 5).sum(-1) / 2
    assert moved.mean() < 1e-3
