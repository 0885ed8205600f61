"""Features of Gabor filters equal the published ones."""

import keras
import numpy as np
import pytest

from keras_forensics import GFRFeatures
from keras_forensics.ops.gfr_features import gabor_kernel
from tests.backend import float64
from tests.make_rich_models import GFR_STEPS, PATH

STORED = dict(np.load(PATH))
numpy = keras.ops.convert_to_numpy
PIXELS = STORED["dctr/pixels"][None, ..., None]


def test_features_are_the_published_ones():
    # The smallest histogram counts one place of the grid: far fewer than a thousand.
    with float64():
        features = numpy(GFRFeatures(quality=75)(PIXELS))[0]
    np.testing.assert_allclose(features, STORED["gfr"], 0, 1e-6)


def test_steps_are_the_published_ones_and_can_be_others():
    some = {"selected": ("cos_0.5_03", "sin_1.25_16")}
    published = numpy(GFRFeatures(75, **some)(PIXELS))
    given = numpy(GFRFeatures(90, quantization_steps=GFR_STEPS, **some)(PIXELS))
    np.testing.assert_array_equal(given, published)
    finer = numpy(GFRFeatures(95, **some)(PIXELS))
    assert not np.array_equal(finer, published)
    explicit = GFRFeatures(quantization_steps=(0.5, 1, 1.5, 2), **some)
    np.testing.assert_array_equal(numpy(explicit(PIXELS)), finer)


@pytest.mark.parametrize("wave", ["cos", "sin"])
def test_filters_sum_to_0_and_look_in_their_direction(wave):
    kernels = np.array([gabor_kernel(wave, 1.0, number) for number in range(32)])
    np.testing.assert_allclose(kernels.sum((1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(
        kernels[:, ::-1, ::-1], (1 if wave == "cos" else -1) * kernels, atol=1e-12
    )
    # A quarter of a turn, and the mirror image of each direction.
    np.testing.assert_allclose(abs(kernels[16]), abs(kernels[0].T), atol=1e-12)
    mirrored = kernels[1:16, :, ::-1]
    np.testing.assert_allclose(abs(kernels[:16:-1]), abs(mirrored), atol=1e-12)


def test_submodels_can_be_computed_alone():
    layer = GFRFeatures(selected=("sin_1_16", "cos_0.75_02"))
    features = numpy(layer(PIXELS))[0]
    assert list(layer.submodels) == ["cos_0.75_02", "sin_1_16"]
    np.testing.assert_allclose(features.reshape(-1, 5).sum(-1), 1, atol=1e-6)
    alone = numpy(GFRFeatures(selected=("sin_1_16",))(PIXELS))[0]
    np.testing.assert_array_equal(alone, features[layer.submodels["sin_1_16"]])
    assert GFRFeatures().submodels["sin_1.25_16"] == slice(16875, 17000)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"`quality` must be 75 or 95.*`quantization_"):
        GFRFeatures(quality=90)
    for steps in ((1, 2, 3), (1, 2, 3, 0), 4, ("a", 1, 2, 3)):
        with pytest.raises(ValueError, match=r"`quantization_steps` must be.*Received"):
            GFRFeatures(quantization_steps=steps)
    with pytest.raises(ValueError, match=r"`selected` must be None or .*Received: "):
        GFRFeatures(selected=("cos_0.5_17",))
    with pytest.raises(ValueError, match=r"at least 15 pixels along axis 1. Received"):
        GFRFeatures()(np.zeros((1, 14, 15, 1)))
