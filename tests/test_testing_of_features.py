"""Assertions about histograms: what holds for each model, and what they catch."""

import keras
import numpy as np
import pytest

from keras_forensics import (
    ColorRichFeatures,
    Cooccurrence2D,
    DCTRFeatures,
    GFRFeatures,
    SPAMFeatures,
    SRMFeatures,
    StatisticsPooling2D,
    testing,
)
from tests.backend import NAME, random_images

IMAGES = random_images((1, 24, 24, 3))  # square: turned, it has the same shape
# JAX compiles each submodel.
FEW_SRM = ("s1_minmax34h_q1", "s1_spam14hv_q1")
FEW_COLOUR = ("s1_minmax22c_q1", "s1_spam14c_q1")
MODELS = {
    "SRM": SRMFeatures("q1", selected=FEW_SRM if NAME == "jax" else None),
    "colour": ColorRichFeatures(selected=FEW_COLOUR if NAME == "jax" else None),
    "SPAM": SPAMFeatures(),
    "DCTR": DCTRFeatures(selected=("dct_00", "dct_41")),
    "GFR": GFRFeatures(selected=("cos_0.5_03", "sin_1_08")),
}


@pytest.mark.parametrize("name", MODELS)
def test_submodels_are_histograms(name):
    testing.assert_histograms(MODELS[name], IMAGES)


@pytest.mark.parametrize("transformation", ["mirrored", "rotated", "inverted"])
@pytest.mark.parametrize("name", ["SRM", "colour"])
def test_symmetries_of_spatial_rich_models(name, transformation):
    layer = MODELS[name]
    # Residuals to one neighbour, of whose two ends a border cuts off another one.
    one_sided = ("s1_spam14", "s3_spam14") if transformation != "inverted" else ()
    same = [each for each in layer.submodels if not each.startswith(one_sided)]
    testing.assert_invariant(layer, IMAGES, transformation, same)


def test_triples_of_differences_know_black_from_white():
    testing.assert_invariant(MODELS["SPAM"], IMAGES, "mirrored")
    testing.assert_invariant(MODELS["SPAM"], IMAGES, "rotated")
    testing.assert_invariant(MODELS["SPAM"], IMAGES, "inverted", submodels=())


def test_frequencies_down_and_across_are_told_apart():
    testing.assert_invariant(MODELS["DCTR"], IMAGES, "mirrored")
    testing.assert_invariant(MODELS["DCTR"], IMAGES, "rotated", submodels=())
    # The mean of a block knows where 0 is: at 128, not in the middle of 0 and 255.
    testing.assert_invariant(MODELS["DCTR"], IMAGES, "inverted", ("dct_41",))


def test_directions_are_told_apart_and_mirrored_ones_are_not():
    testing.assert_invariant(MODELS["GFR"], IMAGES, "mirrored")
    testing.assert_invariant(MODELS["GFR"], IMAGES, "rotated", submodels=())
    testing.assert_invariant(MODELS["GFR"], IMAGES, "inverted")


def test_features_that_are_no_histograms_are_caught():
    with pytest.raises(AssertionError, match=r"must sum to 1\. Received sums"):
        testing.assert_histograms(Cooccurrence2D(pool_maps=False), IMAGES % 5, 1)
    with pytest.raises(AssertionError, match="A feature is negative: -"):
        testing.assert_histograms(StatisticsPooling2D(), 1.0 * IMAGES - 255)
    with pytest.raises(AssertionError, match="not finite"):
        testing.assert_histograms(keras.layers.Flatten(), np.inf * IMAGES.clip(1))


def test_missing_and_unexpected_symmetries_are_caught():
    one_way = Cooccurrence2D(2, 2, 50, directions=("horizontal",))
    with pytest.raises(AssertionError, match="must stay the same if images are mirror"):
        testing.assert_invariant(one_way, IMAGES, "mirrored")
    with pytest.raises(AssertionError, match="must differ if images are rotated"):
        testing.assert_invariant(MODELS["SPAM"], IMAGES, "rotated", ("straight",))


def test_channels_first_is_transformed_along_its_sides():
    layer = SPAMFeatures(data_format="channels_first")
    images = np.moveaxis(random_images((1, 24, 24, 1)), -1, 1)
    testing.assert_invariant(layer, images, "rotated")
    testing.assert_invariant(layer, images, lambda x: x[..., ::-1])
