"""Co-occurrences equal plain numpy, and their symmetries hold."""

import re

import keras
import numpy as np
import pytest

from keras_forensics import Cooccurrence2D, SRMFilterBank
from tests.backend import random_images
from tests.ops.test_cooccurrence import count_tuples

numpy = keras.ops.convert_to_numpy
STEPS = {
    "horizontal": {1: 1},
    "vertical": {0: 1},
    "diagonal": {0: 1, 1: 1},
    "minor_diagonal": {0: -1, 1: 1},
}


def levels(maps, step, truncation):
    """Of residuals: half away from zero."""
    rounded = np.sign(maps) * np.floor(abs(maps) / step + 0.5)
    return rounded.clip(-truncation, truncation).astype(int) + truncation


@pytest.mark.parametrize("directions", [*([each] for each in STEPS), [*STEPS]])
def test_histograms_are_mean_frequencies_over_directions(directions):
    maps = np.random.default_rng(0).integers(-9, 10, (2, 8, 9, 3))
    layer = Cooccurrence2D(
        3, 1, 2.5, directions=directions, symmetry=None, pool_maps=False
    )
    expected = []
    for image in levels(maps, 2.5, 1):
        for channel in range(3):
            each = image[..., channel]
            counts = [count_tuples(each, STEPS[name], 3, 3) for name in directions]
            expected.append(np.mean([count / count.sum() for count in counts], axis=0))
    expected = np.reshape(expected, (2, 81))
    np.testing.assert_allclose(numpy(layer(maps)), expected, atol=1e-6)
    pooled = Cooccurrence2D(3, 1, 2.5, directions=directions)(maps)
    expected = expected.reshape(2, 3, 27).mean(1)
    np.testing.assert_allclose(numpy(pooled), expected, atol=1e-6)


@pytest.mark.parametrize("soft", [False, True])
def test_minmax_counts_largest_values_negated(soft):
    smallest, largest = np.random.default_rng(0).integers(-3, 4, (2, 1, 9, 9, 2))
    layer = Cooccurrence2D(symmetry="minmax", pool_maps=False, soft=soft)
    both = numpy(layer(np.concatenate([smallest, largest], -1)))
    assert both.shape == (1, 2 * 325)
    plain = Cooccurrence2D(symmetry="direction", pool_maps=False, soft=soft)
    expected = (numpy(plain(smallest)) + numpy(plain(-largest))) / 2
    np.testing.assert_allclose(both, expected, atol=1e-6)


def test_histogram_of_residuals_is_that_of_the_inverted_image():
    images = random_images((1, 24, 25, 1))
    layer = Cooccurrence2D(symmetry="sign_and_direction")
    residuals = SRMFilterBank("rgbn", threshold=None)
    features = numpy(layer(residuals(images)))
    np.testing.assert_array_equal(features, numpy(layer(residuals(255 - images))))
    one_sided = Cooccurrence2D(symmetry="direction")
    assert (
        numpy(one_sided(residuals(images))) != numpy(one_sided(residuals(255 - images)))
    ).any()


def test_soft_histogram_is_the_exact_one_for_multiples_of_the_step():
    maps = np.random.default_rng(0).integers(-4, 5, (2, 7, 8, 2)) * 0.5
    for symmetry in (None, "sign", "sign_and_direction"):
        exact = Cooccurrence2D(quantization_step=0.5, symmetry=symmetry)
        soft = Cooccurrence2D(quantization_step=0.5, symmetry=symmetry, soft=True)
        np.testing.assert_allclose(numpy(soft(maps)), numpy(exact(maps)), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": 0}, "`order` must be a positive integer"),
        ({"truncation": 128}, "`truncation` must be at most 127"),
        ({"quantization_step": 0}, "`quantization_step` must be a positive number"),
        ({"directions": ()}, "`directions` must be a tuple of some of"),
        ({"directions": "horizontal"}, "`directions` must be a tuple of some of"),
        ({"directions": ("up",)}, "`directions` must be a tuple of some of"),
        ({"symmetry": "both"}, "`symmetry` must be one of"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message) + ".*Received: "):
        Cooccurrence2D(**arguments)


def test_images_without_a_tuple_and_single_extremes_are_refused():
    with pytest.raises(ValueError, match=r"at least 4 pixels along axis 2. Received: "):
        Cooccurrence2D(directions=("horizontal",))(np.zeros((1, 1, 3, 1)))
    assert Cooccurrence2D(directions=("horizontal",))(np.zeros((1, 1, 4, 1))).shape
    with pytest.raises(ValueError, match=r"even number of channels. Received: "):
        Cooccurrence2D(symmetry="minmax")(np.zeros((1, 9, 9, 3)))
