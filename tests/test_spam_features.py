"""SPAM features equal the published ones."""

import keras
import numpy as np
import pytest

from keras_forensics import SPAMFeatures
from tests.backend import NAME
from tests.make_rich_models import PATH, grey

STORED = dict(np.load(PATH))
numpy = keras.ops.convert_to_numpy


@pytest.mark.parametrize("image", ["odd"] if NAME == "jax" else ["odd", "even"])
def test_features_are_the_published_ones(image):
    pixels = grey(STORED[image])[None, ..., None]
    features = numpy(SPAMFeatures()(pixels))[0]
    one_count = 1 / (4 * pixels.size)
    np.testing.assert_allclose(features, STORED[f"{image}/spam"], 0, 0.02 * one_count)


def test_submodels_sum_to_one_and_can_be_computed_alone():
    pixels = grey(STORED["odd"])[None, ..., None]
    layer = SPAMFeatures()
    features = numpy(layer(pixels))[0]
    for name, where in layer.submodels.items():
        alone = numpy(SPAMFeatures(selected=(name,))(pixels))[0]
        np.testing.assert_array_equal(alone, features[where])
        assert alone.sum() == pytest.approx(1, abs=1e-5)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"`truncation` must be.*Received: truncat"):
        SPAMFeatures(truncation=0)
    with pytest.raises(ValueError, match=r"`truncation` must be at most 127.*Received"):
        SPAMFeatures(truncation=128)
    with pytest.raises(ValueError, match=r"at least 4 pixels along axis 2. Received"):
        SPAMFeatures()(np.zeros((1, 4, 3, 1), "uint8"))
