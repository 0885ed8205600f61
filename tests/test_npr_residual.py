"""Residuals within windows, against torch's interpolation and the paper's windows."""

import keras
import numpy as np
import pytest

from keras_forensics import NPRResidual
from tests.backend import NAME, random_images

numpy = keras.ops.convert_to_numpy


def within_windows(images, side):
    """The paper's form: the first pixel of each window from all of its pixels."""
    residuals = np.empty(images.shape, "int64")
    for row in range(0, images.shape[1], side):
        for column in range(0, images.shape[2], side):
            window = np.s_[:, row : row + side, column : column + side]
            first = images[:, row : row + 1, column : column + 1].astype("int64")
            residuals[window] = images[window] - first
    return residuals


@pytest.mark.parametrize(
    ("size", "factor"), [((12, 14), 2), ((13, 11), 2), ((13, 11), 3), ((2, 1), 4)]
)
def test_residuals_are_exact_at_any_size(size, factor):
    images = random_images((2, *size, 3))
    actual = numpy(NPRResidual(factor)(images))
    np.testing.assert_array_equal(actual, within_windows(images, factor))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_integers_are_exact_in_16_bits(policy):
    images = random_images()
    residuals = keras.ops.cast(NPRResidual(dtype=policy)(images), "float32")
    np.testing.assert_array_equal(numpy(residuals), within_windows(images, 2))


@pytest.mark.skipif(NAME != "torch", reason="compares with torch")
@pytest.mark.parametrize("factor", [2, 4])
def test_published_code_subtracts_torchs_nearest_neighbour_interpolation(factor):
    import torch

    images = random_images((2, 12, 16, 3)).astype("float32")
    pixels = torch.tensor(np.moveaxis(images, -1, 1).copy())
    for scale in (1 / factor, factor):
        pixels = torch.nn.functional.interpolate(
            pixels, scale_factor=scale, mode="nearest", recompute_scale_factor=True
        )
    published = images - np.moveaxis(pixels.numpy(), 1, -1)
    np.testing.assert_array_equal(numpy(NPRResidual(factor)(images)), published)


def test_image_enlarged_by_repetition_has_no_residual_on_its_grid_and_one_beside_it():
    enlarged = random_images((2, 6, 7, 3)).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(numpy(NPRResidual()(enlarged)), 0)
    assert abs(numpy(NPRResidual()(enlarged[:, 1:, 1:]))).max() > 50


def test_threshold_is_in_grey_levels_whatever_the_range():
    images = random_images()
    layer = NPRResidual(threshold=40, value_range=(0, 1))
    actual = numpy(layer((images / 255).astype("float32")))
    exact = within_windows(images, 2).clip(-40, 40)
    np.testing.assert_allclose(actual, exact, atol=1e-3)


@pytest.mark.parametrize("factor", [1, 0, 2.0, None, True])
def test_wrong_factor_is_named(factor):
    with pytest.raises(ValueError, match=rf"`factor` must be .*factor={factor!r}"):
        NPRResidual(factor)
